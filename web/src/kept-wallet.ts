/**
 * What this browser keeps of the buyer's tickets, so that they open without a network: the tickets, their QR codes, and the files of the
 * page, which the service worker serves. It is kept for a week from the last time that the shop answered, and for one user: the tickets of
 * another one are deleted when they are found. Signing out calls `forgetWallet`.
 */

import type { Ticket } from "./api";
import { now } from "./server-time";

const WALLET = "fairgate-wallet";
const SHELL = "fairgate-shell";
const KEY = "/kept-wallet"; // the name of the only entry, no address
const PAGE = "/tickets";
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
  if (!isSupported()) return null;
  const kept: KeptWallet | undefined = await (await caches.match(KEY, { cacheName: WALLET }))?.json();
  if (!kept) return null;
  if (kept.owner === owner && kept.until > now()) return kept;
  await forgetWallet();
  return null;
}

/** Keep these tickets instead of those before. Without tickets nothing is kept. */
export async function keepWallet(owner: string, tickets: Ticket[], codes: Record<string, string>): Promise<KeptWallet | null> {
  if (!isSupported()) return null;
  if (tickets.length === 0) {
    await forgetWallet();
    return null;
  }
  const kept: KeptWallet = { owner, savedAt: now(), until: now() + KEEP_SECONDS, tickets, codes };
  await (await caches.open(WALLET)).put(KEY, Response.json(kept));
  await navigator.serviceWorker.register("/service-worker.js");
  await keepPage();
  return kept;
}

/** Delete all that is kept, of every user. */
export async function forgetWallet(): Promise<void> {
  if (!isSupported()) return;
  await Promise.all([caches.delete(WALLET), caches.delete(SHELL)]);
  const registrations = await navigator.serviceWorker.getRegistrations();
  await Promise.all(registrations.map((registration) => registration.unregister()));
}

/** Keep the page and the files that it uses, if both are of the same version; otherwise the next visit does it. */
async function keepPage(): Promise<void> {
  const response = await fetch(PAGE);
  const files = loadedFiles();
  const named = [...(await response.clone().text()).matchAll(/"(\/assets\/[^"]+)"/g)].map((match) => match[1]!);
  if (!response.ok || named.some((file) => !files.has(file))) return;
  const cache = await caches.open(SHELL);
  await cache.addAll([...files]);
  await cache.put(PAGE, response);
  for (const request of await cache.keys()) {
    const { pathname } = new URL(request.url);
    if (pathname !== PAGE && !files.has(pathname)) await cache.delete(request);
  }
}

/** The files that the page names and those that it has loaded since, such as fonts. */
function loadedFiles(): Set<string> {
  const named = [...document.querySelectorAll<HTMLScriptElement | HTMLLinkElement>("script[src], link[href]")];
  const addresses = [...named.map((element) => ("src" in element ? element.src : element.href)), ...performance.getEntriesByType("resource").map(({ name }) => name)];
  const urls = addresses.map((address) => new URL(address)).filter((url) => url.origin === location.origin);
  return new Set(urls.map((url) => url.pathname).filter((path) => path.startsWith("/assets/")));
}

function isSupported(): boolean {
  return "caches" in window && "serviceWorker" in navigator;
}
