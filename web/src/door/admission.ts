/**
 * Offline admission: decides on the device, from the manifest, who may enter (docs/checkin.md). Pure functions, independent of any page.
 * Times are epoch seconds of the server's clock.
 */

import type { Schemas } from "../client";

export type ManifestTicket = Schemas["ManifestTicketView"];
export type ManifestGuest = Schemas["ManifestGuestView"];
export type ManifestEvent = Schemas["ManifestEventView"];
export type ManifestCheckIn = Schemas["ManifestCheckInView"];
/** When the doors open and close: for a date of the event, or for an event without dates. */
export type DoorTimes = Pick<ManifestEvent, "starts_at" | "doors_open_at" | "doors_close_at" | "cancelled"> & { id: string | null; name: string | null };

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"; // of ticket codes: Crockford's, without I, L, O and U
const CODE_LENGTH = 20;
const MISREAD: Record<string, string> = { O: "0", I: "1", L: "1", "-": "", " ": "" };

/** A scanned or typed code, not checked yet. `ticketId` may be the id of a seat. */
export interface ScannedText {
  text: string;
  ticketId: string | null;
  code: string;
}

export type Direction = "in" | "out";

/** People whom this device let in, or out (a negative count), and the server does not know about yet. `ticketId` is never the id of a seat. */
export interface Uncounted {
  ticketId: string;
  seat: number | null;
  count: number;
  at: number;
  gate: string;
  /** The date of the event; scans stored by an earlier version have none. */
  date?: string | null;
}

/** A ticket of the manifest, with the guest if the code belongs to one of its seats. */
export interface Listed {
  ticket: ManifestTicket;
  guest: ManifestGuest | null;
}

/**
 * `code` is "admitted", "exited" or the API's error code; `not_listed`: this device does not know the ticket. `seat` is set if the scan
 * counts for the guest of a seat, and `date` if it counts for a date of the event.
 */
export interface Decision {
  code: string;
  count: number;
  seat: number | null;
  first: ManifestCheckIn | null;
  date: string | null;
}

export function readScan(text: string): ScannedText {
  const [, id, code] = /^FG[12]:([^:]+):(.+):[^:]*$/s.exec(text.trim()) ?? [];
  return { text: text.trim(), ticketId: id ?? null, code: code ?? readCode(text) };
}

/** A code in the form printed on tickets: our codes in capitals with hyphens, codes of other systems unchanged. */
export function readCode(text: string): string {
  const characters = [...text.toUpperCase()].map((character) => MISREAD[character] ?? character).join("");
  const isOurs = characters.length === CODE_LENGTH && [...characters].every((character) => ALPHABET.includes(character));
  return isOurs ? characters.match(/.{5}/g)!.join("-") : text.trim();
}

export async function digest(code: string): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(code)));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The ticket with this id, or the guest of the seat with this id. */
export function findById(tickets: Map<string, ManifestTicket>, id: string): Listed | null {
  const ticket = tickets.get(id) ?? tickets.get(id.slice(0, id.lastIndexOf(".")));
  const guest = ticket?.guests.find((one) => one.id === id) ?? null;
  return ticket && (guest || ticket.id === id) ? { ticket, guest } : null;
}

/** The times to which a scan at `now` belongs: of the date whose doors opened last and are still open (a cancelled date comes last), or else of the next, or the last date. */
export function timesAt(event: ManifestEvent, ticket: ManifestTicket | null, now: number): DoorTimes {
  const dates: DoorTimes[] = datesOf(event, ticket);
  if (dates.length === 0) return { ...event, id: null, name: null };
  const byStart = dates.toSorted((a, b) => seconds(a.starts_at) - seconds(b.starts_at));
  const isOpen = byStart.filter((date) => seconds(date.doors_open_at) <= now && now <= seconds(date.doors_close_at));
  const isNext = (date: DoorTimes) => seconds(date.doors_open_at) > now;
  return isOpen.findLast((date) => !date.cancelled) ?? isOpen.at(-1) ?? byStart.find(isNext) ?? byStart.toSorted((a, b) => seconds(a.doors_close_at) - seconds(b.doors_close_at)).at(-1)!;
}

