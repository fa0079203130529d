/** Converts an event between the form and the API. */

import type { Schemas } from "../../client";
import type { ManagedEvent } from "../api";
import { emptyValues as empty, toFields as fields, toValues as values, type ValuesOf } from "../parts/field-table";
import { toMap, toOtherTexts, type OtherTexts } from "../parts/other-texts";
import { EVENT_FIELDS, LINE_FIELDS, RETURN_FIELDS } from "./event-fields";

export type EventFields = Schemas["EventFields"];
type EntryRule = Schemas["WaitingRoomConfig"]["entry"];
type BallotCards = Schemas["WaitingRoomConfig"]["ballot_cards"];
export type EventValues = ValuesOf<typeof EVENT_FIELDS> & ValuesOf<typeof LINE_FIELDS> & ValuesOf<typeof RETURN_FIELDS> & OtherTexts<"names" | "descriptions">;

export function emptyValues(): EventValues {
  const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();
  return { ...empty(EVENT_FIELDS), timezone: timeZone, ...empty(LINE_FIELDS), has_line: true, entry: "verified_address", ballot_cards: "none", randomness: "key_and_beacon", pass_algorithm: "EdDSA", ...empty(RETURN_FIELDS), may_transfer: true };
}

export function toValues(event: ManagedEvent): EventValues {
  const line = { has_line: event.waiting_room?.enabled ?? true, entry: "open", ballot_cards: "none", randomness: "key", pass_algorithm: "EdDSA", ...event.waiting_room };
  const returns = { ...event.returns, may_transfer: event.transfers === "free" };
  return { ...values(EVENT_FIELDS, event, event.timezone), ...values(LINE_FIELDS, line, event.timezone), ...values(RETURN_FIELDS, returns, event.timezone), ...toOtherTexts({ names: event.names, descriptions: event.descriptions }) };
}

/** Convert the form to the API's fields. Empty fields become null, so that the stage's settings apply. */
export function toFields(typed: EventValues): EventFields {
  const { has_line, entry, ballot_cards, randomness, pass_algorithm, ...line } = fields(LINE_FIELDS, typed, typed.timezone);
  const hasBeacon = randomness === "key_and_beacon";
  const isUsual = has_line && entry === "open" && !hasBeacon && !Object.values(line).some((value) => value !== null && value !== false);
  const details = fields(EVENT_FIELDS, typed, typed.timezone);
  return {
    ...details,
    names: toMap("names", typed),
    descriptions: toMap("descriptions", typed),
    country: details.country?.toUpperCase() ?? null,
    region: details.region?.toUpperCase() ?? null,
    waiting_room: isUsual ? null : { enabled: has_line, ...line, entry: entry as EntryRule, ballot_cards: ballot_cards as BallotCards, randomness: hasBeacon ? "key_and_beacon" : "key", pass_algorithm: pass_algorithm === "HS256" ? "HS256" : "EdDSA" },
    returns: toReturns(typed),
    transfers: typed.may_transfer ? "free" : typed.policy === "resale" ? "resale" : "none",
  };
}

/** Null if the event says nothing about returns. */
function toReturns(typed: EventValues): EventFields["returns"] {
  const { until, fee_percent, fee_cents, needs_approval } = fields(RETURN_FIELDS, typed, typed.timezone);
  if (typed.policy === "refund") return { policy: "refund", until, fee_percent: fee_percent ?? 0, fee_cents: fee_cents ?? 0, needs_approval };
  if (typed.policy === "resale") return { policy: "resale", until, fee_percent: fee_percent ?? 0, fee_cents: fee_cents ?? 0 };
  return typed.policy === "none" ? { policy: "none" } : null;
}
