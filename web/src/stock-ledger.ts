/** Reads the stock ledger of an event and checks it. chalicelib/catalog/stock_ledger.py writes it; /verify.pyz checks it without a browser. */

import { fromHex, sha256, toHex } from "../waiting-room.js";
import { getStockLedger, type StockEntry } from "./api";

const ALGORITHM = "fairgate stock ledger, 1";
const MAX_PAGES = 100; // 5,000 entries, or some 14 hours of a sale with totals every ten seconds

export interface Ledger {
  /** Oldest first. A very long ledger begins later. */
  entries: StockEntry[];
  /** Null if this browser cannot check signatures. */
  isSigned: boolean | null;
  /** Each entry names the one before. */
  isChained: boolean;
  publicKey: string;
}

export async function loadLedger(eventId: string): Promise<Ledger> {
  let page = await getStockLedger(eventId, 0);
  const pages = [page];
  for (let number = Math.max(1, page.pages - MAX_PAGES); number < page.pages; number++) {
    page = await getStockLedger(eventId, number);
    if (number > 1 && pages.length === 1) pages.pop(); // the beginning is missing, so the first page would not be followed by the second
    pages.push(page);
  }
  const entries = pages.flatMap(({ entries }) => entries);
  const origin = await hashOf(`${ALGORITHM}\n${eventId}`);
  const hashes = await Promise.all(entries.map((entry) => hashOf(canonical(entry))));
  const isWhole = pages[0]?.page === 0; // else, nothing here shows what the first entry should follow
  const isNext = ({ number, previous }: StockEntry, index: number) => (index === 0 ? !isWhole || (number === 1 && previous === origin) : previous === hashes[index - 1]);
  const isChained = entries.every(isNext) && page.hash === (hashes.at(-1) ?? origin);
  const signed = `${ALGORITHM}\n${eventId}\n${entries.at(-1)?.number ?? 0}\n${page.hash}`;
  return { entries, isChained, isSigned: await isSigned(signed, page.signature, page.public_key), publicKey: page.public_key };
}

const hashOf = async (text: string) => toHex(await sha256(new TextEncoder().encode(text)));

/** JSON without white space and with sorted keys, as the hashes are made. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, of]) => `${JSON.stringify(name)}:${canonical(of)}`).join(",")}}`;
}

async function isSigned(text: string, signature: string, publicKey: string): Promise<boolean | null> {
  try {
    const key = await crypto.subtle.importKey("raw", fromHex(publicKey), "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", key, fromHex(signature), new TextEncoder().encode(text));
  } catch {
    return null; // older browsers do not know Ed25519
  }
}
