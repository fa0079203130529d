/** What was sold over time, as series for charts: pure, so that tests run it without a browser. */

import type { Series } from "../parts/chart";

/** What was sold of one tier within the hour that begins at `hour`. */
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

const HOUR = 3600;
const DAY = 86_400;
/** Series of more days than these have a value for each day, others for each hour. */
const MAX_DAYS_BY_HOUR = 4;

/**
 * Tickets that were sold in each hour or day, and sold until then of each tier, the largest first; the last of too many is all others. `hours`
 * are in their order.
 */
export function soldOverTime(hours: Hour[], tiers: Tier[], others: string, most: number): { times: number[]; sold: Series[]; total: (number | null)[] } {
  const times = hours.map(({ hour }) => Date.parse(hour) / 1000);
  const [earliest = 0, latest = 0] = [times[0], times.at(-1)];
  const step = latest - earliest > MAX_DAYS_BY_HOUR * DAY ? DAY : 3600;
  const first = Math.floor(earliest / step) * step;
  const places = times.length > 0 ? Array.from({ length: Math.floor((latest - first) / step) + 1 }, (_, index) => first + index * step) : [];
  const ranked = tiers.toSorted((one, other) => other.sold - one.sold);
  const named = ranked.slice(0, ranked.length > most ? most - 1 : most);
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

/** How many people had come in by the end of each hour of the door, from the first one to the last. `hours` are in their order. */
export function cameInOverTime(hours: { hour: string; people_admitted: number }[]): { times: number[]; people: number[] } {
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
