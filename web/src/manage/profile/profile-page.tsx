/** The promoter's own public profile. */

import { useState } from "preact/hooks";
import { content, type Schemas } from "../../client";
import { day, money } from "../../formats";
import { Failure, Skeleton } from "../../parts/failure";
import { Form } from "../../parts/form";
import { useAction, useLoaded } from "../../parts/hooks";
import { useTexts } from "../../texts";
import { manager } from "../api";
import { toTax } from "../tickets/tier-values";
import { AreaField, CheckField, TextField } from "../parts/fields";
import { SaveNote, useSaved } from "../parts/save-note";
import { TheirChanges } from "../parts/their-changes";
import { useDraft } from "../parts/use-draft";
import { useRoomTexts } from "../texts";
import { useMe } from "../who";
import { Brand } from "./brand";
import { InvoiceFiles, SellerFields, sellerValues, toSeller } from "./invoices";
import { LegalTexts } from "./legal-texts";

type Profile = Schemas["PromoterView"];

const path = (promoter_id: string) => ({ params: { path: { promoter_id } } });
const getProfile = (promoter_id: string) => content(manager.GET("/promoters/{promoter_id}", path(promoter_id)));
const toValues = ({ name, company, description, website, email, policies, invoices, bank_account }: Profile) => ({
  name,
  company: company ?? "",
  description,
  website: website ?? "",
  email: email ?? "",
  policies,
  ...sellerValues(invoices),
  "bank_account.holder": bank_account?.holder ?? "",
  "bank_account.iban": bank_account?.iban ?? "",
  "bank_account.bic": bank_account?.bic ?? "",
});
type Fields = ReturnType<typeof toValues>;

/** The bank account as the API takes it, or null if the promoter entered nothing. */
function toAccount(values: Fields): Profile["bank_account"] {
  const plain = (text: string) => text.replace(/\s/g, "").toUpperCase();
  const [holder, iban, bic] = [values["bank_account.holder"].trim(), plain(values["bank_account.iban"]), plain(values["bank_account.bic"])];
  return holder || iban || bic ? { holder, iban, bic: bic || null } : null;
}

