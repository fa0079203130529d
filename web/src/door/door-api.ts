/** The API calls of the door, made as the signed-in account. A reply that takes too long counts as no reply. */

import { ApiFailure, content, createApi, type Schemas } from "../client";
import { currentBuyer, fetchAsBuyer } from "../session";
import type { Direction } from "./admission";

export type CheckInReply = Schemas["CheckInReplyView"];
export type DoorTicket = Schemas["DoorTicketView"];
export type SyncedScan = Schemas["SyncedScanView"];

const PATIENCE_MS = 4000; // for a reply while someone stands at the door
export const TRANSFER_PATIENCE_MS = 20_000; // for lists

export const staff = createApi(async (request) => {
  // Otherwise the session would create a guest for someone who is signed out.
  if (currentBuyer()?.kind !== "account") throw new ApiFailure("session_over", 401, "", null);
  return fetchAsBuyer(request);
});

/** The fields sent with each scan at this door. `id` is unique on the device. */
export interface DoorScan {
  id: string;
  gate: string;
  device: string;
  eventId: string;
  count: number | "all";
  override_reason?: string | undefined;
  direction: Direction;
}

export const getMe = () => content(staff.GET("/auth/me"));

export const checkIn = (code: string, { id, eventId, ...scan }: DoorScan): Promise<CheckInReply> =>
  soon(content(staff.POST("/checkin", { body: { code, scan_id: id, event_id: eventId, ...scan } })));

export const admitTicket = (ticket_id: string, { id, eventId, ...scan }: DoorScan): Promise<CheckInReply> =>
  soon(content(staff.POST("/tickets/{ticket_id}/validate", { params: { path: { ticket_id } }, body: { scan_id: id, event_id: eventId, ...scan } })));

export const undoCheckIn = (ticket_id: string, checkin_id: string): Promise<CheckInReply> =>
  soon(content(staff.POST("/tickets/{ticket_id}/undo", { params: { path: { ticket_id } }, body: { checkin_id, reason: "Undone at the door." } })));

export const sync = (device: string, event_id: string, scans: Schemas["OfflineScan"][]): Promise<{ scans: SyncedScan[] }> =>
  soon(content(staff.POST("/checkin/sync", { body: { device, event_id, scans } })), TRANSFER_PATIENCE_MS);

export const getManifest = (event_id: string, query: { since?: string; cursor?: string; limit: number }) =>
  soon(content(staff.GET("/events/{event_id}/manifest", { params: { path: { event_id }, query } })), TRANSFER_PATIENCE_MS);

/** The reply, or the failure `offline` after the timeout. The request may still reach the server. */
export async function soon<T>(answer: Promise<T>, patienceMs = PATIENCE_MS): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ApiFailure("offline", 0, "", null)), patienceMs);
  });
  try {
    return await Promise.race([answer, over]);
  } finally {
    clearTimeout(timer);
  }
}
