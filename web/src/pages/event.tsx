/** One event: what, when, where, its tiers with live figures, and the way to its tickets. */

import { useRoute } from "preact-iso";
import { getAvailability, getEvent, getReservation, getRoom, type Availability, type EventWithTiers } from "../api";
import { clock, dayAndTime, otherTimezone } from "../formats";
import { Artwork } from "../parts/artwork";
import { Failure, Outcome, Skeleton } from "../parts/failure";
import { useLoaded, useNow, useTitle } from "../parts/hooks";
import { TicketPicker } from "../parts/ticket-picker";
import { useTexts } from "../texts";

const AVAILABILITY_SECONDS = 5;
const EVENT_SECONDS = 30;
const COUNTDOWN_SECONDS = 86_400;

export function EventPage() {
  const { params } = useRoute();
  const eventId = params.eventId!;
  const { t } = useTexts();
  const { value: event, failure, reload } = useLoaded(() => getEvent(eventId), eventId, EVENT_SECONDS);
  const { value: availability } = useLoaded(() => getAvailability(eventId), eventId, AVAILABILITY_SECONDS);
  const { value: reservation } = useLoaded(() => getReservation(eventId), eventId);
  const hasLine = useHasLine(event);
  useTitle(event?.name);
  if (!event && failure?.status === 404) {
    return (
      <div class="page page-narrow">
        <h1>{t.event.notFound}</h1>
        <p class="lead">{t.event.notFoundText}</p>
        <a class="button" href="/">
          {t.allEvents}
        </a>
      </div>
    );
  }
  return (
    <article class="page event">
      <div class="event-art">
        <Artwork id={eventId} />
      </div>
      <div class="event-text">
        {!event && !failure && <Skeleton lines={6} />}
        {!event && failure && <Failure failure={failure} retry={reload} />}
        {event && <Facts event={event} />}
      </div>
      {event && (
        <div class="event-buy">
          {reservation ? (
            <Outcome tone="good" title={t.event.continueTitle}>
              <p>{t.event.continueText}</p>
              <a class="button" href={`/events/${event.id}/checkout`}>
                {t.event.continue}
              </a>
            </Outcome>
          ) : (
            <Way event={event} availability={availability ?? []} hasLine={hasLine} />
          )}
          <TicketPicker event={event} availability={availability ?? []} canBuy={!reservation && hasLine === false && event.status === "on_sale"} token={null} />
        </div>
      )}
    </article>
  );
}

/** Whether buyers wait in line for this event; null until that is known. Only an event with an opening time can have a waiting room. */
function useHasLine(event: EventWithTiers | null): boolean | null {
  const opens = event !== null && event.on_sale_at !== null;
  const { value: room, failure } = useLoaded(async () => (opens ? getRoom(event.id) : null), opens ? event.id : "");
  if (event === null) return null;
  return !opens || failure?.status === 404 ? false : room ? true : null;
}

function Facts({ event }: { event: EventWithTiers }) {
  const { t, locale } = useTexts();
  const starts = event.starts_at;
  const other = starts && otherTimezone(starts, event.timezone);
  return (
    <>
      <p>
        <span class={`status status-${event.status}`}>{t.status[event.status]}</span>
      </p>
      <h1>{event.name}</h1>
      {starts && (
        <p class="event-when">
          <time dateTime={starts}>{dayAndTime(starts, event.timezone, locale)}</time>
          {other && (
            <span class="small">
              {t.event.yourTime} {dayAndTime(starts, other, locale)}
            </span>
          )}
        </p>
      )}
      <p class="event-where">{event.venue}</p>
      <p class="event-description">{event.description}</p>
    </>
  );
}

/** What the buyer can do now, if that is not simply to choose tickets. */
function Way({ event, availability, hasLine }: { event: EventWithTiers; availability: Availability[]; hasLine: boolean | null }) {
  const { t, locale } = useTexts();
  const time = useNow();
  if (event.status === "cancelled") return <Outcome tone="bad" title={t.event.cancelledTitle}>{t.event.cancelledText}</Outcome>;
  if (event.status === "closed") return <Outcome tone="calm" title={t.event.closedTitle}>{t.event.closedText}</Outcome>;
  if (event.status === "sold_out") {
    const held = availability.reduce((sum, line) => sum + line.reserved, 0);
    return (
      <Outcome tone="calm" title={t.event.soldOutTitle}>
        <p>{held > 0 ? t.event.heldText(held) : t.event.soldOutText}</p>
        <a href="/">{t.allEvents}</a>
      </Outcome>
    );
  }
  if (event.on_sale_at === null) return null;
  const seconds = Date.parse(event.on_sale_at) / 1000 - time;
  if (!hasLine && seconds <= 0) return null;
  return (
    <section class="panel">
      {seconds > 0 ? (
        <>
          <h2>{seconds < COUNTDOWN_SECONDS ? t.event.opensIn : t.event.opens}</h2>
          <p class={seconds < COUNTDOWN_SECONDS ? "figure" : "opening"}>{seconds < COUNTDOWN_SECONDS ? clock(seconds) : dayAndTime(event.on_sale_at, event.timezone, locale)}</p>
          {hasLine && <p>{t.event.opensLine}</p>}
        </>
      ) : (
        <p>{t.event.lineNote}</p>
      )}
      {hasLine && (
        <a class="button" href={`/events/${event.id}/line`}>
          {t.event.line}
        </a>
      )}
    </section>
  );
}
