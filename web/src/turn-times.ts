/** How long a turn lasts and when it comes, as the waiting room's page says it. Only the shop loads this. */

/** An exact duration: 180 -> "3 minutes", 90 -> "90 seconds". */
export function exactDuration(seconds: number, locale: string): string {
  const [count, unit] = seconds % 60 ? [seconds, "second"] : [seconds / 60, "minute"];
  return count.toLocaleString(locale, { style: "unit", unit, unitDisplay: "long" });
}

/** A moment by the visitor's clock, in epoch seconds, to half a minute: "6:12 PM"; on another day with the weekday. */
export function visitorsTime(seconds: number, locale: string): string {
  const at = new Date(30_000 * Math.round(seconds / 30));
  const weekday = at.toDateString() === new Date().toDateString() ? undefined : "long";
  return at.toLocaleTimeString(locale, { weekday, hour: "numeric", minute: "2-digit" });
}
