/** API calls for an event's sales and figures. */

import type { DocumentLanguage } from "../../api";
import { content, type Schemas } from "../../client";
import { manager } from "../api";
import { loadFile } from "../parts/csv-file";

export type Figures = Schemas["AnalyticsView"];

const eventPath = (event_id: string) => ({ path: { event_id } });

/** Load an event's figures. Their series begin on the day `since` (2026-06-01). */
export const getFigures = (event_id: string, since?: string) =>
  content(manager.GET("/events/{event_id}/analytics", { params: { ...eventPath(event_id), query: { from: since } } }));

/** Build one CSV file of all sales and refunds; its amounts add up to the ledger's. */
export const exportSales = (event_id: string) =>
  loadFile((query) => manager.GET("/admin/events/{event_id}/tickets/sales/export", { params: { ...eventPath(event_id), query }, parseAs: "text" }));

/** Build one CSV file of the statement's entries. Their amounts add up to its totals. */
export const exportStatement = (event_id: string) =>
  loadFile((query) => manager.GET("/events/{event_id}/statement", { params: { ...eventPath(event_id), query: { ...query, format: "csv" } }, parseAs: "text" }));

export const getStatementPages = (event_id: string, language: DocumentLanguage): Promise<Blob> =>
  content(manager.GET("/events/{event_id}/statement.pdf", { params: { ...eventPath(event_id), query: { language } }, parseAs: "blob" }));

export type EventFigures = Schemas["EventFigures"];
const MAX_IDS = 50; // in one request

/** Load the sold tickets and the money of events, by event id. Leaves out events that the user does not manage. */
export async function getEventFigures(event_ids: string[]): Promise<Map<string, EventFigures>> {
  const parts = Array.from({ length: Math.ceil(event_ids.length / MAX_IDS) }, (_, part) => event_ids.slice(part * MAX_IDS, (part + 1) * MAX_IDS));
  const views = await Promise.all(parts.map((ids) => content(manager.GET("/admin/figures", { params: { query: { event_ids: ids.join() } } }))));
  return new Map(views.flatMap(({ events }) => events.map((figures) => [figures.event_id, figures])));
}

/** The first of the last `days` days in UTC, in the API's format. Today counts as one day. */
export const daysAgo = (days: number, now: number) => new Date(1000 * (now - (days - 1) * 86_400)).toISOString().slice(0, 10);
