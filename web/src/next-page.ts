/** The address that a page continues to afterwards, as `?next=`. Apart from the pages, because all entries link to them. */

/** The address of a page that continues to `next` afterwards. */
export function withNext(page: string, next: string | undefined): string {
  return safeAddress(next) ? `${page}?next=${encodeURIComponent(next!)}` : page;
}

/** The address if it belongs to this site, because a link from elsewhere must not redirect people to another site. */
export function safeAddress(address: string | undefined): string | null {
  if (!address?.startsWith("/")) return null;
  const url = new URL(address, location.origin);
  const isOwn = url.origin === location.origin && !url.pathname.startsWith("//"); // "/..//evil.example" becomes "//evil.example"
  return isOwn ? url.pathname + url.search : null;
}
