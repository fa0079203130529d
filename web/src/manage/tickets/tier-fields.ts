/** The fields in the form of a ticket type or package, in the order of the form. */

import type { Schemas } from "../../client";
import type { Row } from "../parts/field-table";

export const TIER_FIELDS = {
  name: { kind: "text", place: "main", required: true, maxLength: 200 },
  description: { kind: "area", place: "main", optional: true, maxLength: 10_000 },
  price_cents: { kind: "price", place: "main", half: true, required: true, maxLength: 14 },
  currency: { kind: "choice", place: "main", half: true },
  capacity: { kind: "number", place: "main", half: true, optional: true, min: 1, max: 1_000_000 },
  admits: { kind: "number", place: "main", half: true, required: true, min: 1, max: 100 },
  sale_starts_at: { kind: "time", place: "more", half: true, optional: true },
  sale_ends_at: { kind: "time", place: "more", half: true, optional: true },
  max_per_order: { kind: "number", place: "more", half: true, optional: true, min: 1, max: 50 },
  low_stock_at: { kind: "number", place: "more", half: true, optional: true, min: 0, max: 1_000_000 },
  is_sponsorship: { kind: "check", place: "more" },
  seating: { kind: "choice", place: "more", nullable: true },
  hidden: { kind: "check", place: "more" },
  requires_code: { kind: "check", place: "more" },
} satisfies { [name in keyof Schemas["TierFields"]]?: Row };

/** The fields of `included_fee` and `tax`. */
export const INCLUDED_FIELDS = {
  "included_fee.cents": { kind: "price", place: "included", half: true, optional: true, maxLength: 14 },
  "included_fee.percent": { kind: "text", place: "included", half: true, optional: true, maxLength: 6 },
  "tax.none": { kind: "check", place: "included" },
  "tax.percent": { kind: "text", place: "included", half: true, optional: true, maxLength: 6 },
  "tax.exempt_because": { kind: "text", place: "included", half: true, optional: true, maxLength: 200 },
} satisfies Record<string, Row>;
