/** Says when events take place, for the groups and the date filter of the start page. */

const DAY_MS = 86_400_000;

interface Dated {
  starts_at: string;
  ends_at: string | null;
  timezone: string;
  status: string;
}

/**
 * The date filters that an event matches at `now` (epoch seconds), in the event's time zone: `past`, or some of `cancelled`, `today`,
 * `weekend`, `later` and a month such as `2027-01`. The first one is the event's group on the start page.
 */
export function dateFilters({ starts_at, ends_at, timezone, status }: Dated, now: number): string[] {
  const today = dayOf(1000 * now, timezone);
  const first = dayOf(Date.parse(starts_at), timezone);
  const last = ends_at ? dayOf(Date.parse(ends_at) - 1, timezone) : first; // an event that ends at midnight does not take place on the next day
  if (ends_at ? Date.parse(ends_at) <= 1000 * now : first < today) return ["past"];
  const daysToSunday = (7 - new Date(today).getUTCDay()) % 7;
  const sunday = shifted(today, daysToSunday);
  const friday = shifted(sunday, -2);
  const isToday = first <= today;
  const isWeekend = first <= sunday && last >= (friday > today ? friday : today);
  const month = (isToday ? today : first).slice(0, 7);
  return [status === "cancelled" && "cancelled", isToday && "today", isWeekend && "weekend", !isToday && !isWeekend && "later", month].filter((tag) => tag !== false);
}

/** "2027-01" -> noon of its first day in UTC, to be written as a month. */
export function monthStart(month: string): string {
  return `${month}-01T12:00:00Z`;
}

const formats = new Map<string, Intl.DateTimeFormat>(); // by time zone, because making one is slow

/** The day as YYYY-MM-DD. */
function dayOf(ms: number, timeZone: string): string {
  let format = formats.get(timeZone);
  if (!format) {
    try {
      format = new Intl.DateTimeFormat("sv", { timeZone });
    } catch {
      format = new Intl.DateTimeFormat("sv"); // this browser does not know the time zone
    }
    formats.set(timeZone, format);
  }
  return format.format(ms);
}

function shifted(day: string, days: number): string {
  return new Date(Date.parse(day) + days * DAY_MS).toISOString().slice(0, 10);
}
