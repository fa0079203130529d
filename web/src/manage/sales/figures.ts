/** The sales of an event and what they add up to. */

import { content, type Schemas } from "../../client";
import { manager } from "../api";
import type { Series } from "../parts/chart";

export type Figures = Schemas["AnalyticsView"];
type Hour = Figures["by_hour"][number];

const ofEvent = (event_id: string) => ({ path: { event_id } });

/** The figures of an event; its series begins with the day `since` (2026-06-01). */
export const getFigures = (event_id: string, since?: string) =>
  content(manager.GET("/events/{event_id}/analytics", { params: { ...ofEvent(event_id), query: { from: since } } }));

/** All sales and refunds as one CSV file, whose amounts add up to the ledger's. A mark in front tells spreadsheets that it is UTF-8. */
export async function exportSales(event_id: string): Promise<Blob> {
  const parts: string[] = [];
  let cursor: string | undefined;
  do {
    const query = { cursor, bom: cursor === undefined };
    const { data, response } = await manager.GET("/admin/events/{event_id}/tickets/sales/export", {
      params: { ...ofEvent(event_id), query },
      parseAs: "text",
    });
    parts.push(data as unknown as string);
    cursor = nextCursor(response.headers.get("Link"));
  } while (cursor);
  return new Blob(parts, { type: "text/csv" });
}

/** The day so many days ago (UTC), as the API takes it; today counts as one. */
export const daysAgo = (days: number, now: number) => new Date(1000 * (now - (days - 1) * 86_400)).toISOString().slice(0, 10);

const DAY = 86_400;
/** Series of more days than these have a value for each day, others for each hour. */
const MAX_DAYS_BY_HOUR = 4;

/** Tickets that were sold in each hour or day of the series, and sold until then of each tier, the largest first; the last of too many is all others. */
export function soldOverTime(hours: Hour[], tiers: Figures["tiers"], others: string, most: number): { times: number[]; sold: Series[]; total: (number | null)[] } {
  const times = hours.map(({ hour }) => Date.parse(hour) / 1000);
  const span = times.length > 0 ? Math.max(...times) - Math.min(...times) : 0;
  const step = span > MAX_DAYS_BY_HOUR * DAY ? DAY : 3600;
  const first = Math.floor(Math.min(...times) / step) * step;
  const places = times.length > 0 ? Array.from({ length: Math.floor((Math.max(...times) - first) / step) + 1 }, (_, index) => first + index * step) : [];
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

function summed(values: number[]): number[] {
  let sum = 0;
  return values.map((value) => (sum += value));
}

function nextCursor(link: string | null): string | undefined {
  const address = /<([^>]*)>; *rel="next"/.exec(link ?? "")?.[1];
  return address ? (new URL(address, location.origin).searchParams.get("cursor") ?? undefined) : undefined;
}
