/** One event: its details, its tiers with live availability, and the way to its tickets. */

import type { ComponentChildren } from "preact";
import { ErrorBoundary, lazy, useRoute } from "preact-iso";
import { useState } from "preact/hooks";
import { calendarFile, getAvailability, getEvent, getReservation, previewEvent, saleStatus, type Availability, type DatesLeft, type EventWithTiers } from "../api";
import { money } from "../formats";
import { Countdown } from "../parts/countdown";
import { EventDates } from "../parts/event-dates";
import { EventPicture, Picture } from "../parts/event-picture";
import { Failure, OtherWays, Outcome, Skeleton } from "../parts/failure";
import { LoadFailed } from "../parts/load-failed";
import { Moment } from "../parts/moment";
import { NoEvent } from "../parts/no-event";
import { PlainText } from "../parts/plain-text";
import { Reserved } from "../parts/reserved-note";
import { ShareButton } from "../parts/share-button";
import { useBrand, useLoaded, useNow, useTitle, useTranslated } from "../parts/hooks";
import { ReserveForm } from "../parts/reserve-form";
import { useWaitlist } from "../parts/waitlist";
import { hasReserved } from "../reserved";
import { now } from "../server-time";
import { useTexts } from "../texts";

const AVAILABILITY_SECONDS = 5; // half of it while tickets are on sale
const EVENT_SECONDS = 30;
const SellerNote = lazy(() => import("../parts/seller-note").then((part) => part.SellerNote, () => LoadFailed));
const PublicChanges = lazy(() => import("../parts/public-changes").then((part) => part.PublicChanges, () => LoadFailed));

export function EventPage() {
  const { params, query } = useRoute();
  const eventId = params.eventId!;
  const [isPreview, setPreview] = useState("preview" in query);
  const { t } = useTexts();
  const load = async () => {
    const draft = isPreview ? await previewEvent(eventId) : null;
    setPreview(draft !== null);
    return draft ?? getEvent(eventId);
  };
  const { value: event, failure, reload } = useTranslated(load, eventId, EVENT_SECONDS, isPreview ? undefined : `/events/${eventId}`);
  const seconds = event?.status === "on_sale" ? AVAILABILITY_SECONDS / 2 : AVAILABILITY_SECONDS;
  const { value: stock } = useLoaded(async () => (isPreview ? null : getAvailability(eventId)), eventId, seconds);
  const isNoted = hasReserved(eventId); // until the reservation is cancelled or the offer is declined
  const { value: reservation } = useLoaded(async () => (isNoted ? getReservation(eventId) : null), `${eventId} ${isNoted}`);
  useTitle(event?.name);
  useBrand(event?.brand);
  const held = event?.status === "sold_out" ? (stock?.availability ?? []) : [];
  const paying = sum(held.map((line) => line.reserved - line.reserved_for_waitlist));
  const setAside = sum(held.map((line) => line.reserved_for_waitlist));
  const isOpen = event?.status === "on_sale" && !event.has_waiting_room;
  const isResold = event?.status === "sold_out" && !!stock?.availability.some(({ resale }) => resale.some(({ available }) => available > 0));
  const paused = stock?.paused ?? event?.paused ?? false;
  const isClosedToOthers = event?.status === "scheduled" || event?.status === "sold_out" || (event?.status === "on_sale" && event.has_waiting_room);
  const isReserved = reservation !== null && event?.status !== "cancelled";
  if (!event && failure?.status === 404) return <NoEvent />;
  return (
    <article class="page event">
      <div class="event-art">
        <EventPicture id={eventId} image={event?.image ?? null} sizes="(min-width: 56rem) 50vw, 100vw" first />
      </div>
      <div class="event-text">
        {!event && <h1 class="hidden">{t.event.title}</h1>}
        {!event && !failure && <Skeleton lines={6} />}
        {!event && failure && <Failure failure={failure} retry={reload} />}
        {event && isPreview && <p class="notice">{t.event.preview}</p>}
        {event && <Facts event={event} status={saleStatus({ ...event, paused })} paying={paying} left={event.status === "on_sale" ? stock?.dates : []} isPreview={isPreview} />}
      </div>
      {event && !isReserved && <BuyBar event={event} />}
      {event && (
        <Tickets event={event} availability={stock?.availability ?? []} canBuy={!isReserved && (isOpen || (isResold && !event.has_waiting_room)) && !paused} canUseCode={!isReserved && isClosedToOthers && !paused} isPreview={isPreview}>
          {isReserved ? <Reserved eventId={event.id} /> : isOpen && paused ? <Paused /> : <Way event={event} paying={paying} setAside={setAside} isResold={isResold} />}
        </Tickets>
      )}
      <ErrorBoundary>{event && event.status !== "cancelled" && <SellerNote eventId={event.id} />}</ErrorBoundary>
    </article>
  );
}

interface TicketsProps {
  event: EventWithTiers;
  availability: Availability[];
  canBuy: boolean;
  canUseCode: boolean;
  isPreview: boolean;
  /** The state of the sale. */
  children: ComponentChildren;
}

/** The state of the sale, the tickets, and the waitlist: below what can be bought, but above a list of tickets that are all sold out. */
function Tickets({ event, availability, canBuy, canUseCode, isPreview, children }: TicketsProps) {
  const waitlist = ADDONS.waitlist ? useWaitlist(event, availability) : null;
  const isSoldOut = event.status === "sold_out";
  return (
    <div class="event-buy" id="tickets" tabIndex={-1}>
      {waitlist?.offer ?? children}
      {waitlist?.note}
      {isSoldOut && waitlist?.panel}
      <ReserveForm event={event} availability={availability} canBuy={canBuy} canUseCode={canUseCode} isPreview={isPreview} />
      {!isSoldOut && waitlist?.panel}
    </div>
  );
}

