/** Suggests the email address that somebody probably meant, if its domain looks mistyped. */

const PROVIDERS = ["gmail", "googlemail", "hotmail", "outlook", "yahoo", "icloud", "protonmail"];
const ONLY_COM = ["gmail", "googlemail", "icloud"];
/** Real domains that differ from a provider's in one letter. */
const LOOKALIKES = ["mail", "email", "ymail"];
const MISTYPED_COM = /(^|\.)(con|cmo|ocm|vom|xom|comm|coom)$/;

/** Return the suggested address, or null. While the buyer is still typing, the beginning of a correct address is not a mistake. */
export function suggestEmail(address: string, isTyping = false): string | null {
  const parts = /^([^@\s]+@)([^@\s.]+)\.?([^@\s]*)$/.exec(address.trim());
  if (!parts) return null;
  const [name, ending] = [parts[2]!.toLowerCase(), parts[3]!.toLowerCase()];
  const known = [...PROVIDERS, ...LOOKALIKES].includes(name) ? name : (PROVIDERS.find((provider) => isOneSlip(name, provider)) ?? name);
  const isProvider = PROVIDERS.includes(known);
  const fixed = ONLY_COM.includes(known) || (isProvider && !ending) ? "com" : ending.replace(MISTYPED_COM, "$1com");
  const domain = `${known}.${fixed}`;
  if (!fixed || domain === `${name}.${ending}` || (isTyping && domain.startsWith(`${name}${ending && "."}${ending}`))) return null;
  return parts[1] + domain;
}

/** Whether two different words differ in one letter that is missing, added, replaced, or swapped with the next one. */
function isOneSlip(a: string, b: string): boolean {
  const [short, long] = a.length <= b.length ? [a, b] : [b, a];
  let at = 0;
  while (at < short.length && short[at] === long[at]) at++;
  const [x, y] = [short.slice(at), long.slice(at)];
  return x === y.slice(1) || x.slice(1) === y.slice(1) || (x.slice(0, 2) === [...y.slice(0, 2)].reverse().join("") && x.slice(2) === y.slice(2));
}
