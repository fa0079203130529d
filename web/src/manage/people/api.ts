/** API calls for the people who work at an event. */

import { content, type Schemas } from "../../client";
import { manager } from "../api";

export type Member = Schemas["MemberView"];
export type EventRole = Member["role"];

/** List all people of an event, from all pages. */
export async function listMembers(event_id: string): Promise<Member[]> {
  const members: Member[] = [];
  let cursor: string | undefined;
  do {
    const page = await content(manager.GET("/events/{event_id}/members", { params: { path: { event_id }, query: { limit: 200, cursor } } }));
    members.push(...page.members);
    cursor = page.next_cursor ?? undefined;
  } while (cursor);
  return members;
}
/** Invite someone by email, or change a member's role. A repeated call changes nothing. */
export const invite = (event_id: string, email: string, role: EventRole): Promise<Member> =>
  content(manager.POST("/events/{event_id}/members", { params: { path: { event_id } }, body: { email, role } }));
/** Give up the own role at an event. The next access token no longer has it. */
export const leaveEvent = (event_id: string) =>
  content(manager.DELETE("/events/{event_id}/members/{member_id}", { params: { path: { event_id, member_id: "me" } } }));
export const removeMember = ({ event_id, id: member_id }: Member) =>
  content(manager.DELETE("/events/{event_id}/members/{member_id}", { params: { path: { event_id, member_id } } }));
/** Load the QR code with the address of the door page for an event, as an SVG document; an image address could not send the token. */
export const getDoorCode = (event_id: string): Promise<string> =>
  content(manager.GET("/events/{event_id}/door/qr", { params: { path: { event_id }, query: { format: "svg" } }, parseAs: "text" }));
