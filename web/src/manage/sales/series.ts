/** Sales over time as series for charts, and the steps of the sales funnel. Pure, so that tests run it without a browser. */

import type { Series } from "../parts/chart";

/** The sales of one tier within the hour that begins at `hour`. */
export interface Hour {
  hour: string;
  tier_id: string;
  sold: number;
}

export interface Tier {
  tier_id: string;
  tier_name: string | null;
  sold: number;
}

/** The counts of the sales funnel; the first two are null without a waiting room. */
type Funnel = Record<"joined" | "admitted", number | null> & Record<"reservations" | "checkouts" | "orders", number>;

/** The steps of the funnel. `ofPrevious` is the share of the previous step, and null unless both count people or both count purchases. */
export function funnelSteps(funnel: Funnel): { step: keyof Funnel; count: number; ofPrevious: number | null }[] {
  const people = (["joined", "admitted"] as const).filter((step) => funnel[step] !== null);
  const purchases = ["reservations", "checkouts", "orders"] as const;
  return [people, purchases].flatMap((steps) =>
    steps.map((step, index) => {
      const [count, previous] = [funnel[step]!, index > 0 ? funnel[steps[index - 1]!] : null];
      return { step, count, ofPrevious: previous ? count / previous : null };
    }),
  );
}

const HOUR = 3600;
const DAY = 86_400;
/** Longer series have one value per day, shorter ones one per hour. */
const MAX_DAYS_BY_HOUR = 4;

/**
 * Return the tickets sold per hour or day, and the running total of each tier, largest first. If there are more than `max` tiers, the last
 * series sums up the rest. `hours` must be in ascending order.
 */
export function soldOverTime(hours: Hour[], tiers: Tier[], others: string, max: number): { times: number[]; sold: Series[]; total: (number | null)[] } {
  const times = hours.map(({ hour }) => Date.parse(hour) / 1000);
  const [earliest = 0, latest = 0] = [times[0], times.at(-1)];
  const step = latest - earliest > MAX_DAYS_BY_HOUR * DAY ? DAY : 3600;
  const first = Math.floor(earliest / step) * step;
  const places = times.length > 0 ? Array.from({ length: Math.floor((latest - first) / step) + 1 }, (_, index) => first + index * step) : [];
  const ranked = tiers.toSorted((a, b) => b.sold - a.sold);
  const named = ranked.slice(0, ranked.length > max ? max - 1 : max);
  const counts = new Map<string, number[]>();
  const total = places.map(() => 0);
  hours.forEach((hour, index) => {
    const place = Math.floor((times[index]! - first) / step);
    const key = named.some(({ tier_id }) => tier_id === hour.tier_id) ? hour.tier_id : others;
    const values = counts.get(key) ?? places.map(() => 0);
    values[place]! += hour.sold;
    counts.set(key, values);
    total[place]! += hour.sold;
  });
  const sold = [...named.map((tier) => [tier.tier_id, tier.tier_name ?? tier.tier_id] as const), [others, others] as const]
    .filter(([key]) => counts.has(key))
    .map(([key, name]) => ({ name, values: summed(counts.get(key)!) }));
  return { times: places, sold, total };
}

/** The running total of people checked in, by the end of each hour from the first to the last. `hours` must be in ascending order. */
export function checkInsOverTime(hours: { hour: string; people_admitted: number }[]): { times: number[]; people: number[] } {
  const byHour = new Map<number, number>();
  for (const { hour, people_admitted } of hours) {
    const at = Date.parse(hour) / 1000;
    if (people_admitted) byHour.set(at, (byHour.get(at) ?? 0) + people_admitted);
  }
  if (byHour.size === 0) return { times: [], people: [] };
  const [first, last] = [Math.min(...byHour.keys()), Math.max(...byHour.keys())];
  const times = Array.from({ length: Math.floor((last - first) / HOUR) + 1 }, (_, index) => first + index * HOUR);
  return { times, people: summed(times.map((at) => byHour.get(at) ?? 0)) };
}

function summed(values: number[]): number[] {
  let sum = 0;
  return values.map((value) => (sum += value));
}
