/** The addresses that the shop's entry renders. The browser loads all other pages from their own entries (docs/web.md). */

import { useLocation } from "preact-iso";

export const SHOP = /^\/(?!(manage|door)([/?]|$))/;

/** Continue to a page of any entry, replacing this page in the history. */
export function useContinue(): (address: string) => void {
  const { route } = useLocation();
  return (address) => (SHOP.test(address) ? route(address, true) : location.replace(address));
}
