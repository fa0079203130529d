/** Texts in other languages as values of a form: maps of the API, such as `names`, become values such as `names.es`. Pure. */

/** A language without a value has no text. */
export type OtherTexts<Map extends string> = { [name in `${Map}.${string}`]: string };

export function toOtherTexts<Map extends string>(maps: Record<Map, Record<string, string> | undefined>): OtherTexts<Map> {
  const texts = Object.entries<Record<string, string> | undefined>(maps);
  return Object.fromEntries(texts.flatMap(([map, texts]) => Object.entries(texts ?? {}).map(([code, text]) => [`${map}.${code}`, text]))) as OtherTexts<Map>;
}

export function toMap<Map extends string>(map: Map, values: OtherTexts<Map>): Record<string, string> {
  const typed = Object.entries<unknown>(values).filter(([name]) => name.startsWith(`${map}.`));
  const texts = typed.map(([name, text]) => [name.slice(map.length + 1), String(text).trim()] as const);
  return Object.fromEntries(texts.filter(([, text]) => text !== "").toSorted());
}

/** Return the map with the result of a function for each text. */
export const mapped = <T, R>(map: Record<string, T>, change: (text: T) => R): Record<string, R> =>
  Object.fromEntries(Object.entries(map).map(([code, text]) => [code, change(text)]));
