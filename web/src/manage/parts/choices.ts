/** The options of long lists, the likely ones first. */

const COMMON_CURRENCIES = ["EUR", "USD", "GBP", "CHF", "CAD", "AUD", "MXN", "BRL", "SEK", "NOK", "DKK", "PLN", "CZK", "JPY"];

/** The time zones that the browser knows: the chosen one and the person's own, then those of their continent, then the others. */
export function timezones(chosen: string, own = new Intl.DateTimeFormat().resolvedOptions().timeZone): [string, string][] {
  const continent = own.slice(0, own.indexOf("/") + 1);
  const known = Intl.supportedValuesOf("timeZone");
  const near = continent ? known.filter((zone) => zone.startsWith(continent)) : [];
  return [...new Set([chosen, own, "UTC", ...near, ...known])].map((zone) => [zone, zone.replaceAll("_", " ")]);
}

/** The currencies that the browser knows, with their names: the chosen one, then common ones, then the others. */
export function currencies(chosen: string, locale: string): [string, string][] {
  const names = new Intl.DisplayNames(locale, { type: "currency" });
  return [...new Set([chosen, ...COMMON_CURRENCIES, ...Intl.supportedValuesOf("currency")])].map((code) => [code, `${code} – ${names.of(code)}`]);
}
