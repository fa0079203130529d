/** The signed-in user and the managed event, for all pages. The event is reloaded whenever one of its pages is opened. */

import { createContext, type ComponentChildren } from "preact";
import { useLocation } from "preact-iso";
import { useContext, useEffect, useRef, useState } from "preact/hooks";
import { useLoaded, type Loaded } from "../parts/hooks";
import { getEvent, type ManagedEvent, type Me } from "./api";
import { may, type Right } from "./rights";

const MeContext = createContext<Me | null>(null);

interface EventState extends Loaded<ManagedEvent> {
  /** The event id or slug in the address; null on pages without an event. */
  eventId: string | null;
  replace: (event: ManagedEvent) => void;
}
const EventContext = createContext<EventState | null>(null);

export const MeProvider = MeContext.Provider;

/** The signed-in user. Pages in pages.ts are only shown to signed-in users. */
export const useMe = (): Me => useContext(MeContext)!;

/** The list of tickets shows sales within three seconds. */
const TICKET_SECONDS = 2.4;

/** Loads the event of the page, and reloads it for the event's next page, because tickets sell in the meantime. */
export function EventProvider({ eventId, children }: { eventId: string | null; children: ComponentChildren }) {
  const { path } = useLocation();
  const [changed, setChanged] = useState<{ event: ManagedEvent; number: number } | null>(null);
  const changes = useRef(0);
  const loaded = useLoaded(async () => {
    const changesBefore = changes.current;
    return { event: eventId === null ? null : await getEvent(eventId), changesBefore };
  }, eventId ?? "", path.endsWith("/tickets") ? TICKET_SECONDS : undefined);
  const shown = useRef({ eventId, path });
  useEffect(() => {
    if (shown.current.eventId === eventId && shown.current.path !== path) void loaded.reload();
    shown.current = { eventId, path };
  }, [eventId, path]);
  const replace = (event: ManagedEvent) => {
    changes.current += 1;
    setChanged({ event, number: changes.current });
  };
  const isOfPage = changed && (changed.event.id === eventId || changed.event.slug === eventId);
  // A reply to a request from before the change may be older than the change.
  const isNewest = isOfPage && changed.number > (loaded.value?.changesBefore ?? 0);
  const value = isNewest ? changed.event : (loaded.value?.event ?? null);
  return <EventContext.Provider value={{ ...loaded, eventId, value, replace }}>{children}</EventContext.Provider>;
}

/** The event of the page, or the state of its loading. */
export const useEventState = (): EventState => useContext(EventContext)!;

/** The event of a page whose address has `:eventId`. `replace` takes the API's reply to a change. */
export function useManagedEvent(): { event: ManagedEvent; replace: (event: ManagedEvent) => void; reload: () => Promise<void> } {
  const { value, replace, reload } = useEventState();
  return { event: value!, replace, reload };
}

/** Whether the user has a right, at the event of the page if it has one. */
export function useMay(): (right: Right) => boolean {
  const me = useMe();
  const { value: event } = useEventState();
  return (right) => may(right, me, event ?? undefined);
}
