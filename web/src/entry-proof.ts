/** The proof that the published list of entries has a buyer's number. Loaded once the list has been published. */

import { entrantDigest, isProven } from "../entries.js";
import { readToken, type State } from "../waiting-room.js";
import { getEntry, type EntryProof } from "./api";
import { ApiFailure } from "./client";

/**
 * Fetch the proof and check it. Null if the list does not have this number of this entrant. Rejects with ApiFailure, also if the instance
 * that answers has not seen the list yet. In a room of an earlier version, the list has the group of a member.
 */
export async function proveEntry(room: State, token: string, name: "user" | "group" = "user"): Promise<EntryProof | null> {
  const { counter, number, weight, group } = readToken(token);
  const digest = await entrantDigest(room.commitment, token, name);
  try {
    const { index, page_size, path } = await getEntry(room.event_id, digest);
    return (await isProven(room, { digest, counter, number, weight, index, page_size, path })) ? { index, page_size, path } : null;
  } catch (error) {
    if (error instanceof ApiFailure && error.code === "entry_unknown" && error.details.reason !== "unpublished") {
      return group && name === "user" ? proveEntry(room, token, "group") : null;
    }
    throw error;
  }
}
