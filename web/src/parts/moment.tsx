/** A time, or the time until `end`, in the event's time zone and, if different, in the visitor's. Without the event's zone, only in the visitor's. */

import { otherTimezone, period, timeOfDay } from "../formats";
import { useTexts } from "../texts";

interface Props {
  at: string;
  end?: string | null;
  timezone: string | null;
  /** How many minutes before `at` the doors open; null if this is not shown. */
  doorsMinutes?: number | null;
}

export function Moment({ at, end = null, timezone, doorsMinutes = null }: Props) {
  const { t, locale } = useTexts();
  const other = timezone === null ? undefined : otherTimezone(at, timezone);
  return (
    <p class="event-when">
      <time dateTime={at}>{period(at, end, timezone ?? undefined, locale)}</time>
      {doorsMinutes !== null && <span>{t.event.doors(timeOfDay(Date.parse(at) / 1000 - 60 * doorsMinutes, timezone ?? undefined, locale))}</span>}
      {other && (
        <span class="small">
          {t.event.yourTime} {period(at, end, other, locale)}
        </span>
      )}
    </p>
  );
}
