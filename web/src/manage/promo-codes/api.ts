/** API calls for promo codes. */

import { content, type Schemas } from "../../client";
import { ifVersion, manager, withKey } from "../api";

export type PromoCode = Schemas["PromoCodeView"];
export type NewPromoCode = Schemas["NewPromoCode"];

const codePath = ({ event_id, id: code_id }: PromoCode) => ({ path: { event_id, code_id } });

/** List all codes of an event, from all pages. */
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
/** Create several codes with the same terms. Returns the codes. */
export const createCodes = async (event_id: string, codes: Schemas["NewPromoCodes"], key: string): Promise<string[]> =>
  (await content(manager.POST("/admin/events/{event_id}/promo-codes/batch", { params: { path: { event_id }, header: withKey(key) }, body: codes }))).codes;
/** Change fields of the loaded version. Throws ApiFailure `version_conflict` if the code has a newer version. */
export const changeCode = (code: PromoCode, changes: Schemas["PromoCodeChanges"]): Promise<PromoCode> =>
  content(manager.PATCH("/admin/events/{event_id}/promo-codes/{code_id}", { params: codePath(code), body: changes }));
export const deleteCode = (code: PromoCode) =>
  content(
    manager.DELETE("/admin/events/{event_id}/promo-codes/{code_id}", { params: { ...codePath(code), header: ifVersion(code.version) } }),
  );
/** Load the sales with a code. */
export const getStats = (code: PromoCode) =>
  content(manager.GET("/admin/events/{event_id}/promo-codes/{code_id}/stats", { params: codePath(code) }));
