/**
 * Opens the shop offline with the tickets stored by the wallet (src/kept-wallet.ts) and, registered again for the scope /door, the door
 * (src/door/kept-door.ts). Documents come from the network whenever it responds, so nobody gets an outdated shop. The stored document is used
 * only when the network fails. Files in /assets/ never change under the same name, so a stored copy is as good. API requests do not pass
 * through here.
 */
const IS_DOOR = new URL(registration.scope).pathname === "/door";
const [SHELL, PAGE] = IS_DOOR ? ["fairgate-door-shell", "/door"] : ["fairgate-shell", "/tickets"];
const PATIENCE_MS = 4000; // for the page that people need at the door, where networks are slow

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
