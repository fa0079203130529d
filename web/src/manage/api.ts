/** The calls of the API that those who manage need, besides those of the shop (../api.ts). */

import { content, createApi, type Schemas } from "../client";
import { fetchAsBuyer } from "../session";

export { ApiFailure } from "../client";
export { getMe } from "../api";

export type Me = Schemas["UserView"];
export type ManagedEvent = Schemas["AdminEventWithTiersView"];
export type ListedEvent = Schemas["PromoterEventView"];

export const manager = createApi(fetchAsBuyer);

/** The header that refuses a change of anything but this version. */
export const ifVersion = (version: number) => ({ "If-Match": `"${version}"` });
/** A key with which a repeated call creates nothing twice. */
export const withKey = (key: string) => ({ "Idempotency-Key": key });

/** Who manages an event gets more fields than the public; the document has both in one type. */
export const getEvent = (event_id: string) =>
  content(manager.GET("/events/{event_id}", { params: { path: { event_id } } })) as Promise<ManagedEvent>;

/** The events of a promoter, a page at a time. */
export const listPromotersEvents = (promoter_id: string, cursor?: string) =>
  content(manager.GET("/promoters/{promoter_id}/events", { params: { path: { promoter_id }, query: { cursor } } }));

/** All events, for admins. */
export const listAllEvents = () => content(manager.GET("/admin/events", {}));