/** The dates for which a ticket is valid, or all dates without a ticket. A list stored by an earlier version has no dates. */
function datesOf({ dates = [] }: ManifestEvent, ticket: ManifestTicket | null) {
  return ticket ? dates.filter(({ tier_ids }) => tier_ids.includes(ticket.tier_id)) : dates;
}

/** Decide whether this many people may enter with a ticket now. An override admits people too early, or one more with a used ticket. */
export function decide(
  event: ManifestEvent,
  listed: Listed | null,
  uncounted: Uncounted[],
  count: number | "all",
  now: number,
  isOverride = false,
): Decision {
  if (!listed) return refusal("not_listed");
  const { ticket, guest } = listed;
  const seat = guest?.seat ?? null;
  const refuse = (code: string, first: ManifestCheckIn | null = null) => ({ ...refusal(code), first });
  if (ticket.state === "void") return refuse(ticket.void_reason === "refunded" ? "ticket_refunded" : "ticket_void");
  if (ticket.state === "frozen") return refuse("ticket_frozen");
  if (event.cancelled || (event.dates?.length && datesOf(event, ticket).length === 0)) return refuse("event_cancelled");
  const times = timesAt(event, ticket, now);
  if (times.cancelled) return refuse("event_cancelled");
  if (now > seconds(times.doors_close_at)) return refuse("event_over");
  if (now < seconds(times.doors_open_at) && !isOverride) return refuse(isSameDay(now, times, event) ? "doors_not_open" : "wrong_day");
  const date = times.id;
  const checkins = present(checkinsOn(date, ticket, uncounted));
  const ofGuest = guest ? checkins.find((checkin) => checkin.seat === seat) : undefined;
  const left = ticket.admits - people(checkins);
  const remaining = guest ? Math.min(left, ofGuest ? 0 : 1) : left;
  if (remaining <= 0 && isOverride) return { code: "admitted", count: 1, seat, first: null, date };
  if (remaining <= 0) return refuse("already_admitted", ofGuest ?? checkins[0] ?? null);
  const wanted = count === "all" ? remaining : count;
  return wanted > remaining ? refuse("too_many_people") : { code: "admitted", count: wanted, seat, first: null, date };
}

/** Decide whether this many people may go out with a ticket, so that they may come back. The exit belongs to the date of the last check-in. */
export function decideExit(event: ManifestEvent, listed: Listed | null, uncounted: Uncounted[], count: number | "all"): Decision {
  if (!listed) return refusal("not_listed");
  if (!event.allows_reentry) return refusal("reentry_not_allowed");
  const { ticket, guest } = listed;
  const date = allCheckins(ticket, uncounted).at(-1)?.date ?? null;
  const inside = (seat: number | null) => people(checkinsOn(date, ticket, uncounted).filter((checkin) => checkin.seat === seat));
  const seat = guest && inside(guest.seat) > 0 ? guest.seat : null; // the guest may have come in with the host
  const leaving = guest ? Math.min(1, inside(seat)) : inside(null);
  const wanted = count === "all" ? Math.max(1, leaving) : count;
  return wanted > leaving ? refusal("not_checked_in") : { code: "exited", count: wanted, seat, first: null, date };
}

function refusal(code: string): Decision {
  return { code, count: 0, seat: null, first: null, date: null };
}

/** The check-ins and exits of a ticket, including those that the server does not know about yet. */
export function allCheckins(ticket: ManifestTicket, uncounted: Uncounted[]): ManifestCheckIn[] {
  const own = uncounted.filter(({ ticketId }) => ticketId === ticket.id);
  return [...ticket.checkins, ...own.map(({ at, count, gate, seat, date = null }) => ({ at: new Date(1000 * at).toISOString(), count, gate, seat, date }))];
}

