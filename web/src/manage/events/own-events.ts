/** Finds the events of a person, for the pages for managers and for the door. */

import { ApiFailure, getEvent, listAllEvents, listPromotersEvents, type ListedEvent, type Me } from "../api";
import { may, type Right } from "../rights";

/** List the events that the person sells, then those where they work and have the right, without duplicates. */
export async function listEvents(me: Me, right: Right = "seeEvent"): Promise<ListedEvent[]> {
  if (may("listAllEvents", me)) return (await listAllEvents()).filter((event) => !event.removed);
  const sold = may("createEvents", me) ? await listSold(me.id) : [];
  const worked = Object.keys(me.events).filter((id) => may(right, me, { id, promoter_id: null }) && !sold.some((event) => event.id === id));
  const found = await Promise.all(worked.map((id) => getEvent(id).catch(missing)));
  return [...sold, ...found.filter((event) => event !== null)];
}

async function listSold(promoterId: string): Promise<ListedEvent[]> {
  const events: ListedEvent[] = [];
  let cursor: string | undefined;
  do {
    const page = await listPromotersEvents(promoterId, cursor).catch(missing);
    events.push(...(page?.events ?? [])); // a promoter without a profile has no events
    cursor = page?.next_cursor ?? undefined;
  } while (cursor);
  return events;
}

function missing(failure: unknown): null {
  if (failure instanceof ApiFailure && failure.status === 404) return null;
  throw failure;
}
