/** The sales of an event and what they add up to. */

import { content, type Schemas } from "../../client";
import { manager } from "../api";

export type Figures = Schemas["AnalyticsView"];

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

function nextCursor(link: string | null): string | undefined {
  const address = /<([^>]*)>; *rel="next"/.exec(link ?? "")?.[1];
  return address ? (new URL(address, location.origin).searchParams.get("cursor") ?? undefined) : undefined;
}
