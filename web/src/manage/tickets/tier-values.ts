/** Converts a ticket type between the form and the API. */

import { fromCents, toCents } from "../amounts";
import { emptyValues as empty, toFields as fields, toValues as values, type ValuesOf } from "../parts/field-table";
import type { Tier, TierFields } from "./api";
import { TIER_FIELDS } from "./tier-fields";

export type TierValues = ValuesOf<typeof TIER_FIELDS>;

export function emptyValues(currency: string, isPackage: boolean): TierValues {
  return { ...empty(TIER_FIELDS), currency, admits: isPackage ? "8" : "1" };
}

export function toValues(tier: Tier, timezone: string): TierValues {
  return { ...values(TIER_FIELDS, tier, timezone), price_cents: fromCents(tier.price_cents, tier.currency) };
}

/** Convert the form to the API's fields; null if the price is not an amount. */
export function toFields(typed: TierValues, timezone: string): TierFields | null {
  const currency = typed.currency.trim().toUpperCase();
  const price_cents = toCents(typed.price_cents, currency);
  return price_cents === null ? null : { ...fields(TIER_FIELDS, typed, timezone), currency, price_cents, seating: (typed.seating || null) as TierFields["seating"] };
}
