/** API calls for an event's sales and figures. */

import { content, type Schemas } from "../../client";
import { manager } from "../api";

export type Figures = Schemas["AnalyticsView"];

const eventPath = (event_id: string) => ({ path: { event_id } });

/** Load an event's figures. Their series begin on the day `since` (2026-06-01). */
export const getFigures = (event_id: string, since?: string) =>
  content(manager.GET("/events/{event_id}/analytics", { params: { ...eventPath(event_id), query: { from: since } } }));

/** Build one CSV file of all sales and refunds; its amounts add up to the ledger's. A byte order mark tells spreadsheets that it is UTF-8. */
export async function exportSales(event_id: string): Promise<Blob> {
  const parts: string[] = [];
  let cursor: string | undefined;
  do {
    const query = { cursor, bom: cursor === undefined };
    const { data, response } = await manager.GET("/admin/events/{event_id}/tickets/sales/export", {
      params: { ...eventPath(event_id), query },
      parseAs: "text",
    });
    parts.push(data as unknown as string);
    cursor = nextCursor(response.headers.get("Link"));
  } while (cursor);
  return new Blob(parts, { type: "text/csv" });
}

/** The first of the last `days` days in UTC, in the API's format. Today counts as one day. */
export const daysAgo = (days: number, now: number) => new Date(1000 * (now - (days - 1) * 86_400)).toISOString().slice(0, 10);

function nextCursor(link: string | null): string | undefined {
  const address = /<([^>]*)>; *rel="next"/.exec(link ?? "")?.[1];
  return address ? (new URL(address, location.origin).searchParams.get("cursor") ?? undefined) : undefined;
}
