/** Which addresses the shop draws. All others are pages of entries of their own, which the browser loads anew (docs/web.md). */

import { useLocation } from "preact-iso";

export const SHOP = /^\/(?!(manage|door)([/?]|$))/;

/** Go on to a page of any entry, in the place of this one. */
export function useGoOn(): (address: string) => void {
  const { route } = useLocation();
  return (address) => (SHOP.test(address) ? route(address, true) : location.replace(address));
}
