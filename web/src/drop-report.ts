/** Makes the sale report from the public documents of its event, as chalicelib/waiting_room/verify.py does; a test compares the two. */

import { admissionTime, type State } from "../waiting-room.js";
import type { DrawProof, EventWithTiers, StockEntry, StockLine } from "./api";

/** The percentiles that the report shows, for places in the draw and for late arrivals. */
const SHARES = [0, 10, 25, 50, 75, 90, 100];
const SAMPLE = Array.from({ length: 100 }, (_, index) => index + 1);
/** The limits of the figures of API Gateway: they cover all events, miss replies of the CDN and requests that never arrived, and cannot be checked. */
const LIMITS = ["whole_stage", "without_cdn", "without_network", "not_recomputable"];

type Segments = State["segments"];
/** The earliest and the latest time at which something happened, in seconds after the opening; null if it has not happened. */
type Seconds = [number, number] | null;
export type Report = ReturnType<typeof makeReport>;

/** `ledger` has all entries. `proof` and `state` are null without a waiting room. `now` is the time of the documents, in epoch seconds. */
export function makeReport(event: Pick<EventWithTiers, "id" | "name" | "on_sale_at" | "tiers" | "has_ballot">, proof: DrawProof | null, state: Pick<State, "segments"> | null, ledger: StockEntry[], now: number) {
  const segments = state?.segments ?? [];
  const openedAt = segments[0]?.since ?? Math.max(...[event.on_sale_at, ledger[0]!.at].filter((at) => at != null).map(seconds));
  const before = ledger.filter(({ at }) => seconds(at) <= openedAt);
  if (before.length === 0) before.push(...ledger.slice(0, 1));
  const counted = ledger.filter(({ kind }) => kind === "totals");
  const last = (counted.at(-1) ?? ledger.at(-1))?.lines ?? [];
  const hasNoCount = last.some(({ unpaid }) => unpaid == null);
  const late = proof ? Math.max(0, proof.total - proof.n!) : 0;
  const waiting = event.has_ballot ? null : proof; // nobody waits for a turn in a ballot
  const lateWaits = waiting && lateWaitsOf(segments, waiting.n!, ledger.filter(isLateOf(waiting.room)), now);
  const figures = proof && figuresOf(proof.room, ledger);
  return {
    format: "fairgate drop report, 1",
    event_id: event.id,
    name: event.name,
    made_at: time(now),
    opened_at: time(openedAt),
    counted_at: counted.at(-1)?.at ?? null,
    entrants: proof && { rule: proof.entry, drawn: proof.n!, late, excluded: proof.excluded, ballot: !waiting, ...(proof.entries?.by_weight && { by_weight: proof.entries.by_weight }) },
    draw: proof && {
      room: proof.room,
      algorithm: proof.algorithm,
      commitment: proof.commitment,
      key: proof.key,
      root: proof.entries?.root ?? null,
      round: proof.beacon?.round ?? null,
    },
    waits: waiting && waits(segments, waiting.n!, now),
    late_waits: lateWaits,
    figures,
    tickets: last.map((line) => ({
      tier_id: line.tier_id ?? null,
      name: event.tiers.find(({ id }) => id === line.tier_id)?.name ?? null,
      at_opening: withoutId(before.at(-1)?.lines.find(isOf(line.tier_id))),
      counted: withoutId(line)!,
      sold_out_seconds: soldOut(counted, line.tier_id, openedAt),
    })),
    changes_after_opening: ledger
      .slice(before.length)
      .filter(({ kind }) => kind !== "totals" && kind !== "figures")
      .map(({ number, at, kind, cause = null }) => ({ number, at, kind, cause })),
    unknown: [...(figures ? [] : ["latency", "errors"]), ...(waiting && late > 0 && !lateWaits ? ["waits_of_late_arrivals"] : []), ...(hasNoCount ? ["unpaid"] : [])],
  };
}

interface Wait {
  place: number;
  seconds: Seconds;
}

function waits(segments: Segments, n: number, now: number): Wait[] {
  const since = segments[0]?.since ?? 0;
  return placesOf(n, SHARES).map((place) => ({ place, seconds: waitOf(segments, place, [since, since], now) }));
}