/** The check-ins and exits of a ticket on a date of the event; null if it has no dates. */
export function checkinsOn(date: string | null, ticket: ManifestTicket, uncounted: Uncounted[]): ManifestCheckIn[] {
  return allCheckins(ticket, uncounted).filter((checkin) => (checkin.date ?? null) === date);
}

/** The check-ins of the people who are in. An exit cancels the latest check-in of its seat, or without a seat. */
export function present<C extends Pick<ManifestCheckIn, "count" | "seat">>(checkins: C[]): C[] {
  const gone = new Map<number | null, number>();
  const found: C[] = [];
  for (const checkin of checkins.toReversed()) {
    const left = gone.get(checkin.seat) ?? 0;
    if (checkin.count > left) found.push(left > 0 ? { ...checkin, count: checkin.count - left } : checkin);
    gone.set(checkin.seat, checkin.count < 0 ? left - checkin.count : Math.max(0, left - checkin.count));
  }
  return found.reverse();
}

export function people(checkins: ManifestCheckIn[]): number {
  return checkins.reduce((sum, { count }) => sum + count, 0);
}

/** Count the people who are expected on the current date, the people who are in, and these by the gate of their check-in (null: no gate given), largest first. */
export interface Counts {
  expected: number;
  admitted: number;
  gates: [gate: string | null, count: number][];
}

export function countPeople(event: ManifestEvent, tickets: Iterable<ManifestTicket>, uncounted: Uncounted[], now: number): Counts {
  const date = timesAt(event, null, now).id;
  const gates = new Map<string | null, number>();
  const add = (gate: string | null, count: number) => gates.set(gate, (gates.get(gate) ?? 0) + count);
  const unsent = new Map<string, Uncounted[]>();
  for (const one of uncounted) unsent.set(one.ticketId, [...(unsent.get(one.ticketId) ?? []), one]);
  let expected = 0;
  for (const ticket of tickets) {
    if (ticket.state !== "void" && (date === null || datesOf(event, ticket).some(({ id }) => id === date))) expected += ticket.admits;
    for (const { gate, count } of present(checkinsOn(date, ticket, unsent.get(ticket.id) ?? []))) add(gate, count);
  }
  const sorted = [...gates].sort(([, a], [, b]) => b - a);
  return { expected, admitted: sorted.reduce((sum, [, count]) => sum + count, 0), gates: sorted };
}

/** Find up to `limit` tickets and guests whose name or number has all words of `text`, ignoring case and accents. */
export function search(tickets: Iterable<ManifestTicket>, text: string, limit: number): Listed[] {
  const words = plain(text).split(/\s+/).filter(Boolean);
  const found: Listed[] = [];
  if (words.length === 0) return found;
  const fits = (one: ManifestTicket | ManifestGuest, name: string | null) => words.every((word) => searched(one, name).includes(word));
  for (const ticket of tickets) {
    if (fits(ticket, ticket.attendee_name)) found.push({ ticket, guest: null });
    for (const guest of ticket.guests) if (fits(guest, guest.name)) found.push({ ticket, guest });
    if (found.length >= limit) break;
  }
  return found.slice(0, limit);
}

export function seconds(iso: string): number {
  return Date.parse(iso) / 1000;
}

// With 10,000 tickets, making the names plain again for each letter that is typed took a fifth of a second.
const plainNames = new WeakMap<ManifestTicket | ManifestGuest, string>();

function searched(one: ManifestTicket | ManifestGuest, name: string | null): string {
  const known = plainNames.get(one) ?? plain(`${name ?? ""} ${one.number ?? ""}`);
  plainNames.set(one, known);
  return known;
}

function plain(text: string): string {
  return text.normalize("NFD").replace(/\p{Diacritic}/gu, "").toLowerCase();
}

function isSameDay(now: number, { starts_at }: DoorTimes, { timezone }: ManifestEvent): boolean {
  const date = (at: number) => new Intl.DateTimeFormat("en", { timeZone: timezone, dateStyle: "short" }).format(new Date(1000 * at));
  return date(now) === date(seconds(starts_at));
}
