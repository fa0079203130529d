/** The fields in the form of an event, in the order of the form. */

import type { Schemas } from "../../client";
import type { Row } from "../parts/field-table";

export const EVENT_FIELDS = {
  name: { kind: "text", place: "what", required: true, maxLength: 200 },
  venue: { kind: "text", place: "what", maxLength: 200 },
  address: { kind: "text", place: "what", optional: true, maxLength: 200 },
  city: { kind: "text", place: "what", half: true, optional: true, nullable: true, maxLength: 100 },
  category: { kind: "text", place: "what", half: true, optional: true, nullable: true, maxLength: 100 },
  country: { kind: "text", place: "what", half: true, optional: true, nullable: true, maxLength: 2 },
  region: { kind: "text", place: "what", half: true, optional: true, nullable: true, maxLength: 3 },
  postal_code: { kind: "text", place: "what", half: true, optional: true, nullable: true, maxLength: 20 },
  description: { kind: "area", place: "what", optional: true, maxLength: 10_000, rows: 5 },
  starts_at: { kind: "time", place: "when", half: true },
  ends_at: { kind: "time", place: "when", half: true, optional: true },
  doors_minutes: { kind: "number", place: "when", optional: true, min: 0, max: 1440 },
  refundable_until: { kind: "time", place: "returns", optional: true },
  timezone: { kind: "choice", place: "when" },
  on_sale_at: { kind: "time", place: "sale", optional: true },
  capacity: { kind: "number", place: "sale", optional: true, min: 1, max: 1_000_000 },
  purchase_limit: { kind: "number", place: "more", optional: true, min: 1, max: 1000 },
  hold_seconds: { kind: "number", place: "more", optional: true, min: 30, max: 3600 },
  allows_reentry: { kind: "check", place: "more" },
  publishes_report: { kind: "check", place: "more" },
} satisfies { [name in keyof Schemas["EventFields"]]?: Row };

/** The fields of `returns`, and `may_transfer` for `transfers`. `fee_cents` is not in the form, which keeps it. */
export const RETURN_FIELDS = {
  policy: { kind: "choice", place: "rules" },
  until: { kind: "time", place: "refund", half: true, optional: true },
  fee_percent: { kind: "number", place: "refund", half: true, optional: true, min: 0, max: 100 },
  needs_approval: { kind: "check", place: "approval" },
  fee_cents: { kind: "number", place: "no", min: 0, max: 100_000_000 },
  may_transfer: { kind: "check", place: "rules" },
} satisfies Record<string, Row>;

/** The fields of `waiting_room`. `has_line` is its `enabled`. */
export const LINE_FIELDS = {
  has_line: { kind: "check", place: "more" },
  wave_size: { kind: "number", place: "line", half: true, optional: true, min: 1, max: 100_000 },
  wave_seconds: { kind: "number", place: "line", half: true, optional: true, min: 1, max: 86_400 },
  pass_seconds: { kind: "number", place: "line", optional: true, min: 1, max: 86_400, half: true },
  grace_seconds: { kind: "number", place: "line", half: true, optional: true, min: 0, max: 86_400 },
  longer_pass_seconds: { kind: "number", place: "line", optional: true, min: 1, max: 86_400 },
  entry: { kind: "choice", place: "line" },
  groups: { kind: "check", place: "line" },
  ballot: { kind: "check", place: "line" },
  ballot_cards: { kind: "choice", place: "line" },
  better_odds: { kind: "check", place: "line" },
  randomness: { kind: "choice", place: "line" },
  follow_stock: { kind: "check", place: "line" },
  shop_url: { kind: "text", place: "line", optional: true, nullable: true, maxLength: 500 },
  pass_algorithm: { kind: "choice", place: "line" },
} satisfies { [name in keyof Schemas["WaitingRoomConfig"] | "has_line"]?: Row };
