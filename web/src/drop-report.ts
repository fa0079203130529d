/** Makes the report of a sale from the public documents of its event, as chalicelib/waiting_room/verify.py does; a test compares the two. */

import { admissionTime, type State } from "../waiting-room.js";
import type { DrawProof, EventWithTiers, StockEntry, StockLine } from "./api";

/** Of the places of the draw, in percent. */
const SHARES = [0, 10, 25, 50, 75, 90, 100];

type Segments = State["segments"];
/** Seconds after the opening between which something happened; null if it has not. */
type Seconds = [number, number] | null;
export type Report = ReturnType<typeof makeReport>;

/** `ledger` has all entries. `proof` and `state` are null without a waiting room. `now` is the time of the documents, in epoch seconds. */
export function makeReport(event: Pick<EventWithTiers, "id" | "name" | "on_sale_at" | "tiers">, proof: DrawProof | null, state: Pick<State, "segments"> | null, ledger: StockEntry[], now: number) {
  const segments = state?.segments ?? [];
  const openedAt = segments[0]?.since ?? Math.max(...[event.on_sale_at, ledger[0]!.at].filter((at) => at != null).map(seconds));
  const before = ledger.filter(({ at }) => seconds(at) <= openedAt);
  if (before.length === 0) before.push(...ledger.slice(0, 1));
  const counted = ledger.filter(({ kind }) => kind === "totals");
  const last = (counted.at(-1) ?? ledger.at(-1))?.lines ?? [];
  const hasNoCount = last.some(({ unpaid }) => unpaid == null);
  return {
    format: "fairgate drop report, 1",
    event_id: event.id,
    name: event.name,
    made_at: time(now),
    opened_at: time(openedAt),
    counted_at: counted.at(-1)?.at ?? null,
    entrants: proof && { rule: proof.entry, drawn: proof.n!, late: Math.max(0, proof.total - proof.n!), excluded: proof.excluded },
    draw: proof && {
      room: proof.room,
      algorithm: proof.algorithm,
      commitment: proof.commitment,
      key: proof.key,
      root: proof.entries?.root ?? null,
      round: proof.beacon?.round ?? null,
    },
    waits: proof && waits(segments, proof.n!, now),
    tickets: last.map((line) => ({
      tier_id: line.tier_id ?? null,
      name: event.tiers.find(({ id }) => id === line.tier_id)?.name ?? null,
      at_opening: withoutId(before.at(-1)?.lines.find(isOf(line.tier_id))),
      counted: withoutId(line)!,
      sold_out_seconds: soldOut(counted, line.tier_id, openedAt),
    })),
    changes_after_opening: ledger
      .slice(before.length)
      .filter(({ kind }) => kind !== "totals")
      .map(({ number, at, kind, cause = null }) => ({ number, at, kind, cause })),
    unknown: ["latency", "errors", ...(proof ? ["waits_of_late_arrivals"] : []), ...(hasNoCount ? ["unpaid"] : [])],
  };
}

function waits(segments: Segments, n: number, now: number): { place: number; seconds: Seconds }[] {
  const places = new Set(n > 0 ? SHARES.map((share) => Math.max(1, Math.ceil((n * share) / 100))) : []);
  return [...places].map((place) => {
    const turn = turnOf(segments, place);
    return { place, seconds: turn && turn[1] <= now ? [turn[0] - segments[0]!.since, turn[1] - segments[0]!.since] : null };
  });
}

/** The two times are equal unless the shop has merged old parts of its plan. */
function turnOf(segments: Segments, place: number): Seconds {
  const [first, second] = segments;
  if (first && first.wave_size === 0 && place <= first.base) return second ? [first.since, second.since] : null;
  const at = admissionTime(segments, place, 0);
  return at === null ? null : [at, at];
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
