/**
 * The events that this browser has reserved tickets for, so that pages need not ask the API for every visitor, and the checkout knows the
 * event's name. The reservation may have ended since. Also the events for whose waitlists it has seen an entry.
 */

export function noteReservation(eventId: string, eventName: string): void {
  localStorage.setItem(key(eventId), eventName);
}

export function hasReserved(eventId: string): boolean {
  return reservedEventName(eventId) !== null;
}

/** Null if the tickets were reserved elsewhere. */
export function reservedEventName(eventId: string): string | null {
  return localStorage.getItem(key(eventId));
}

export function forgetReservation(eventId: string): void {
  localStorage.removeItem(key(eventId));
}

function key(eventId: string): string {
  return `fairgate.reserved.${eventId}`;
}

export function noteWait(eventId: string): void {
  localStorage.setItem(waitKey(eventId), "1");
}

export function hasWaited(eventId: string): boolean {
  return localStorage.getItem(waitKey(eventId)) !== null;
}

function waitKey(eventId: string): string {
  return `fairgate.waited.${eventId}`;
}
