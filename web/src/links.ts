/** Finds the web addresses in a text. Only http and https become links; everything else remains text. */

// Punctuation at the end belongs to the sentence, and so does a closing bracket.
const ADDRESS = /\bhttps?:\/\/[^\s<>"“”«»]*[^\s<>"“”«»'’.,:;!?()[\]{}*_]/giu;

export function linked(text: string): (string | { href: string; text: string })[] {
  const parts: (string | { href: string; text: string })[] = [];
  let end = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = match[0];
    if (!URL.canParse(address)) continue;
    parts.push(text.slice(end, match.index), { href: new URL(address).href, text: address });
    end = match.index + address.length;
  }
  return [...parts, text.slice(end)].filter((part) => part !== "");
}
