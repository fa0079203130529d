/** API calls for an event's waitlist. */

import { content, type Schemas } from "../../client";
import { manager } from "../api";

export type Line = Schemas["WaitlistView"];
export type Entry = Line["entries"][number];
export type Shown = "waiting" | "offered";

export const listLine = (event_id: string, status: Shown, cursor?: string) =>
  content(manager.GET("/events/{event_id}/waitlist", { params: { path: { event_id }, query: { status, limit: 50, cursor } } }));
/** Offer free tickets to one person, out of turn. */
export const offerNow = (entry_id: string) => content(manager.POST("/waitlist/{entry_id}/notify", { params: { path: { entry_id } } }));
