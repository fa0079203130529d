/** Converts a ticket type between the form and the API. */

import { fromCents, toCents } from "../amounts";
import { fromLocal, toLocal } from "../zoned-time";
import type { Tier, TierFields } from "./api";

/** Times are local to the event; the price is in major units; numbers are as typed, "" for none. */
export type TierValues = {
  name: string;
  description: string;
  price_cents: string;
  currency: string;
  capacity: string;
  admits: string;
  max_per_order: string;
  sale_starts_at: string;
  sale_ends_at: string;
  low_stock_at: string;
  hidden: boolean;
  is_sponsorship: boolean;
};

export function emptyValues(currency: string, isPackage: boolean): TierValues {
  return {
    name: "",
    description: "",
    price_cents: "",
    currency,
    capacity: "",
    admits: isPackage ? "8" : "1",
    max_per_order: "",
    sale_starts_at: "",
    sale_ends_at: "",
    low_stock_at: "",
    hidden: false,
    is_sponsorship: false,
  };
}

export function toValues(tier: Tier, timezone: string): TierValues {
  return {
    name: tier.name,
    description: tier.description,
    price_cents: fromCents(tier.price_cents, tier.currency),
    currency: tier.currency,
    capacity: text(tier.capacity),
    admits: text(tier.admits),
    max_per_order: text(tier.max_per_order),
    sale_starts_at: toLocal(tier.sale_starts_at, timezone),
    sale_ends_at: toLocal(tier.sale_ends_at, timezone),
    low_stock_at: text(tier.low_stock_at),
    hidden: tier.hidden,
    is_sponsorship: tier.is_sponsorship,
  };
}

/** Convert the form to the API's fields; null if the price is not an amount. */
export function toFields(values: TierValues, timezone: string): TierFields | null {
  const currency = values.currency.trim().toUpperCase();
  const price_cents = toCents(values.price_cents, currency);
  if (price_cents === null) return null;
  return {
    name: values.name.trim(),
    description: values.description.trim(),
    price_cents,
    currency,
    capacity: number(values.capacity),
    admits: number(values.admits) ?? 1,
    max_per_order: number(values.max_per_order),
    sale_starts_at: fromLocal(values.sale_starts_at, timezone),
    sale_ends_at: fromLocal(values.sale_ends_at, timezone),
    low_stock_at: number(values.low_stock_at),
    hidden: values.hidden,
    is_sponsorship: values.is_sponsorship,
  };
}

const text = (value: number | null) => (value === null ? "" : String(value));
const number = (typed: string) => (typed.trim() === "" ? null : Number(typed));
