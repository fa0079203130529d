/**
 * Who the buyer is. For now the demo identity of a local stage: a random name that this browser keeps, sent as `X-User-Id`.
 * It is no secret and opens nothing outside a demo stage, so localStorage may hold it. Signing in will replace this module alone.
 */

const KEY = "fairgate.user";

/** The buyer's id, made on first use and the same in every tab. */
export function userId(): string {
  const stored = localStorage.getItem(KEY);
  if (stored !== null) return stored;
  const made = `web-${crypto.randomUUID().slice(0, 13)}`;
  localStorage.setItem(KEY, made);
  return made;
}

/** The headers that say who asks. */
export function identityHeaders(): Record<string, string> {
  return { "X-User-Id": userId() };
}
