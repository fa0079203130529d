/** API calls for emails: those about an event, those with problems, and resending. */

import { content, type Schemas } from "../../client";
import { manager } from "../api";

export type Message = Schemas["MessageView"];
export const PROBLEMS = ["failed", "bounced", "complained", "suppressed"] as const;
export type Problem = (typeof PROBLEMS)[number];

const list = (query: { event_id?: string; problem?: Problem; cursor?: string }) => content(manager.GET("/admin/messages", { params: { query: { limit: 50, ...query } } }));

export const listEventMessages = (event_id: string, cursor?: string) => list({ event_id, cursor });
/** List one page of emails from all events with a problem, for admins. */
export const listProblemMessages = (problem: Problem, cursor?: string) => list({ problem, cursor });
export const resend = (message_id: string) => content(manager.POST("/admin/messages/{message_id}/resend", { params: { path: { message_id } } }));