/** At the lower edge of a phone: the price, and the way to the tickets until they come into view. */
function BuyBar({ event }: { event: EventWithTiers }) {
  const { t, locale } = useTexts();
  const { price_from_cents: cents, included_fee_cents: fee, currency } = event;
  if (cents === null || !currency || !["on_sale", "scheduled"].includes(event.status)) return null;
  return (
    <p class="buy-bar">
      <span>
        <strong>{cents === 0 ? t.free : t.store.from(money(cents, currency, locale))}</strong>
        {fee! > 0 && <span class="block small">{t.event.fee(money(fee!, currency, locale))}</span>}
      </span>
      <a class="button" href="#tickets">
        {t.event.tickets}
      </a>
    </p>
  );
}

interface FactsProps {
  event: EventWithTiers;
  status: EventWithTiers["status"] | "paused";
  /** How many tickets are on hold for people who are paying, if none are available. */
  paying: number;
  left: DatesLeft | undefined;
  isPreview: boolean;
}

function Facts({ event, status, paying, left, isPreview }: FactsProps) {
  const { t } = useTexts();
  const starts = event.starts_at;
  const place = [event.address, event.city].filter((part) => part && !event.venue.includes(part)).join(", ");
  return (
    <>
      {event.brand?.logo && <Picture class="logo" image={event.brand.logo} sizes="12rem" />}
      <p>
        <span class={`status status-${status}`}>{paying > 0 ? t.event.heldStatus : t.status[status]}</span>{" "}
        {event.category && <span class="chip">{event.category}</span>}
      </p>
      <h1>{event.name}</h1>
      {starts && <Moment at={starts} end={event.ends_at} timezone={event.timezone} doorsMinutes={event.dates.length > 1 ? null : event.doors_minutes} />}
      <EventDates of={event} left={left} />
      <p class="event-where">
        {event.venue}
        {place && <span class="small">{place}</span>}
      </p>
      <PlainText class="event-description" text={event.description} />
      <p class="row">
        {event.status !== "cancelled" && (
          <a class="button button-quiet" href={calendarFile(event.id)} download>
            {t.event.calendar}
          </a>
        )}
        {event.venue && (
          <a href={`https://www.google.com/maps/search/?${new URLSearchParams({ api: "1", query: place ? `${event.venue}, ${place}` : event.venue })}`} rel="noreferrer">
            {t.event.map}
          </a>
        )}
        {event.has_waiting_room && !isPreview && <a href={`/events/${event.id}/draw`}>{Date.parse(event.on_sale_at!) <= 1000 * now() ? t.draw.link : t.draw.check}</a>}
        <ShareButton title={event.name} url={`${location.origin}/events/${event.id}`} />
      </p>
      {event.changes?.length > 0 && <Changes event={event} />}
    </>
  );
}

/** The changes since the publication, folded. */
function Changes({ event }: { event: EventWithTiers }) {
  const { t } = useTexts();
  const [wasOpened, setOpened] = useState(false);
  return (
    <details class="public-changes" onToggle={() => setOpened(true)}>
      <summary>{t.event.changes(event.changes.length)}</summary>
      <ErrorBoundary>{wasOpened && <PublicChanges event={event} />}</ErrorBoundary>
    </details>
  );
}

/** What the buyer can do now, other than choosing tickets. */
function Way({ event, paying, setAside, isResold }: { event: EventWithTiers; paying: number; setAside: number; isResold: boolean }) {
  const { t } = useTexts();
  const time = useNow();
  const hasLine = event.has_waiting_room;
  if (event.status === "cancelled") return <Ended tone="bad" title={t.event.cancelledTitle} text={t.event.cancelledText} reason={event.cancellation_reason} />;
  if (event.status === "closed") return <Ended tone="calm" title={t.event.closedTitle} text={t.event.closedText} />;
  if (event.status === "sold_out" && !event.has_ballot) {
    return (
      <Outcome tone="calm" title={paying > 0 ? t.event.heldTitle : t.event.soldOutTitle}>
        {paying > 0 ? <p>{t.event.heldText(paying)}</p> : setAside === 0 && <p>{t.event.soldOutText}</p>}
        {setAside > 0 && <p>{t.event.setAside(setAside)}.</p>}
        {!(ADDONS.waitlist && event.has_waitlist) && <p>{paying > 0 ? t.event.heldHope : t.event.soldOutHope}</p>}
        {isResold && hasLine && <a href={`/events/${event.id}/line`}>{t.event.line}</a>}
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
          <h2>{event.has_ballot ? t.event.drawIn : t.event.opensIn}</h2>
          <Countdown seconds={seconds} />
          <Moment at={event.on_sale_at} timezone={event.timezone} />
          {hasLine && <p>{event.has_ballot ? t.event.opensBallot : t.event.opensLine}</p>}
        </>
      ) : (
        <p>{event.has_ballot ? t.event.ballotNote : t.event.lineNote}</p>
      )}
      {hasLine && (
        <a class="button" href={`/events/${event.id}/line`}>
          {event.has_ballot ? t.event.ballot : t.event.line}
        </a>
      )}
    </section>
  );
}

/** The sale has ended for good. */
function Ended({ tone, title, text, reason }: { tone: "calm" | "bad"; title: string; text: string; reason?: string | null }) {
  return (
    <Outcome tone={tone} title={title}>
      {reason && <PlainText text={reason} />}
      <p>{text}</p>
      <OtherWays />
    </Outcome>
  );
}

function sum(counts: number[]): number {
  return counts.reduce((total, count) => total + count, 0);
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
