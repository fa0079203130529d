/** The dates of an event, or of a ticket, that takes place on several. */

import type { DatesLeft, EventWithTiers } from "../api";
import { period } from "../formats";
import { useTexts } from "../texts";

/** `dates` and `cancelled_dates` are undefined in tickets that were stored by an earlier version. */
interface Dated {
  dates?: EventWithTiers["dates"] | null;
  cancelled_dates?: EventWithTiers["cancelled_dates"] | null;
  timezone: string | null;
}

/** The cancellation of a date, if it is cancelled. */
export const cancellationOf = ({ cancelled_dates }: Pick<Dated, "cancelled_dates">, id: string) => cancelled_dates?.find((date) => date.id === id);

/** The dates of an event, with what is left of those in `left`, which have a capacity. */
export function EventDates({ of: event, left = [] }: { of: Dated; left?: DatesLeft }) {
  const { dates, timezone } = event;
  const { t, locale } = useTexts();
  if (!dates || dates.length < 2) return null;
  return (
    <ul class="small event-dates">
      {dates.map(({ id, starts_at, ends_at = null, name, venue }) => {
        const when = period(starts_at, ends_at, timezone ?? undefined, locale, true);
        const cancellation = cancellationOf(event, id);
        const figures = cancellation ? undefined : left.find(({ date_id }) => date_id === id);
        const stock = figures && (figures.available ? t.event.left(figures.available) : t.event.soldOut);
        return (
          <li key={id}>
            <time dateTime={starts_at}>{cancellation ? <s>{when}</s> : when}</time>
            {[name, venue, stock, cancellation && t.event.dateCancelled, cancellation?.reason].map((part) => part && ` · ${part}`)}
          </li>
        );
      })}
    </ul>
  );
}
