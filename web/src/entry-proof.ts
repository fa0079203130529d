/** The proof that the published list of entries has a buyer's number. Loaded once the list has been published. */

import { entrantDigest, isProven } from "../entries.js";
import { readToken, type State } from "../waiting-room.js";
import { getEntry, type EntryProof } from "./api";
import { ApiFailure } from "./client";

/**
 * Fetch the proof and check it. Null if the list does not have this number of this entrant. Rejects with ApiFailure, also if the instance
 * that answers has not seen the list yet.
 */
export async function proveEntry(room: State, token: string): Promise<EntryProof | null> {
  const { counter, number, weight } = readToken(token);
  const digest = await entrantDigest(room.commitment, token);
  try {
    const entry = await getEntry(room.event_id, digest);
    const isOwn = entry.digest === digest && entry.counter === counter && entry.number === number && (entry.weight ?? 1) === weight;
    const { index, page_size, path } = entry;
    return isOwn && (await isProven(room, entry)) ? { index, page_size, path } : null;
  } catch (error) {
    if (error instanceof ApiFailure && error.code === "entry_unknown" && error.details.reason !== "unpublished") return null;
    throw error;
  }
}
