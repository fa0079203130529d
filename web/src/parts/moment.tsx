/** A time, or the time until `end`, in the event's time zone and, if different, in the visitor's. Without the event's zone, only in the visitor's. */

import { otherTimezone, period } from "../formats";
import { useTexts } from "../texts";

export function Moment({ at, end = null, timezone }: { at: string; end?: string | null; timezone: string | null }) {
  const { t, locale } = useTexts();
  const other = timezone === null ? undefined : otherTimezone(at, timezone);
  return (
    <p class="event-when">
      <time dateTime={at}>{period(at, end, timezone ?? undefined, locale)}</time>
      {other && (
        <span class="small">
          {t.event.yourTime} {period(at, end, other, locale)}
        </span>
      )}
    </p>
  );
}
