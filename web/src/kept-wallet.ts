/**
 * The buyer's tickets in this browser, for offline use: the tickets, their QR codes, and the files of the page, which the service worker
 * serves. They are stored for one week after the shop's last reply, and for one user: tickets of another user are deleted when found.
 * Signing out calls `forgetWallet`.
 */

import type { Schemas } from "./client";
import { canKeepPages, keepPage } from "./kept-page";
import { now } from "./server-time";

type Ticket = Schemas["TicketView"];

const WALLET = "fairgate-wallet";
const SHELL = "fairgate-shell";
const KEY = "/kept-wallet"; // the name of the only entry, not an address
const PAGE = "/tickets";
const SCOPE = "/";
const KEEP_SECONDS = 7 * 86_400;

/** Times are epoch seconds of the server's clock. `codes` has the QR codes as SVG documents, by ticket code. */
export interface KeptWallet {
  owner: string;
  savedAt: number;
  until: number;
  tickets: Ticket[];
  codes: Record<string, string>;
}

/** Load the owner's stored tickets; null if none are stored or they have expired. */
export async function loadKept(owner: string): Promise<KeptWallet | null> {
  if (!canKeepPages()) return null;
  const kept: KeptWallet | undefined = await (await caches.match(KEY, { cacheName: WALLET }))?.json();
  if (!kept) return null;
  if (kept.owner === owner && kept.until > now()) return kept;
  await forgetWallet();
  return null;
}

/** Replace the stored tickets. Without tickets, delete everything. */
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

/** Delete everything stored, for every user. */
export async function forgetWallet(): Promise<void> {
  if (!canKeepPages()) return;
  await Promise.all([caches.delete(WALLET), caches.delete(SHELL)]);
  await (await navigator.serviceWorker.getRegistration(SCOPE))?.unregister(); // not the door's, which stores its own page
}
