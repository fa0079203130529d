/**
 * The server's time, because a phone's clock may be wrong by minutes. Each reply has the time in its Date header, and the time in a CDN's
 * cache in its Age header. Both are whole seconds, so small differences are ignored.
 */

const TOLERATED_SECONDS = 2;
let skew = 0;

export function learnTime(url: string, response: Response): void {
  const date = Date.parse(response.headers.get("Date") ?? "");
  if (Number.isNaN(date)) return;
  const difference = date / 1000 + Number(response.headers.get("Age") ?? 0) - arrivalOf(url) / 1000;
  skew = Math.abs(difference) <= TOLERATED_SECONDS ? 0 : difference;
}

/** When a reply arrived, in epoch milliseconds: now, or earlier if early-requests.js requested it. */
function arrivalOf(url: string): number {
  const early = [...document.querySelectorAll<HTMLLinkElement>("link[as=fetch]")].find((link) => link.href === url);
  early?.remove(); // later replies of this address are new
  return Number(early?.dataset.arrivedAt ?? Date.now());
}

/** Epoch seconds, with fractions. */
export function now(): number {
  return Date.now() / 1000 + skew;
}
