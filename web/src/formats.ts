/** Amounts, times and durations as people write them. */

export function money(cents: number, currency: string, locale: string): string {
  const format = new Intl.NumberFormat(locale, { style: "currency", currency });
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2;
  const isWhole = cents % 10 ** digits === 0;
  return new Intl.NumberFormat(locale, { style: "currency", currency, minimumFractionDigits: isWhole ? 0 : digits }).format(cents / 10 ** digits);
}

export function day(iso: string, timezone: string | undefined, locale: string): string {
  return format(iso, timezone, locale, { weekday: "short", day: "numeric", month: "short" });
}

/** Short form for narrow lists. */
export function shortDayAndTime(iso: string, timezone: string | undefined, locale: string): string {
  return format(iso, timezone, locale, { weekday: "short", day: "numeric", month: "short", hour: "numeric", minute: "2-digit" });
}

export function dayAndTime(iso: string, timezone: string | undefined, locale: string): string {
  return format(iso, timezone, locale, { weekday: "long", day: "numeric", month: "long", hour: "numeric", minute: "2-digit", timeZoneName: "short" });
}

/** The viewer's time zone, or undefined if both zones show the same time at that moment. */
export function otherTimezone(iso: string, timezone: string): string | undefined {
  const own = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  const shown = (zone: string) => format(iso, zone, "en", { day: "numeric", hour: "numeric", minute: "numeric" });
  return shown(own) === shown(timezone) ? undefined : own;
}

/** 75 -> "1:15", 7275 -> "2:01:15". */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const tail = String(whole % 60).padStart(2, "0");
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

/** An approximate duration: 110 -> "2 minutes", 7200 -> "2 hours". Whole minutes, or whole hours above an hour and a half. */
export function duration(seconds: number, locale: string): string {
  const [count, unit] = seconds > 5400 ? [Math.ceil(seconds / 3600), "hour"] : [Math.max(1, Math.ceil(seconds / 60)), "minute"];
  return new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "long" }).format(count);
}

function format(iso: string, timeZone: string | undefined, locale: string, options: Intl.DateTimeFormatOptions): string {
  const isThisYear = new Date(iso).getFullYear() === new Date().getFullYear();
  if (options.month && !isThisYear) options = { ...options, year: "numeric" };
  try {
    return new Intl.DateTimeFormat(locale, { ...options, timeZone }).format(new Date(iso));
  } catch {
    return new Intl.DateTimeFormat(locale, options).format(new Date(iso)); // this browser does not know the time zone
  }
}
