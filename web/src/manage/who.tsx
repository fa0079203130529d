/** Who manages, and which event: for all pages; the event is loaded again when one of its pages is opened. */

import { createContext, type ComponentChildren } from "preact";
import { useLocation } from "preact-iso";
import { useContext, useEffect, useRef, useState } from "preact/hooks";
import { useLoaded, type Loaded } from "../parts/hooks";
import { getEvent, type ManagedEvent, type Me } from "./api";
import { may, type Right } from "./rights";

const MeContext = createContext<Me | null>(null);

interface EventState extends Loaded<ManagedEvent> {
  /** What the address names; null on a page of no event. */
  eventId: string | null;
  replace: (event: ManagedEvent) => void;
}
const EventContext = createContext<EventState | null>(null);

export const MeProvider = MeContext.Provider;

/** The person who is signed in. Only pages that are registered in pages.ts are drawn when there is one. */
export const useMe = (): Me => useContext(MeContext)!;

/** Loads the event of the page, and again for its next page: tickets sell meanwhile. Null for a page of no event. */
export function EventProvider({ eventId, children }: { eventId: string | null; children: ComponentChildren }) {
  const [changed, setChanged] = useState<ManagedEvent | null>(null);
  const changes = useRef(0);
  const loaded = useLoaded(async () => {
    const before = changes.current;
    const event = eventId === null ? null : await getEvent(eventId);
    if (changes.current === before) setChanged(null); // else this answer may be older than the change
    return event;
  }, eventId ?? "");
  const { path } = useLocation();
  const shown = useRef({ eventId, path });
  useEffect(() => {
    if (shown.current.eventId === eventId && shown.current.path !== path) void loaded.reload();
    shown.current = { eventId, path };
  }, [eventId, path]);
  const replace = (event: ManagedEvent) => {
    changes.current += 1;
    setChanged(event);
  };
  const value = changed && (changed.id === eventId || changed.slug === eventId) ? changed : loaded.value;
  return <EventContext.Provider value={{ ...loaded, eventId, value, replace }}>{children}</EventContext.Provider>;
}

/** The event of the page, while it is loaded and if that failed. */
export const useEventState = (): EventState => useContext(EventContext)!;

/** The event of a page whose address has `:eventId`; `replace` takes what the API has answered to a change. */
export function useManagedEvent(): { event: ManagedEvent; replace: (event: ManagedEvent) => void; reload: () => Promise<void> } {
  const { value, replace, reload } = useEventState();
  return { event: value!, replace, reload };
}

/** Whether the person may do this, at the event of the page if it has one. */
export function useMay(): (right: Right) => boolean {
  const me = useMe();
  const { value: event } = useEventState();
  return (right) => may(right, me, event ?? undefined);
}
