/** Converts times between `<input type="datetime-local">`, in a time zone, and the API, in UTC. */

/** The local time in an IANA zone, such as "2027-07-01T20:00"; "" for no time. */
export function toLocal(iso: string | null | undefined, timezone: string): string {
  if (!iso) return "";
  const shown = Object.fromEntries(parts(timezone).formatToParts(new Date(iso)).map(({ type, value }) => [type, value]));
  return `${shown.year!.padStart(4, "0")}-${shown.month}-${shown.day}T${shown.hour}:${shown.minute}`;
}

/**
 * Return the moment, as ISO 8601 in UTC, when clocks in an IANA zone show `local`; null for "". If clocks show the time twice, the first
 * moment counts. If clocks skip it, the moment is later by the length of the jump.
 */
export function fromLocal(local: string, timezone: string): string | null {
  if (!local) return null;
  const wanted = Date.parse(`${local}Z`);
  const shownAt = (moment: number) => Date.parse(`${toLocal(new Date(moment).toISOString(), timezone)}Z`);
  // The offsets from UTC a day before and a day after: even if the clocks change in between, one of the two is right.
  const offsets = [-86_400_000, 86_400_000].map((days) => shownAt(wanted + days) - (wanted + days));
  const candidates = offsets.map((offset) => wanted - offset);
  const moment = candidates.toSorted((a, b) => a - b).find((candidate) => shownAt(candidate) === wanted) ?? candidates[0]!;
  return new Date(moment).toISOString().replace(".000Z", "Z");
}

/** The zone itself, or UTC if the browser does not know it. */
export function knownZone(timezone: string): string {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: timezone }).resolvedOptions().timeZone;
  } catch {
    return "UTC";
  }
}

function parts(timezone: string): Intl.DateTimeFormat {
  const options = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
  return new Intl.DateTimeFormat("en-GB", { ...options, timeZone: knownZone(timezone) });
}
