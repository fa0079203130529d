/**
 * Checks in a buyer's browser that the published list of entries has the buyer's number. The list is published before the key of the draw,
 * so nobody can give a number with a good place to somebody else afterwards. Needs only waiting-room.js; for browsers (on https or localhost,
 * for WebCrypto) and Node 20. Computes the same results as chalicelib/waiting_room/entries.py, which explains the list; a test compares them.
 */

import { fromHex, readToken, sha256, toHex } from "./waiting-room.js";

/**
 * @typedef {{root?: string | null, n: number | null, offsets: number[]}} List  Parts of the public state document.
 * @typedef {{digest: string, counter: number, number: number, weight?: number, index: number, page_size: number, path: string[]}} Entry
 *   The response of `.../waiting-room/entries/{digest}`.
 */

const PAGE_SIZE = 256;
const LANE_BITS = 4;
const MAX_PAGE_BITS = 24;

/**
 * The digest of an entrant in the list, hex. In rooms of earlier versions, the list has the group of a member instead.
 * @param {string} commitment of the public state document
 * @param {string} token
 * @param {"user" | "group"} name of the entrant
 */
export async function entrantDigest(commitment, token, name = "user") {
  return toHex(await hash(fromHex(commitment), new TextEncoder().encode(readToken(token)[name])));
}

/**
 * Whether the entry's proof leads to the root of the list, with groups or without. The caller compares the entry with the token.
 * @param {List} list
 * @param {Entry} entry
 */
export async function isProven({ root, n, offsets }, { digest, counter, number, weight = 1, index, page_size: size, path }) {
  const bits = pageBits(n ?? 0);
  const inPage = path.length - bits;
  if (n === null || index < 0 || index >= size || inPage < 0) return false;
  let place = index;
  let last = size - 1;
  let value = await hash([0], fromHex(digest), bigEndian(counter, 2), bigEndian(weight - 1, 1), bigEndian(number, 5));
  for (const beside of path.slice(0, inPage).map(fromHex)) {
    if (last === 0) return false;
    if (place % 2 === 1 || place === last) {
      value = await hash([1], beside, value);
      while (place % 2 === 0 && place > 0) [place, last] = [half(place), half(last)];
    } else {
      value = await hash([1], value, beside);
    }
    [place, last] = [half(place), half(last)];
  }
  if (last !== 0) return false;
  let page = parseInt(digest.slice(0, 8), 16) >>> (32 - bits);
  for (const beside of path.slice(inPage).map(fromHex)) {
    value = await (page % 2 === 1 ? hash([1], beside, value) : hash([1], value, beside));
    page = half(page);
  }
  for (const first of [2, 3]) if (toHex(await hash([first], ...[n, ...offsets].map((count) => bigEndian(count, 6)), value)) === root) return true;
  return false;
}

/** How many bits of a digest choose its page. @param {number} n */
function pageBits(n) {
  const pages = Math.max(1, Math.ceil(n / PAGE_SIZE));
  return Math.min(MAX_PAGE_BITS, Math.max(LANE_BITS, 32 - Math.clz32(pages - 1)));
}

/** @param {number} number */
function half(number) {
  return Math.floor(number / 2);
}

/** @param {number} number below 2^53 @param {number} length in bytes, at most 6 */
function bigEndian(number, length) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(number));
  return bytes.slice(8 - length);
}

/** @param {(Uint8Array | number[])[]} parts */
function hash(...parts) {
  return sha256(Uint8Array.from(parts.flatMap((part) => [...part])));
}