/** Add https:// to an address without a scheme, as browsers do. */
const withScheme = (address: string) => (address && !/^https?:\/\//i.test(address) ? `https://${address}` : address);

export function ProfilePage() {
  const own = useRoomTexts("profile");
  const me = useMe();
  const { value, failure, reload } = useLoaded(() => getProfile(me.id), me.id);
  return (
    <div class="page page-narrow">
      <h1>{own.title}</h1>
      <p class="lead">{own.lead}</p>
      {value && <Editor loaded={value} />}
      {value && (value.verified || value.default_taxes.length > 0) && <DefaultTaxes profile={value} />}
      {value && (value.verified || value.brand) && <Brand profile={value} />}
      {value?.verified && <LegalTexts ownerId={me.id} />}
      {value?.verified && <PaymentAccount promoterId={me.id} />}
      {!value && (failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={8} />)}
    </div>
  );
}

interface TaxRow {
  country: string;
  region: string;
  "tax.percent": string;
  "tax.exempt_because": string;
}

const toRow = ({ country, region, tax }: Profile["default_taxes"][number]): TaxRow => ({ country, region: region ?? "", "tax.percent": tax.percent, "tax.exempt_because": tax.exempt_because ?? "" });
const EMPTY_ROW: TaxRow = { country: "", region: "", "tax.percent": "", "tax.exempt_because": "" };

/** The taxes in the prices at the promoter's events, by country and region: a row for each place. */
function DefaultTaxes({ profile }: { profile: Profile }) {
  const own = useRoomTexts("defaultTaxes");
  const form = useRoomTexts("forms");
  const [rows, setRows] = useState(() => profile.default_taxes.map(toRow));
  const [isAutomatic, setAutomatic] = useState(profile.automatic_tax);
  const [isSaved, setSaved] = useState(false);
  const change = (changed: TaxRow[]) => (setRows(changed), setSaved(false));
  const save = async () => {
    const default_taxes = rows.map((row) => ({
      country: row.country.trim().toUpperCase(),
      region: row.region.trim().toUpperCase() || null,
      tax: toTax(row["tax.percent"], row["tax.exempt_because"]) ?? { percent: "" },
    }));
    const saved = await content(manager.PUT("/promoters/{promoter_id}/default-taxes", { ...path(profile.id), body: { default_taxes, automatic_tax: isAutomatic } }));
    setRows(saved.default_taxes.map(toRow));
    setAutomatic(saved.automatic_tax);
    setSaved(true);
  };
  return (
    <Form onSubmit={save} button={own.save} isQuiet>
      {(errorOf) => (
        <>
          <h2>{own.title}</h2>
          <p>{own.lead}</p>
          <CheckField
            name="automatic_tax"
            label={own.automatic}
            note={own.automaticNote}
            errorOf={errorOf}
            draft={{ values: { automatic_tax: isAutomatic }, set: ({ automatic_tax }) => (setAutomatic(automatic_tax!), setSaved(false)) }}
          />
          {rows.map((row, index) => {
            const prefix = `default_taxes[${index}].`;
            const field = (name: keyof TaxRow) => ({
              name: prefix + name,
              draft: { values: { [prefix + name]: row[name] }, set: (typed: { [name: string]: string | undefined }) => change(rows.with(index, { ...row, [name]: typed[prefix + name]! })) },
              errorOf,
            });
            return (
              <fieldset class="fields" key={index}>
                <div class="pair">
                  <TextField {...field("country")} label={own.country} note={own.countryNote} required maxLength={2} />
                  <TextField {...field("region")} label={own.region} note={own.regionNote} maxLength={3} />
                </div>
                <div class="pair">
                  <TextField {...field("tax.percent")} label={own.percent} required maxLength={6} />
                  <TextField {...field("tax.exempt_because")} label={own.exempt} maxLength={200} />
                </div>
                <button type="button" class="link" onClick={() => change(rows.toSpliced(index, 1))}>
                  {own.remove([row.country, row.region].filter(Boolean).join("-") || String(index + 1))}
                </button>
              </fieldset>
            );
          })}
          <button type="button" class="button button-quiet" onClick={() => change([...rows, EMPTY_ROW])}>
            {own.add}
          </button>
          <p role="status" class={isSaved ? "saved" : "hidden"}>
            {isSaved && form.saved}
          </p>
        </>
      )}
    </Form>
  );
}

/** The promoter's account at Stripe: its state, what is missing, and the way to Stripe's page. Nothing is shown if the shop offers no accounts. */
function PaymentAccount({ promoterId }: { promoterId: string }) {
  const own = useRoomTexts("paymentAccount");
  const { language } = useTexts();
  const shown = (hundredths: number) => (hundredths / 100).toLocaleString(language, { minimumFractionDigits: hundredths % 100 ? 2 : 0 });
  const { value, failure, reload } = useLoaded(() => content(manager.GET("/promoters/{promoter_id}/payment-account", path(promoterId))), promoterId);
  const { isWorking, failure: refusal, run } = useAction();
  const connect = () =>
    run(async () => {
      location.href = (await content(manager.POST("/promoters/{promoter_id}/payment-account", path(promoterId)))).url;
    });
  if (!value) return failure && <Failure failure={failure} retry={reload} />;
  if (value.state === "none" && !value.can_connect) return null;
  const isDone = value.state === "active" && value.missing.length === 0;
  return (
    <section class="panel">
      <h2>{own.title}</h2>
      <p role="status">{own.states[value.state]}</p>
      {value.state === "active" && !value.gets_payouts && <p class="notice">{own.noPayouts}</p>}
      {value.missing.length > 0 && (
        <>
          <p>{own.missing}</p>
          <ul>
            {value.missing.map((field) => (
              <li key={field}>
                <code>{field}</code>
              </li>
            ))}
          </ul>
        </>
      )}
      {(value.fee_cents > 0 || value.fee_basis_points > 0) && <p>{own.fee(shown(value.fee_cents), shown(value.fee_basis_points))}</p>}
      {value.account_id && value.state !== "pending" && <Money promoterId={promoterId} />}
      {refusal && <Failure failure={refusal} />}
      {value.can_connect && !isDone && (
        <button type="button" class="button" disabled={isWorking} onClick={connect}>
          {value.account_id ? own.resume : own.connect}
        </button>
      )}
    </section>
  );
}

/** The balance and the latest payouts of the promoter's account. */
function Money({ promoterId }: { promoterId: string }) {
  const own = useRoomTexts("paymentAccount");
  const { states } = useRoomTexts("payouts");
  const { locale } = useTexts();
  const load = () => content(manager.GET("/promoters/{promoter_id}/payouts", { params: { path: { promoter_id: promoterId }, query: { limit: 10 } } }));
  const { value, failure, reload } = useLoaded(load, promoterId);
  if (!value) return failure && <Failure failure={failure} retry={reload} />;
  return (
    <>
      {value.balances.map(({ currency, available_cents, pending_cents }) => (
        <p key={currency}>{own.balance(money(available_cents, currency, locale), money(pending_cents, currency, locale))}</p>
      ))}
      {value.payouts.length > 0 && (
        <>
          <h3>{own.payouts}</h3>
          <ul>
            {value.payouts.map(({ id, amount_cents, currency, state, arrives_at, failure: reason }) => (
              <li key={id}>
                <span class="numbers">{money(amount_cents, currency, locale)}</span> · {day(arrives_at, undefined, locale)} · {states[state]}
                {reason && (
                  <>
                    : <span lang="en">{reason}</span>
                  </>
                )}
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}

function Editor({ loaded }: { loaded: Profile }) {
  const own = useRoomTexts("profile");
  const form = useRoomTexts("forms");
  const [profile, setProfile] = useState(loaded);
  const load = async () => {
    const present = await getProfile(loaded.id);
    setProfile(present);
    return { version: present.version, values: toValues(present) };
  };
  const draft = useDraft(`profile.${loaded.id}`, { version: profile.version, values: toValues(profile) }, load);
  const [isSaved, setSaved] = useSaved(draft.isChanged);
  const saved = toValues(profile);
  const losesVerification = profile.verified && (["name", "company", "website", "bank_account.holder", "bank_account.iban", "bank_account.bic"] as const).some((name) => saved[name] !== draft.values[name].trim());
  const save = () => {
    const { name, company, website, email } = draft.values;
    draft.set({ name: name.trim(), company: company.trim(), website: withScheme(website.trim()), email: email.trim() }); // show the values as they are saved
    return draft.save(async (values, _, version) => {
      const { name, company, description, website, email, policies } = values;
      const invoices = ADDONS.documents ? toSeller(values) : undefined; // undefined changes nothing
      const body = { name, company: company || null, description, website: website || null, email: email || null, policies, invoices, bank_account: toAccount(values), version };
      setProfile(await content(manager.PUT("/promoters/{promoter_id}", { ...path(profile.id), body })));
      setSaved();
    });
  };
  return (
    <>
      <p class="notice" role="status">
        {profile.verified ? own.verified : own.unverified}
      </p>
      <Form onSubmit={save} button={form.save}>
        {(errorOf) => (
          <>
            <TheirChanges draft={draft} labels={own} />
            <TextField name="name" label={own.name} note={own.nameNote} required maxLength={200} draft={draft} errorOf={errorOf} />
            <TextField name="company" label={own.company} maxLength={200} draft={draft} errorOf={errorOf} />
            <TextField name="website" label={own.website} maxLength={500} draft={draft} errorOf={(name) => errorOf(name) && own.websiteError} />
            <TextField name="email" label={own.email} note={own.emailNote} type="email" maxLength={254} draft={draft} errorOf={errorOf} />
            <AreaField name="description" label={own.description} maxLength={10000} rows={6} draft={draft} errorOf={errorOf} />
            <AreaField name="policies" label={own.policies} note={own.policiesNote} maxLength={2000} rows={6} draft={draft} errorOf={errorOf} />
            {ADDONS.documents && (
              <fieldset class="fields">
                <legend>{own.invoices}</legend>
                <p class="small">{own.invoicesNote}</p>
                {!profile.verified && <p class="small">{own.invoicesUnverified}</p>}
                <SellerFields draft={draft} errorOf={errorOf} />
              </fieldset>
            )}
            <fieldset class="fields">
              <legend>{own.account}</legend>
              <p class="small">{own.accountNote}</p>
              <TextField name="bank_account.holder" label={own["bank_account.holder"]} maxLength={200} draft={draft} errorOf={errorOf} />
              <div class="pair">
                <TextField name="bank_account.iban" label="IBAN" maxLength={42} draft={draft} errorOf={(name) => errorOf(name) ?? errorOf("bank_account")} />
                <TextField name="bank_account.bic" label="BIC" maxLength={11} draft={draft} errorOf={errorOf} />
              </div>
            </fieldset>
            {losesVerification && <p class="notice">{own.losesVerification}</p>}
            <SaveNote draft={draft} isSaved={isSaved} />
          </>
        )}
      </Form>
      {ADDONS.documents && profile.invoices && <InvoiceFiles sellerId={profile.id} />}
    </>
  );
}
