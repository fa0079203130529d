/** Times as `<input type="datetime-local">` has them, on the clocks of a place, and as the API has them. */

/** "2027-07-01T20:00" for a moment on the clocks of an IANA zone; "" for none. */
export function toLocal(iso: string | null | undefined, timezone: string): string {
  if (!iso) return "";
  const shown = Object.fromEntries(parts(timezone).formatToParts(new Date(iso)).map(({ type, value }) => [type, value]));
  return `${shown.year!.padStart(4, "0")}-${shown.month}-${shown.day}T${shown.hour}:${shown.minute}`;
}

/**
 * The moment, as ISO 8601 in UTC, at which the clocks of an IANA zone show this; null for "". Of an hour that clocks show twice the first one
 * is meant; one that they leave out is taken as much later as they jump.
 */
export function fromLocal(local: string, timezone: string): string | null {
  if (!local) return null;
  const wanted = Date.parse(`${local}Z`);
  const shownAt = (moment: number) => Date.parse(`${toLocal(new Date(moment).toISOString(), timezone)}Z`);
  // The clocks' distance from UTC a day before and a day after: whatever changes in between, it is one of both.
  const offsets = [-86_400_000, 86_400_000].map((days) => shownAt(wanted + days) - (wanted + days));
  const candidates = offsets.map((offset) => wanted - offset);
  const moment = candidates.toSorted((a, b) => a - b).find((candidate) => shownAt(candidate) === wanted) ?? candidates[0]!;
  return new Date(moment).toISOString().replace(".000Z", "Z");
}

function parts(timezone: string): Intl.DateTimeFormat {
  const options = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
  try {
    return new Intl.DateTimeFormat("en-GB", { ...options, timeZone: timezone });
  } catch {
    return new Intl.DateTimeFormat("en-GB", { ...options, timeZone: "UTC" }); // a zone that this browser does not know
  }
}
