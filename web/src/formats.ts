/** Amounts, times and durations as people write them. */

const TIME: Intl.DateTimeFormatOptions = { hour: "numeric", minute: "2-digit" };

/** The number of decimals of a currency in the API: 2 for EUR, 0 for JPY. Browsers disagree: to some of them, HUF and IDR have no decimals. */
export function digitsOf(currency: string): number {
  return "BIF CLP DJF GNF ISK JPY KMF KRW MGA PYG RWF UGX VND VUV XAF XOF XPF".includes(currency) ? 0 : "BHD IQD JOD KWD LYD OMR TND".includes(currency) ? 3 : 2;
}

export function money(cents: number, currency: string, locale: string): string {
  const digits = digitsOf(currency);
  const minimumFractionDigits = cents % 10 ** digits ? digits : 0;
  return new Intl.NumberFormat(locale, { style: "currency", currency, minimumFractionDigits, maximumFractionDigits: digits }).format(cents / 10 ** digits);
}

export function day(iso: string, timezone: string | undefined, locale: string): string {
  return format(iso, timezone, locale, { weekday: "short", day: "numeric", month: "short" });
}

/** Short form for narrow lists. */
export function shortDayAndTime(iso: string, timezone: string | undefined, locale: string): string {
  return format(iso, timezone, locale, { weekday: "short", day: "numeric", month: "short", hour: "numeric", minute: "2-digit" });
}

/** With a `year`, also the current year is shown, because people keep receipts. */
export function dayAndTime(iso: string, timezone: string | undefined, locale: string, year?: "numeric"): string {
  return format(iso, timezone, locale, { weekday: "long", day: "numeric", month: "long", year, hour: "numeric", minute: "2-digit", timeZoneName: "short" });
}

/**
 * From the start to the end of an event, without the parts that both have in common. An event from midnight to midnight takes place on days,
 * not at times. `short` leaves out the end unless the event takes longer than a day.
 */
export function period(start: string, end: string | null, timezone: string | undefined, locale: string, short = false): string {
  const at = (iso: string) => format(iso, timezone, "en-GB", { hour: "2-digit", minute: "2-digit" });
  if (!end || end <= start) return short ? shortDayAndTime(start, timezone, locale) : dayAndTime(start, timezone, locale);
  const last = new Date(Date.parse(end) - 1).toISOString(); // before midnight
  const isWholeDays = at(start) === "00:00" && ["00:00", "23:59"].includes(at(end));
  const isLong = Date.parse(last) - Date.parse(start) >= 86_400_000;
  const days: Intl.DateTimeFormatOptions = short ? { weekday: "short", day: "numeric", month: "short" } : { weekday: "long", day: "numeric", month: "long" };
  if (isWholeDays || (short && isLong)) return format(start, timezone, locale, days, last);
  return short ? shortDayAndTime(start, timezone, locale) : format(start, timezone, locale, { ...days, ...TIME, timeZoneName: "short" }, end);
}

export function timeOfDay(epochSeconds: number, timezone: string | undefined, locale: string): string {
  return format(new Date(1000 * epochSeconds).toISOString(), timezone, locale, TIME);
}

/** A month and its year. */
export function month(iso: string, locale: string): string {
  return new Intl.DateTimeFormat(locale, { month: "long", year: "numeric", timeZone: "UTC" }).format(new Date(iso));
}

/** The viewer's time zone, or undefined if both zones show the same time at that moment. */
export function otherTimezone(iso: string, timezone: string): string | undefined {
  const own = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  const shown = (zone: string) => format(iso, zone, "en", { day: "numeric", hour: "numeric", minute: "numeric" });
  return shown(own) === shown(timezone) ? undefined : own;
}

/** A time of an event within a sentence: in the event's time zone and, if different, also in the viewer's. `both` joins the two. */
export function eventTime(iso: string, timezone: string | null | undefined, locale: string, both: (time: string, own: string) => string): string {
  const shown = dayAndTime(iso, timezone ?? undefined, locale);
  const other = timezone ? otherTimezone(iso, timezone) : undefined;
  return other ? both(shown, dayAndTime(iso, other, locale)) : shown;
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

/** The time, or the time from `iso` to `end`. "8:00 PM" stays on one line. */
function format(iso: string, timeZone: string | undefined, locale: string, options: Intl.DateTimeFormatOptions, end = iso): string {
  return formatRange(iso, timeZone, locale, options, end).replace(/ (?=[AP]M\b)/g, "\u00a0").replace(/GMT-(?=\d)/g, "GMT\u2011");
}

function formatRange(iso: string, timeZone: string | undefined, locale: string, options: Intl.DateTimeFormatOptions, end: string): string {
  const isThisYear = [iso, end].every((time) => new Date(time).getFullYear() === new Date().getFullYear());
  if (options.month && !isThisYear) options = { ...options, year: "numeric" };
  try {
    return new Intl.DateTimeFormat(locale, { ...options, timeZone }).formatRange(new Date(iso), new Date(end));
  } catch {
    return new Intl.DateTimeFormat(locale, options).formatRange(new Date(iso), new Date(end)); // this browser does not know the time zone
  }
}
