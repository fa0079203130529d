/** Opens the stored pages of src/kept-page.ts offline: the wallet or, registered for /door, the door. Online, pages come from the network. */
const IS_DOOR = new URL(registration.scope).pathname === "/door";
const [SHELL, PAGE] = IS_DOOR ? ["fairgate-door-shell", "/door"] : ["fairgate-shell", "/tickets"];
const PATIENCE_MS = 4000; // at doors, networks are slow

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