/** The places at these percentages of `n` places. */
const placesOf = (n: number, shares: number[]) => [...new Set(n > 0 ? shares.map((share) => Math.max(1, Math.ceil((n * share) / 100))) : [])];

/** How long somebody who joined between two times waited for a turn. */
function waitOf(segments: Segments, place: number, joined: [number, number], now: number): Seconds {
  const [first, last] = joined.map((at) => turnOf(segments, place, at));
  return first && last && last[1] <= now ? [Math.max(0, first[0] - joined[1]), last[1] - joined[0]] : null;
}

/** The two times are equal unless the shop has merged old parts of its plan. */
function turnOf(segments: Segments, place: number, joined: number): Seconds {
  const [first, second] = segments;
  if (first && first.wave_size === 0 && place <= first.base && !(second && joined >= second.since)) return second ? [Math.max(first.since, joined), second.since] : null;
  const at = admissionTime(segments, place, joined);
  return at === null ? null : [at, at];
}

/** `counted` are the entries that count the late arrivals of the room. */
function lateWaitsOf(segments: Segments, n: number, counted: StockEntry[], now: number) {
  const counts = counted.at(-1)?.late?.counts ?? [];
  const last = Math.max(0, ...counts.map((number, index) => (number > 0 ? (number - 1) * counts.length + index + 1 : 0)));
  if (last === 0) return null;
  const waitsAt = (shares: number[]) =>
    placesOf(last, shares).flatMap((place): Wait[] => {
      const joined = joinedAt(counted, place - 1);
      return joined ? [{ place: n + place, seconds: waitOf(segments, n + place, joined, now) }] : [];
    });
  const sample = waitsAt(SAMPLE).map(({ seconds }) => seconds ?? [0, Infinity]);
  const p95 = (limit: 0 | 1) => sample.map((wait) => wait[limit]!).sort((a, b) => a - b)[Math.ceil((95 * sample.length) / 100) - 1]!;
  const p95Seconds: Seconds = p95(1) < Infinity ? [p95(0), p95(1)] : null;
  return { counted: counts.reduce((total, count) => total + count, 0), places: waitsAt(SHARES), p95_seconds: p95Seconds };
}

/** The times between which a late place, counted from 0, was given out. Late counters take turns. */
function joinedAt(counted: StockEntry[], place: number): Seconds {
  let earliest = seconds(counted[0]!.late!.closed_at);
  for (const { late, at, counted_from } of counted) {
    const { counts } = late!;
    if (counts[place % counts.length]! > Math.floor(place / counts.length)) return [earliest, seconds(at)];
    earliest = Math.max(earliest, seconds(counted_from!));
  }
  return null;
}

/** What API Gateway measured for the room's drop, with the sums of all its requests and errors. */
function figuresOf(room: number, ledger: StockEntry[]) {
  const entry = ledger.find(({ kind, figures }) => kind === "figures" && figures?.room === room);
  if (!entry?.figures) return null;
  const sum = (name: "requests" | "errors") => entry.figures!.buckets.reduce((total, bucket) => total + (bucket[name] ?? 0), 0);
  return { entry: entry.number, requests: sum("requests"), errors: sum("errors"), ...entry.figures, limits: LIMITS };
}

/** When nothing was left for the first time. */
function soldOut(counted: StockEntry[], tierId: StockLine["tier_id"], openedAt: number): Seconds {
  let first = 0;
  for (const { at, counted_from, lines } of counted) {
    const available = lines.find(isOf(tierId))?.available;
    if (available == null || seconds(at) < openedAt) continue;
    if (available <= 0) return [first, seconds(at) - openedAt];
    first = Math.max(first, seconds(counted_from!) - openedAt);
  }
  return null;
}

const isLateOf =
  (room: number) =>
  ({ late }: StockEntry) =>
    late?.room === room;

const isOf =
  (tierId: StockLine["tier_id"]) =>
  ({ tier_id }: StockLine) =>
    (tier_id ?? null) === (tierId ?? null);

function withoutId(line: StockLine | undefined) {
  if (!line) return null;
  const { tier_id: _, ...counts } = line;
  return counts;
}

const seconds = (iso: string) => Date.parse(iso) / 1000;
const time = (at: number) => `${new Date(1000 * at).toISOString().slice(0, 19)}Z`;
