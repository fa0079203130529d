/** Converts a ticket type between the form and the API. */

import { fromCents, toCents } from "../amounts";
import { emptyValues as empty, toFields as fields, toValues as values, type ValuesOf } from "../parts/field-table";
import { toMap, toOtherTexts, type OtherTexts } from "../parts/other-texts";
import type { Tier, TierFields } from "./api";
import { INCLUDED_FIELDS, TIER_FIELDS } from "./tier-fields";

export type TierValues = ValuesOf<typeof TIER_FIELDS> & ValuesOf<typeof INCLUDED_FIELDS> & OtherTexts<"names" | "descriptions">;

export function emptyValues(currency: string, isPackage: boolean): TierValues {
  return { ...empty(TIER_FIELDS), ...empty(INCLUDED_FIELDS), currency, admits: isPackage ? "8" : "1" };
}

export function toValues(tier: Tier, timezone: string): TierValues {
  const tax = tier.tax === "none" ? null : tier.tax;
  const [cents, percent] = [tier.included_fee?.cents ?? 0, tier.included_fee?.percent ?? "0"];
  const included = {
    "included_fee.cents": cents === 0 ? "" : fromCents(cents, tier.currency),
    "included_fee.percent": percent === "0" ? "" : percent,
    "tax.none": tier.tax === "none",
    "tax.percent": tax?.percent,
    "tax.exempt_because": tax?.exempt_because,
  };
  return { ...values(TIER_FIELDS, tier, timezone), ...values(INCLUDED_FIELDS, included, timezone), price_cents: fromCents(tier.price_cents, tier.currency), ...toOtherTexts({ names: tier.names, descriptions: tier.descriptions }) };
}

/** Convert the form to the API's fields. If an amount is not valid, the result is the name of its field. */
export function toFields(typed: TierValues, timezone: string): TierFields | "price_cents" | "included_fee.cents" {
  const currency = typed.currency.trim().toUpperCase();
  const price_cents = toCents(typed.price_cents, currency);
  const cents = toCents(typed["included_fee.cents"].trim() || "0", currency);
  if (price_cents === null) return "price_cents";
  if (cents === null) return "included_fee.cents";
  const percent = toPercent(typed["included_fee.percent"]) || "0";
  return {
    ...fields(TIER_FIELDS, typed, timezone),
    names: toMap("names", typed),
    descriptions: toMap("descriptions", typed),
    currency,
    price_cents,
    seating: (typed.seating || null) as TierFields["seating"],
    included_fee: cents === 0 && percent === "0" ? null : { cents, percent },
    tax: typed["tax.none"] ? "none" : toTax(typed["tax.percent"], typed["tax.exempt_because"]),
  };
}

/** Null if there is neither a rate nor an exemption. */
export function toTax(rate: string, reason: string): { percent: string; exempt_because?: string } | null {
  const [percent, exempt_because] = [toPercent(rate), reason.trim()];
  if (percent === "" && exempt_because === "") return null;
  return exempt_because === "" ? { percent } : { percent: percent || "0", exempt_because };
}

/** A percentage may be typed with a comma, a percent sign, and zeros at the end. */
function toPercent(typed: string): string {
  const rate = typed.replace(/[\s%]/g, "").replace(",", ".");
  return rate.includes(".") ? rate.replace(/\.?0+$/, "") : rate;
}
