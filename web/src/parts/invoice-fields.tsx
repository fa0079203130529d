/** The company to name on the invoice of an order. */

import type { InvoiceBuyer } from "../api";
import { useTexts } from "../texts";
import type { invoiceTexts as en } from "../texts/en-invoice";
import { inEachLanguage } from "../texts/languages";
import { Labelled } from "./form";

/** All languages are in this file, because they are smaller than a second request. */
const TEXTS = inEachLanguage(import.meta.glob<typeof en>("../texts/??-invoice.ts", { eager: true, import: "invoiceTexts" }));
const NOBODY = { company: "", address: "", country: "", vat_id: "" };

interface Props {
  /** Null if the buyer needs no invoice for a company. */
  value: InvoiceBuyer | null;
  onValue: (value: InvoiceBuyer | null) => void;
}

export function InvoiceFields({ value, onValue }: Props) {
  const own = TEXTS[useTexts().language];
  return (
    <fieldset>
      <label class="check">
        <input type="checkbox" checked={value !== null} onChange={({ currentTarget }) => onValue(currentTarget.checked ? NOBODY : null)} />
        {own.wanted}
      </label>
      {value && (
        <>
          <Labelled label={own.company} error={null}>
            {(attributes) => (
              <input
                {...attributes}
                type="text"
                name="company"
                autocomplete="organization"
                maxLength={200}
                required
                value={value.company}
                onInput={({ currentTarget }) => onValue({ ...value, company: currentTarget.value })}
              />
            )}
          </Labelled>
          <Labelled label={own.address} error={null}>
            {(attributes) => (
              <textarea
                {...attributes}
                name="address"
                autocomplete="street-address"
                rows={4}
                maxLength={500}
                required
                value={value.address}
                onInput={({ currentTarget }) => onValue({ ...value, address: currentTarget.value })}
              />
            )}
          </Labelled>
          <Labelled label={own.country} error={null}>
            {(attributes) => (
              <input
                {...attributes}
                type="text"
                name="country"
                autocomplete="country"
                maxLength={2}
                pattern="[A-Za-z]{2}"
                title={own.countryForm}
                value={value.country ?? ""}
                onInput={({ currentTarget }) => onValue({ ...value, country: currentTarget.value })}
              />
            )}
          </Labelled>
          <Labelled label={own.vatId} error={null}>
            {(attributes) => (
              <input
                {...attributes}
                type="text"
                name="vat-id"
                autocomplete="off"
                maxLength={30}
                pattern="[A-Za-z0-9][A-Za-z0-9 .\/\-]{2,28}[A-Za-z0-9]"
                title={own.vatIdForm}
                value={value.vat_id ?? ""}
                onInput={({ currentTarget }) => onValue({ ...value, vat_id: currentTarget.value })}
              />
            )}
          </Labelled>
        </>
      )}
    </fieldset>
  );
}
