/** One event: its details, its tiers with live availability, and the way to its tickets. */

import { useRoute } from "preact-iso";
import { calendarFile, getAvailability, getEvent, getReservation, type EventWithTiers } from "../api";
import { Countdown } from "../parts/countdown";
import { EventPicture } from "../parts/event-picture";
import { Failure, OtherWays, Outcome, Skeleton } from "../parts/failure";
import { Moment } from "../parts/moment";
import { Reserved } from "../parts/reserved-note";
import { ShareButton } from "../parts/share-button";
import { useLoaded, useNow, useTitle } from "../parts/hooks";
import { TicketPicker } from "../parts/ticket-picker";
import { Waitlist } from "../parts/waitlist";
import { hasReserved } from "../reserved";
import { useTexts } from "../texts";

const AVAILABILITY_SECONDS = 5;
const EVENT_SECONDS = 30;

export function EventPage() {
  const { params } = useRoute();
  const eventId = params.eventId!;
  const { t } = useTexts();
  const { value: event, failure, reload } = useLoaded(() => getEvent(eventId), eventId, EVENT_SECONDS);
  const { value: stock } = useLoaded(() => getAvailability(eventId), eventId, AVAILABILITY_SECONDS);
  const isNoted = hasReserved(eventId); // until the reservation is cancelled or the offer is declined
  const { value: reservation } = useLoaded(async () => (isNoted ? getReservation(eventId) : null), `${eventId} ${isNoted}`);
  useTitle(event?.name);
  const held = event?.status === "sold_out" && stock ? stock.availability.reduce((sum, line) => sum + line.reserved, 0) : 0;
  const isOpen = event?.status === "on_sale" && !event.has_waiting_room;
  const isPaused = isOpen && (stock?.paused ?? false);
  const sale = event && (reservation ? <Reserved eventId={event.id} /> : isPaused ? <Paused /> : <Way event={event} held={held} />);
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
        <EventPicture id={eventId} image={event?.image ?? null} sizes="(min-width: 56rem) 50vw, 100vw" first />
      </div>
      <div class="event-text">
        {!event && <h1 class="hidden">{t.event.title}</h1>}
        {!event && !failure && <Skeleton lines={6} />}
        {!event && failure && <Failure failure={failure} retry={reload} />}
        {event && <Facts event={event} held={held} isPaused={isPaused} />}
      </div>
      {event && (
        <div class="event-buy">
          {ADDONS.waitlist ? <Waitlist event={event}>{sale}</Waitlist> : sale}
          <TicketPicker event={event} availability={stock?.availability ?? []} canBuy={!reservation && isOpen && !isPaused} token={null} />
        </div>
      )}
    </article>
  );
}

/** `held`: how many tickets are on hold for others, if none are available. */
function Facts({ event, held, isPaused }: { event: EventWithTiers; held: number; isPaused: boolean }) {
  const { t } = useTexts();
  const starts = event.starts_at;
  const place = [event.address, event.city].filter((part) => part && !event.venue.includes(part)).join(", ");
  return (
    <>
      <p>
        <span class={`status status-${isPaused ? "paused" : event.status}`}>
          {isPaused ? t.event.pausedStatus : held > 0 ? t.event.heldStatus : t.status[event.status]}
        </span>
      </p>
      <h1>{event.name}</h1>
      {starts && <Moment at={starts} timezone={event.timezone} />}
      <p class="event-where">
        {event.venue}
        {place && <span class="small">{place}</span>}
      </p>
      <p class="event-description">{event.description}</p>
      <p class="row">
        {event.status !== "cancelled" && (
          <a class="button button-quiet" href={calendarFile(event.id)} download>
            {t.event.calendar}
          </a>
        )}
        <ShareButton title={event.name} url={`${location.origin}/events/${event.id}`} />
      </p>
    </>
  );
}

/** What the buyer can do now, other than choosing tickets. */
function Way({ event, held }: { event: EventWithTiers; held: number }) {
  const { t } = useTexts();
  const time = useNow();
  const hasLine = event.has_waiting_room;
  if (event.status === "cancelled") return <Ended tone="bad" title={t.event.cancelledTitle} text={t.event.cancelledText} />;
  if (event.status === "closed") return <Ended tone="calm" title={t.event.closedTitle} text={t.event.closedText} />;
  if (event.status === "sold_out") {
    return (
      <Outcome tone="calm" title={held > 0 ? t.event.heldTitle : t.event.soldOutTitle}>
        <p>{held > 0 ? t.event.heldText(held) : t.event.soldOutText}</p>
        {!(ADDONS.waitlist && event.has_waitlist) && <p>{held > 0 ? t.event.heldHope : t.event.soldOutHope}</p>}
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
          <h2>{t.event.opensIn}</h2>
          <Countdown seconds={seconds} />
          <Moment at={event.on_sale_at} timezone={event.timezone} />
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

/** The sale has ended for good. */
function Ended({ tone, title, text }: { tone: "calm" | "bad"; title: string; text: string }) {
  return (
    <Outcome tone={tone} title={title}>
      <p>{text}</p>
      <OtherWays />
    </Outcome>
  );
}

/** The sale resumes later. The chosen tickets are kept. */
function Paused() {
  const { t } = useTexts();
  return (
    <Outcome tone="calm" title={t.line.paused}>
      <p>{t.event.pausedText}</p>
    </Outcome>
  );
}
