/** Converts a ticket type between the form and the API. */

import { fromCents, toCents } from "../amounts";
import { emptyValues as empty, toFields as fields, toValues as values, type ValuesOf } from "../parts/field-table";
import type { Tier, TierFields } from "./api";
import { TAX_FIELDS, TIER_FIELDS } from "./tier-fields";

export type TierValues = ValuesOf<typeof TIER_FIELDS> & ValuesOf<typeof TAX_FIELDS>;

export function emptyValues(currency: string, isPackage: boolean): TierValues {
  return { ...empty(TIER_FIELDS), ...empty(TAX_FIELDS), currency, admits: isPackage ? "8" : "1" };
}

export function toValues(tier: Tier, timezone: string): TierValues {
  const tax = { "tax.percent": tier.tax?.percent, "tax.exempt_because": tier.tax?.exempt_because };
  return { ...values(TIER_FIELDS, tier, timezone), ...values(TAX_FIELDS, tax, timezone), price_cents: fromCents(tier.price_cents, tier.currency) };
}

/** Convert the form to the API's fields; null if the price is not an amount. */
export function toFields(typed: TierValues, timezone: string): TierFields | null {
  const currency = typed.currency.trim().toUpperCase();
  const price_cents = toCents(typed.price_cents, currency);
  return price_cents === null ? null : { ...fields(TIER_FIELDS, typed, timezone), currency, price_cents, seating: (typed.seating || null) as TierFields["seating"], tax: toTax(typed) };
}

/** Null if there is neither a rate nor an exemption. The rate may be typed with a comma, a percent sign, and zeros at the end. */
function toTax(typed: TierValues): TierFields["tax"] {
  const rate = typed["tax.percent"].replace(/[\s%]/g, "").replace(",", ".");
  const percent = rate.includes(".") ? rate.replace(/\.?0+$/, "") : rate;
  const exempt_because = typed["tax.exempt_because"].trim();
  if (percent === "" && exempt_because === "") return null;
  return exempt_because === "" ? { percent } : { percent: percent || "0", exempt_because };
}
