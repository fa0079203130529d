/**
 * Stores a page for offline use: its document and files are in a cache (`shell`), from which the service worker
 * (public/service-worker.js) serves them.
 */

let last: Promise<unknown> = Promise.resolve();

/**
 * Store a page and the files that this page has loaded, if both are of the same version; otherwise the next visit does so. One call at a
 * time, so that no call deletes what a later call has stored.
 */
export function keepPage(page: string, shell: string, scope: string): Promise<void> {
  const turn = last.then(() => keep(page, shell, scope));
  last = turn.catch(() => {});
  return turn;
}

async function keep(page: string, shell: string, scope: string): Promise<void> {
  await navigator.serviceWorker.register("/service-worker.js", { scope });
  const response = await fetch(page);
  const files = loadedFiles();
  const named = [...(await response.clone().text()).matchAll(/"(\/assets\/[^"]+)"/g)].map((match) => match[1]!);
  const isMissing = (file: string) => !files.has(file) && !file.includes("/early-requests-"); // only pages without words load this script
  if (!response.ok || named.some(isMissing)) return;
  for (const file of named) files.add(file);
  const cache = await caches.open(shell);
  await cache.addAll([...files]);
  await cache.put(page, response);
  for (const request of await cache.keys()) {
    const { pathname } = new URL(request.url);
    if (pathname !== page && !files.has(pathname)) await cache.delete(request);
  }
}

// The browser's own list of loaded files ends at 250 entries, and a page that stays open overnight fills it with requests.
const loaded = new Set<string>();
const noteLoaded = (entries: PerformanceEntry[]) => entries.forEach(({ name }) => name.includes("/assets/") && loaded.add(name));
const observer = new PerformanceObserver((list) => noteLoaded(list.getEntries()));
observer.observe({ type: "resource", buffered: true });

/** The files named in the page and those loaded since, such as fonts and languages. */
function loadedFiles(): Set<string> {
  noteLoaded(observer.takeRecords());
  const named = [...document.querySelectorAll<HTMLScriptElement | HTMLLinkElement>("script[src], link[href]")];
  const addresses = [...named.map((element) => ("src" in element ? element.src : element.href)), ...loaded];
  const urls = addresses.map((address) => new URL(address)).filter((url) => url.origin === location.origin);
  return new Set(urls.map((url) => url.pathname).filter((path) => path.startsWith("/assets/")));
}

/** Whether this browser can store pages. */
export function canKeepPages(): boolean {
  return "caches" in window && "serviceWorker" in navigator;
}
