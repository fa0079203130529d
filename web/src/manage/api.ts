/** API calls that several pages for managers share; ../api.ts has the shop's. */

import { content, createApi, type Schemas } from "../client";
import { fetchAsBuyer } from "../session";

export { ApiFailure } from "../client";
export { getMe } from "../api";

export type Me = Schemas["UserView"];
export type ManagedEvent = Schemas["AdminEventWithTiersView"];
export type ListedEvent = Schemas["PromoterEventView"];

export const manager = createApi(fetchAsBuyer);

export const becomePromoter = () => content(manager.POST("/auth/me/promoter", {}));

/** The header that makes the API refuse a change to any other version. */
export const ifVersion = (version: number) => ({ "If-Match": `"${version}"` });
/** The header that lets a repeated call create nothing twice. */
export const withKey = (key: string) => ({ "Idempotency-Key": key });

/** Managers of an event get more fields than the public; the OpenAPI document has both in one type. */
export const getEvent = (event_id: string) =>
  content(manager.GET("/events/{event_id}", { params: { path: { event_id } } })) as Promise<ManagedEvent>;

/** List one page of a promoter's events. */
export const listPromotersEvents = (promoter_id: string, cursor?: string) =>
  content(manager.GET("/promoters/{promoter_id}/events", { params: { path: { promoter_id }, query: { cursor } } }));

/** List all events, for admins. */
export const listAllEvents = () => content(manager.GET("/admin/events", {}));
