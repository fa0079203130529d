/** A time in the event's time zone and, if different, in the visitor's. Without the event's zone, only in the visitor's. */

import { dayAndTime, otherTimezone } from "../formats";
import { useTexts } from "../texts";

export function Moment({ at, timezone }: { at: string; timezone: string | null }) {
  const { t, locale } = useTexts();
  const other = timezone === null ? undefined : otherTimezone(at, timezone);
  return (
    <p class="event-when">
      <time dateTime={at}>{dayAndTime(at, timezone ?? undefined, locale)}</time>
      {other && (
        <span class="small">
          {t.event.yourTime} {dayAndTime(at, other, locale)}
        </span>
      )}
    </p>
  );
}
