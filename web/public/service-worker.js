/**
 * Lets the shop open without a network, for the tickets that the wallet has kept (src/kept-wallet.ts), and, registered a second time for the
 * scope /door, the door (src/door/kept-door.ts). Documents come from the network
 * whenever it answers, so nobody gets an old shop; the kept one stands in only when it does not. Files in /assets/ never change under their
 * name, so a kept one is as good. Nothing of the API passes through here.
 */
const IS_DOOR = new URL(registration.scope).pathname === "/door";
const [SHELL, PAGE] = IS_DOOR ? ["fairgate-door-shell", "/door"] : ["fairgate-shell", "/tickets"];
const PATIENCE_MS = 4000; // for what people need at the door, where networks are slow

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin || /^\/(api|docs)(\/|$)/.test(pathname)) return;
  if (request.mode === "navigate") event.respondWith(getDocument(request, pathname === PAGE ? PATIENCE_MS : 0));
  else if (pathname.startsWith("/assets/")) event.respondWith(getAsset(request));
});

async function getDocument(request, patienceMs) {
  const signal = patienceMs ? AbortSignal.timeout(patienceMs) : undefined;
  try {
    return await fetch(request, { signal });
  } catch (failure) {
    const kept = await caches.match(PAGE, { cacheName: SHELL });
    if (kept) return kept;
    if (patienceMs) return fetch(request); // slow is better than nothing
    throw failure;
  }
}

async function getAsset(request) {
  return (await caches.match(request, { cacheName: SHELL })) ?? fetch(request);
}
