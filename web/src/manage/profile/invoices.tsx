/** The seller on the invoices of a promoter or of the shop, and the files with their invoices. */

import { useState } from "preact/hooks";
import { content, type Schemas } from "../../client";
import { save as saveFile } from "../../downloads";
import { Failure, Skeleton } from "../../parts/failure";
import { Form } from "../../parts/form";
import { useAction, useLoaded } from "../../parts/hooks";
import { now } from "../../server-time";
import { manager } from "../api";
import { loadFile } from "../parts/csv-file";
import { AreaField, TextField } from "../parts/fields";
import { useRoomTexts } from "../texts";

type Seller = Schemas["PromoterView"]["invoices"];

export const sellerValues = (seller: Seller) => ({
  "invoices.name": seller?.name ?? "",
  "invoices.address": seller?.address ?? "",
  "invoices.country": seller?.country ?? "",
  "invoices.tax_id": seller?.tax_id ?? "",
  "invoices.prefix": seller?.prefix ?? "",
});
type Values = ReturnType<typeof sellerValues>;

/** The seller as the API takes it, or null if all fields are empty. */
export function toSeller(values: Values): Seller {
  const seller = {
    name: values["invoices.name"].trim(),
    address: values["invoices.address"].trim(),
    country: values["invoices.country"].trim().toUpperCase() || null,
    tax_id: values["invoices.tax_id"].trim(),
    prefix: values["invoices.prefix"].trim().toUpperCase(),
  };
  return Object.values(seller).some(Boolean) ? seller : null;
}

interface FieldsProps {
  draft: { values: Values; set: (changes: Partial<Values>) => void };
  errorOf: (name: string) => string | null;
}

export function SellerFields({ draft, errorOf }: FieldsProps) {
  const own = useRoomTexts("profile");
  return (
    <>
      <TextField name="invoices.name" label={own["invoices.name"]} maxLength={200} draft={draft} errorOf={errorOf} />
      <AreaField name="invoices.address" label={own["invoices.address"]} maxLength={500} rows={4} draft={draft} errorOf={errorOf} />
      <TextField name="invoices.country" label={own["invoices.country"]} maxLength={2} draft={draft} errorOf={errorOf} />
      <TextField name="invoices.tax_id" label={own["invoices.tax_id"]} maxLength={30} draft={draft} errorOf={errorOf} />
      <TextField name="invoices.prefix" label={own["invoices.prefix"]} note={own.invoicesPrefixNote} maxLength={10} draft={draft} errorOf={errorOf} />
    </>
  );
}

/** Who invoices the sales of the shop itself, for admins. */
export function ShopInvoices() {
  const { value, failure, reload } = useLoaded(() => content(manager.GET("/admin/shop-invoices")), "shop-invoices");
  return value ? <ShopEditor loaded={value.invoices} /> : failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={4} />;
}

function ShopEditor({ loaded }: { loaded: Seller }) {
  const own = useRoomTexts("profile");
  const form = useRoomTexts("forms");
  const [values, setValues] = useState(() => sellerValues(loaded));
  const [isOn, setOn] = useState(loaded !== null);
  const [isSaved, setSaved] = useState(false);
  const draft = { values, set: (typed: Partial<Values>) => (setValues({ ...values, ...typed }), setSaved(false)) };
  const save = async () => {
    const { invoices } = await content(manager.PUT("/admin/shop-invoices", { body: { invoices: toSeller(values) } }));
    setValues(sellerValues(invoices));
    setOn(invoices !== null);
    setSaved(true);
  };
  return (
    <>
      <Form onSubmit={save} button={own.saveOfShop} isQuiet>
        {(errorOf) => (
          <>
            <h2>{own.invoicesOfShop}</h2>
            <p>{own.invoicesOfShopNote}</p>
            <SellerFields draft={draft} errorOf={errorOf} />
            <p role="status" class={isSaved ? "saved" : "hidden"}>
              {isSaved && form.saved}
            </p>
          </>
        )}
      </Form>
      {isOn && <InvoiceFiles sellerId="shop" />}
    </>
  );
}

/** The invoices of this year and of the last one, for bookkeeping. */
export function InvoiceFiles({ sellerId }: { sellerId: string }) {
  const own = useRoomTexts("profile");
  const { isWorking, failure, run } = useAction();
  const thisYear = new Date(1000 * now()).getUTCFullYear();
  const load = (year: number) =>
    loadFile((query) =>
      manager.GET("/promoters/{promoter_id}/invoices", { params: { path: { promoter_id: sellerId }, query: { ...query, year, format: "csv" } }, parseAs: "text" }),
    );
  return (
    <section class="panel">
      <h2>{own.invoices}</h2>
      {failure && <Failure failure={failure} />}
      {[thisYear, thisYear - 1].map((year) => (
        <button key={year} type="button" class="button button-quiet" disabled={isWorking} onClick={() => run(async () => saveFile(await load(year), `invoices-${year}.csv`))}>
          {own.invoicesFile}, {year}
        </button>
      ))}
    </section>
  );
}
