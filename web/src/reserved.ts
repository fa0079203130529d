/** Whether this browser has reserved tickets of an event, so that pages need not ask the API for everybody. It may be over since. */

export function noteReservation(eventId: string): void {
  localStorage.setItem(key(eventId), "1");
}

export function hasReserved(eventId: string): boolean {
  return localStorage.getItem(key(eventId)) !== null;
}

export function forgetReservation(eventId: string): void {
  localStorage.removeItem(key(eventId));
}

function key(eventId: string): string {
  return `fairgate.reserved.${eventId}`;
}
