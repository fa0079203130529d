/**
 * What this browser keeps of the buyer's tickets, so that they open without a network: the tickets, their QR codes, and the files of the
 * page, which the service worker serves. It is kept for a week from the last time that the shop answered, and for one user: the tickets of
 * another one are deleted when they are found. Signing out calls `forgetWallet`.
 */

import type { Ticket } from "./api";
import { canKeepPages, keepPage } from "./kept-page";
import { now } from "./server-time";

const WALLET = "fairgate-wallet";
const SHELL = "fairgate-shell";
const KEY = "/kept-wallet"; // the name of the only entry, no address
const PAGE = "/tickets";
const SCOPE = "/";
const KEEP_SECONDS = 7 * 86_400;

/** Times are epoch seconds of the server's clock. `codes` are the QR pictures, SVG documents, by the code of their ticket. */
export interface KeptWallet {
  owner: string;
  savedAt: number;
  until: number;
  tickets: Ticket[];
  codes: Record<string, string>;
}

/** The owner's kept tickets; null if there are none, or none that may still be shown. */
export async function loadKept(owner: string): Promise<KeptWallet | null> {
  if (!canKeepPages()) return null;
  const kept: KeptWallet | undefined = await (await caches.match(KEY, { cacheName: WALLET }))?.json();
  if (!kept) return null;
  if (kept.owner === owner && kept.until > now()) return kept;
  await forgetWallet();
  return null;
}

/** Keep these tickets instead of those before. Without tickets nothing is kept. */
export async function keepWallet(owner: string, tickets: Ticket[], codes: Record<string, string>): Promise<KeptWallet | null> {
  if (!canKeepPages()) return null;
  if (tickets.length === 0) {
    await forgetWallet();
    return null;
  }
  const kept: KeptWallet = { owner, savedAt: now(), until: now() + KEEP_SECONDS, tickets, codes };
  await (await caches.open(WALLET)).put(KEY, Response.json(kept));
  await keepPage(PAGE, SHELL, SCOPE);
  return kept;
}

/** Delete all that is kept, of every user. */
export async function forgetWallet(): Promise<void> {
  if (!canKeepPages()) return;
  await Promise.all([caches.delete(WALLET), caches.delete(SHELL)]);
  await (await navigator.serviceWorker.getRegistration(SCOPE))?.unregister(); // not the door's, which keeps a page of its own
}
