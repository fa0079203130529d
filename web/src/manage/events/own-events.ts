/** Which events are somebody's: for the list of those who manage, and for the door. */

import { ApiFailure, getEvent, listAllEvents, listPromotersEvents, type ListedEvent, type Me } from "../api";
import { may, type Right } from "../rights";

/** What the person sells, then where they work and may do this, each once. */
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
    events.push(...(page?.events ?? [])); // a promoter whose profile was never written has none
    cursor = page?.next_cursor ?? undefined;
  } while (cursor);
  return events;
}

function missing(failure: unknown): null {
  if (failure instanceof ApiFailure && failure.status === 404) return null;
  throw failure;
}
