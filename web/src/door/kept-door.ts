/** Stores the door's page so that it opens offline. */

import { canKeepPages, keepPage } from "../kept-page";
import { loadDecoder } from "./decoder";

const PAGE = "/door";
const SHELL = "fairgate-door-shell";

/** Store the page with everything it may load. Returns whether it opens offline now. */
export async function keepDoor(): Promise<boolean> {
  if (!canKeepPages()) return false;
  try {
    await loadDecoder();
    await keepPage(PAGE, SHELL, PAGE);
    await navigator.storage?.persist?.(); // so that the browser does not delete unsent scans when storage runs low
  } catch {
    // Offline, or with no storage left: the earlier copy stays.
  }
  return (await caches.match(PAGE, { cacheName: SHELL })) !== undefined;
}

/** Delete the page with its files. */
export async function forgetDoor(): Promise<void> {
  if (!canKeepPages()) return;
  await caches.delete(SHELL);
  const registration = await navigator.serviceWorker.getRegistration(PAGE);
  if (registration && new URL(registration.scope).pathname === PAGE) await registration.unregister();
}
