/** Lets the door's page open without a network, and look as its people want it. */

import { canKeepPages, keepPage } from "../kept-page";
import { loadDecoder } from "./decoder";

const PAGE = "/door";
const SHELL = "fairgate-door-shell";

/** Keep the page with all that it may load. Returns whether it opens without a network now. */
export async function keepDoor(): Promise<boolean> {
  if (!canKeepPages()) return false;
  try {
    await loadDecoder();
    await keepPage(PAGE, SHELL, PAGE);
    await navigator.storage?.persist?.(); // so that the browser does not delete what is to be sent when it lacks room
  } catch {
    // Without a network, or room for it, what was kept before stays.
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
