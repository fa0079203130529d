/**
 * A page that opens without a network: its document and the files that it uses are in a cache (`shell`), from which the service worker
 * (public/service-worker.js) serves them.
 */

let last: Promise<unknown> = Promise.resolve();

/**
 * Keep a page and the files that this one has loaded, if both are of the same version; otherwise the next visit does it. One at a time, so
 * that none deletes what a later one has kept.
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
  if (!response.ok || named.some((file) => !files.has(file))) return;
  const cache = await caches.open(shell);
  await cache.addAll([...files]);
  await cache.put(page, response);
  for (const request of await cache.keys()) {
    const { pathname } = new URL(request.url);
    if (pathname !== page && !files.has(pathname)) await cache.delete(request);
  }
}

// The browser's own list of what it has loaded ends at 250, which a page that stays open for a night fills with requests.
const loaded = new Set<string>();
const noteLoaded = (entries: PerformanceEntry[]) => entries.forEach(({ name }) => name.includes("/assets/") && loaded.add(name));
const observer = new PerformanceObserver((list) => noteLoaded(list.getEntries()));
observer.observe({ type: "resource", buffered: true });

/** The files that the page names and those that it has loaded since, such as fonts and languages. */
function loadedFiles(): Set<string> {
  noteLoaded(observer.takeRecords());
  const named = [...document.querySelectorAll<HTMLScriptElement | HTMLLinkElement>("script[src], link[href]")];
  const addresses = [...named.map((element) => ("src" in element ? element.src : element.href)), ...loaded];
  const urls = addresses.map((address) => new URL(address)).filter((url) => url.origin === location.origin);
  return new Set(urls.map((url) => url.pathname).filter((path) => path.startsWith("/assets/")));
}

/** Whether this browser can. */
export function canKeepPages(): boolean {
  return "caches" in window && "serviceWorker" in navigator;
}
