/** Converts amounts between what people type (major units) and what the API uses (the currency's smallest unit). */

import { digitsOf } from "../formats";

/** 8950 -> "89.50" */
export function fromCents(cents: number, currency: string): string {
  const digits = digitsOf(currency);
  return (cents / 10 ** digits).toFixed(digits);
}

/** "89.5" or "89,50" -> 8950; null if the text is not an amount in this currency. */
export function toCents(text: string, currency: string): number | null {
  const digits = digitsOf(currency);
  const match = /^(\d{1,9})(?:[.,](\d+))?$/.exec(text.trim());
  if (!match || (match[2]?.length ?? 0) > digits) return null;
  return Number(match[1]) * 10 ** digits + Number((match[2] ?? "").padEnd(digits, "0") || "0");
}
