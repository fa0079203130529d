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

export type Announcement = Schemas["AnnouncementView"];
export type AnnouncementBody = Schemas["AnnouncementBody"];

const at = (event_id: string, announcement_id: string) => ({ params: { path: { event_id, announcement_id } } });

export const listAnnouncements = (event_id: string) => content(manager.GET("/admin/events/{event_id}/announcements", { params: { path: { event_id } } }));
export const previewAnnouncement = (event_id: string, body: AnnouncementBody) =>
  content(manager.POST("/admin/events/{event_id}/announcements/preview", { params: { path: { event_id } }, body }));
/** Send or schedule an announcement. Repeating the call with the same id sends nothing twice. */
export const saveAnnouncement = (event_id: string, id: string, body: AnnouncementBody) =>
  content(manager.PUT("/admin/events/{event_id}/announcements/{announcement_id}", { ...at(event_id, id), body }));
export const stopAnnouncement = (event_id: string, id: string) => content(manager.DELETE("/admin/events/{event_id}/announcements/{announcement_id}", at(event_id, id)));
