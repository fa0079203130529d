/** The calls about promo codes. */

import { content, type Schemas } from "../../client";
import { ifVersion, manager, withKey } from "../api";

export type PromoCode = Schemas["PromoCodeView"];
export type NewPromoCode = Schemas["NewPromoCode"];

const ofCode = ({ event_id, id: code_id }: PromoCode) => ({ path: { event_id, code_id } });

/** All codes of an event, from all pages. */
export async function listCodes(event_id: string): Promise<PromoCode[]> {
  const codes: PromoCode[] = [];
  let cursor: string | undefined;
  do {
    const page = await content(manager.GET("/admin/events/{event_id}/promo-codes", { params: { path: { event_id }, query: { limit: 100, cursor } } }));
    codes.push(...page.promo_codes);
    cursor = page.next_cursor ?? undefined;
  } while (cursor);
  return codes;
}
export const createCode = (event_id: string, code: NewPromoCode, key: string): Promise<PromoCode> =>
  content(manager.POST("/admin/events/{event_id}/promo-codes", { params: { path: { event_id }, header: withKey(key) }, body: code }));
/** Change fields of the version that was seen; raises ApiFailure `version_conflict` if it is no longer the present one. */
export const changeCode = (code: PromoCode, changes: Schemas["PromoCodeChanges"]): Promise<PromoCode> =>
  content(manager.PATCH("/admin/events/{event_id}/promo-codes/{code_id}", { params: ofCode(code), body: changes }));
export const deleteCode = (code: PromoCode) =>
  content(
    manager.DELETE("/admin/events/{event_id}/promo-codes/{code_id}", { params: { ...ofCode(code), header: ifVersion(code.version) } }),
  );
/** What a code has sold. */
export const getStats = (code: PromoCode) =>
  content(manager.GET("/admin/events/{event_id}/promo-codes/{code_id}/stats", { params: ofCode(code) }));
