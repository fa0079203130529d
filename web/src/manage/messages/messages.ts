/** The mails about an event, or those of all events that did not arrive, and sending one again. */

import { content, type Schemas } from "../../client";
import { manager } from "../api";

export type Message = Schemas["MessageView"];
export const PROBLEMS = ["failed", "bounced", "complained", "suppressed"] as const;
export type Problem = (typeof PROBLEMS)[number];

const list = (query: { event_id?: string; problem?: Problem; cursor?: string }) => content(manager.GET("/admin/messages", { params: { query: { limit: 50, ...query } } }));

export const listOfEvent = (event_id: string, cursor?: string) => list({ event_id, cursor });
/** For admins. */
export const listWithProblem = (problem: Problem, cursor?: string) => list({ problem, cursor });
export const resend = (message_id: string) => content(manager.POST("/admin/messages/{message_id}/resend", { params: { path: { message_id } } }));
