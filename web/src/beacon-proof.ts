/** The check of a draw's public random number in the visitor's browser. Loaded only when somebody asks for it, because the curve is large. */

import { bls12_381 } from "@noble/curves/bls12-381.js";
import { fromHex, sha256, toHex, type State } from "../waiting-room.js";
import type { DrawProof } from "./api";

/** drand's public chain, as chalicelib/waiting_room/draw.py pins it. */
const QUICKNET = {
  chain: "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971",
  public_key:
    "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a",
  genesis: 1_692_803_367,
  period: 3,
};
const DOMAIN = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";
const SECONDS_AFTER_CLOSING = 70;
const SECONDS_AFTER_LIST = 40;

/** `other`: the signature is right, but the chain is not drand's public one. */
export type BeaconVerdict = "right" | "other" | "wrong";

/** Check the proof's round, its signature and the randomness that the room shows. Null until the round is known. */
export async function checkBeacon({ beacon, closes_at, entries }: Pick<DrawProof, "beacon" | "closes_at" | "entries">, room: State): Promise<BeaconVerdict | null> {
  if (!beacon?.signature || beacon.round === null || closes_at === null || entries === null) return null;
  const signature = fromHex(beacon.signature);
  const seconds = (time: string) => Date.parse(time) / 1000;
  const earliest = Math.max(seconds(closes_at) + SECONDS_AFTER_CLOSING, seconds(entries.published_at) + SECONDS_AFTER_LIST);
  const isDue = beacon.round === Math.max(1, 1 + Math.ceil((earliest - beacon.genesis) / beacon.period));
  const isShown = beacon.chain === room.beacon?.chain && beacon.round === room.beacon.round && toHex(await sha256(signature)) === room.beacon.randomness;
  if (!isDue || !isShown || !(await isSigned(beacon.round, signature, fromHex(beacon.public_key)))) return "wrong";
  const { chain, public_key, genesis, period } = beacon;
  const isPublic = chain === QUICKNET.chain && public_key === QUICKNET.public_key && genesis === QUICKNET.genesis && period === QUICKNET.period;
  return isPublic ? "right" : chain === QUICKNET.chain ? "wrong" : "other";
}

async function isSigned(round: number, signature: Uint8Array, publicKey: Uint8Array): Promise<boolean> {
  const number = new Uint8Array(8);
  new DataView(number.buffer).setBigUint64(0, BigInt(round));
  const { shortSignatures } = bls12_381;
  try {
    return shortSignatures.verify(signature, shortSignatures.hash(await sha256(number), DOMAIN), publicKey);
  } catch {
    return false; // a malformed signature or key
  }
}
