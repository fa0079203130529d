/** The waiting room: join, wait for the draw, wait in line, choose tickets when it is your turn. */

import { ErrorBoundary, lazy, useRoute } from "preact-iso";
import { useEffect, useRef, useState } from "preact/hooks";
import { getAvailability, getEvent, getReservation, type EventWithTiers } from "../api";
import { clock, duration } from "../formats";
import { Countdown } from "../parts/countdown";
import { Reserved } from "../parts/reserved-note";
import { Failure, Outcome, Skeleton } from "../parts/failure";
import { useBrand, useLoaded, useNow, useTitle, useTranslated } from "../parts/hooks";
import { LoadFailed } from "../parts/load-failed";
import { ReserveForm } from "../parts/reserve-form";
import { useTurnSound } from "../parts/turn-sound";
import { hasReserved } from "../reserved";
import { exactDuration, visitorsTime } from "../turn-times";
import { now } from "../server-time";
import { useTexts } from "../texts";
import { loadRoomTexts } from "../texts/room";
import { usePlace, type ShownPlace } from "../use-place";
import type { LineEntry as LineEntryPart } from "../parts/line-entry";
import { passSecondsOf, type State, type Status } from "../../waiting-room.js";

const AVAILABILITY_SECONDS = 2.5; // during the turn
const ANNOUNCE_EVERY_MS = 30_000;
const MAIL_SECONDS = 120; // before a turn that comes sooner, an email would arrive too late
const REJOIN = ["pass_used", "pass_expired", "token_expired", "token_invalid", "token_of_another_user", "waiting_room_cleared", "entry_unknown"];

// The page shows the check after the parts that buyers need, so that its file is not requested before theirs.
const DrawCheck = lazy(() => import("../parts/draw-verdict").then((part) => part.DrawCheck, () => LoadFailed));
const Ballot = ADDONS.waitlist ? lazy(() => import("../parts/ballot").then((part) => part.Ballot, () => LoadFailed)) : null;
const DrawVerdict = lazy(() => import("../parts/draw-verdict").then((part) => part.DrawVerdict, () => LoadFailed));

interface EventProps {
  eventId: string;
  /** With a waitlist, returned tickets do not go on general sale. */
  hasWaitlist: boolean;
}

export function WaitingRoom() {
  const eventId = useRoute().params.eventId!;
  const { t, language } = useTexts();
  const { value: event, failure, reload } = useTranslated(() => getEvent(eventId), eventId);
  useBrand(event?.brand);
  const place = usePlace(eventId);
  const isTurn = place.status?.can_enter ?? false;
  const { value: reservation } = useLoaded(async () => (hasReserved(eventId) ? getReservation(eventId) : null), `${eventId} ${isTurn}`);
  const sound = useTurnSound(!isTurn || reservation ? 0 : isMissed(place.status) ? 2 : 1);
  const { value: mails } = useLoaded(async () => (ADDONS.messages && isWaiting(place) ? import("../parts/turn-mails").catch(() => null) : null), `${isWaiting(place)}`);
  const known = useRef(false); // from then on, also while a new token is loading, so that the options keep the focus and what they show
  const isKnown = (known.current ||= place.stage !== "loading");
  const loadTickets = () => Promise.all([import("../parts/line-tickets"), loadRoomTexts(language)]).then(([part]) => part, () => null);
  const { value: part } = useLoaded(async () => (isKnown ? loadTickets() : null), `${isKnown} ${language}`);
  const shown = useRef(part); // also while the texts of another language are loading
  const tickets = (shown.current = part ?? shown.current);
  const [isInvited] = useState(() => location.hash.startsWith("#group=")); // to a group, which friends want to see first
  const options = tickets && place.room && !place.room.stopped && !reservation && <tickets.LineOptions eventId={eventId} place={place} />;
  const ahead = place.status?.ahead ?? null;
  const isBallot = ADDONS.waitlist && event?.has_ballot;
  const heading = isBallot ? t.event.ballotTitle : t.line.title;
  const title = event ? `${heading}: ${event.name}` : heading;
  useTitle(isBallot ? title : isTurn ? t.line.turnTitle : place.status && isHeldUp(place.status) ? `${t.line.paused}: ${event?.name ?? ""}` : ahead !== null && !place.status?.pass_expired ? t.line.ahead(ahead) : title);
  return (
    <div class="page page-narrow line">
      <p>
        <a class="back" href={`/events/${eventId}`}>
          {t.back}
        </a>
      </p>
      <h1>{heading}</h1>
      <p class="lead">{event?.name ?? "\u00a0"}</p>
      <ErrorBoundary>{place.draw?.isBroken && <DrawVerdict place={place} />}</ErrorBoundary>
      {failure && !event && <Failure failure={failure} retry={reload} />}
      {isBallot && Ballot ? (
        <ErrorBoundary>
          <Ballot event={event} place={place} LineEntry={tickets?.LineEntry} />
        </ErrorBoundary>
      ) : (
        <>
          {place.isOffline && place.room && place.token && (
            <div class="notice">
              <p role="status">{t.line.offline}</p>
              <button type="button" class="button button-quiet" onClick={place.lookAgain}>
                {t.retry}
              </button>
            </div>
          )}
          {isInvited && options}
          {reservation ? <Reserved eventId={eventId} /> : <Stage place={place} LineEntry={tickets?.LineEntry} eventId={eventId} hasWaitlist={ADDONS.waitlist && (event?.has_waitlist ?? false)} />}
          {isTurn && event?.shop_url && tickets && <tickets.OtherShop event={event} place={place} />}
          {(isTurn || place.stage === "open") && event && !reservation && <Choose event={event} place={place} />}
          {!isInvited && options}
          {tickets && isWaiting(place) && place.room && event && !reservation && <tickets.LineTickets event={event} room={place.room} status={place.status} />}
          {isWaiting(place) && !reservation && (
            <label class="check">
              <input type="checkbox" checked={sound.isOn} onChange={({ currentTarget }) => sound.choose(currentTarget.checked)} />
              {t.line.sound}
            </label>
          )}
          {mails && isWaiting(place) && place.token && place.status && !reservation && (
            <mails.TurnMails eventId={eventId} token={place.token} isDrawn={place.status.position !== null} mayAsk={place.status.position === null || (place.status.eta_seconds ?? Infinity) >= MAIL_SECONDS} />
          )}
          <ErrorBoundary>{tickets && place.room && (event || failure) && <DrawCheck place={place} eventId={eventId} />}</ErrorBoundary>
        </>
      )}
    </div>
  );
}

/** Whether the sale was paused during the buyer's turn. */
const isHeldUp = ({ paused, pass_seconds_left, pass_expired }: Status) => paused && pass_seconds_left !== null && !pass_expired;

/** Whether the buyer missed the turn. For a while, the pass is still valid. */
const isMissed = (status: Status | null) => status?.turn_seconds_left === 0;

/** Whether a turn may still come, so that a sound is useful. */
function isWaiting({ stage, room, status }: ShownPlace): boolean {
  const isOver = stage === "loading" || stage === "open" || room === null || room.stopped !== null;
  return !isOver && !status?.can_enter && !status?.pass_expired;
}

function Stage({ place, LineEntry, eventId, hasWaitlist }: EventProps & { place: ShownPlace; LineEntry?: typeof LineEntryPart }) {
  const { t, locale } = useTexts();
  const { stage, status, room, failure, isOffline, wasCleared, enter, lookAgain } = place;
  const seconds = (room?.on_sale_at ?? 0) - useNow();
  if (stage === "loading") return failure && !room ? <Failure failure={failure} retry={lookAgain} /> : <Skeleton lines={4} />;
  if (stage === "open") return <p>{t.line.openNow}</p>;
  if (stage === "waiting" && status && room) return <Waiting room={room} status={status} isLonger={place.isLonger} isLate={place.draw?.isLate ?? false} failure={place.failure} enter={enter} eventId={eventId} hasWaitlist={hasWaitlist} />;
  if (room?.stopped) return <Stopped reason={room.stopped} eventId={eventId} hasWaitlist={hasWaitlist} isInLine={false} />;
  const button = (
    <button type="button" class="button" onClick={enter} disabled={stage === "working"}>
      {stage === "working" ? t.line.joining : t.line.join}
    </button>
  );
  return (
    <section class="panel">
      {wasCleared && <p class="notice">{t.line.cleared}</p>}
      {seconds > 0 && (
        <>
          <p class="figure-label">{t.line.opensIn}</p>
          <Countdown seconds={seconds} />
        </>
      )}
      <p>{t.line.intro}</p>
      {room?.closes_at && room.n === null && <p>{t.line.closes(visitorsTime(room.closes_at - (room.closes_at % 60), locale))}</p>}
      {room && <TurnLength room={room} isLonger={place.isLonger} />}
      {room?.entry && LineEntry ? (
        <LineEntry {...place}>
          {button}
        </LineEntry>
      ) : (
        <>
          {failure && <Failure failure={failure} retry={isOffline ? lookAgain : undefined} />}
          {button}
        </>
      )}
      {room && room.total > 0 && <p class="small">{t.line.joined(room.total)}</p>}
    </section>
  );
}

type WaitingProps = EventProps & Pick<ShownPlace, "failure" | "enter" | "isLonger"> & { room: State; status: Status; isLate: boolean };

function Waiting({ room, status, isLonger, isLate, failure, enter, eventId, hasWaitlist }: WaitingProps) {
  const { t } = useTexts();
  if (status.stopped) return <Stopped reason={status.stopped} eventId={eventId} hasWaitlist={hasWaitlist} isInLine={!status.pass_expired} />;
  if (status.pass_expired) {
    return (
      <Outcome tone="calm" title={t.line.expired}>
        <p>{t.line.expiredNote}</p>
        {failure && <Failure failure={failure} />}
        <button type="button" class="button" onClick={enter}>
          {t.line.again}
        </button>
      </Outcome>
    );
  }
  return (
    <section class="panel ticket">
      {status.paused && (
        <Outcome tone="calm" title={t.line.paused}>
          <p>{t.line.pausedNote}</p>
        </Outcome>
      )}
      {status.can_enter || isHeldUp(status) ? (
        <>
          <div role="alert">
            <h2>{!status.can_enter ? t.line.turnPaused : isMissed(status) ? t.line.missed : t.line.turn}</h2>
          </div>
          <p>{!status.can_enter ? t.line.turnPausedNote : isMissed(status) ? t.line.missedNote : t.line.turnNote}</p>
          <p class="figure-label">{t.line.turnLeft}</p>
          <p class="figure" role="timer">
            {clock((isMissed(status) ? status.pass_seconds_left : status.turn_seconds_left) ?? 0)}
          </p>
          {!isMissed(status) && <TurnLength room={room} isLonger={isLonger} />}
        </>
      ) : status.state === "waiting" || status.position === null ? (
        <>
          <h2>{isLate ? t.line.afterDraw : t.line.before}</h2>
          {!(room.beacon?.randomness === null && status.state === "sale_open") && (
            <>
              <p class="figure-label">{t.line.opensIn}</p>
              <Countdown seconds={status.seconds_until_on_sale} />
              <p>{isLate ? t.line.afterDrawNote : t.line.beforeNote}</p>
            </>
          )}
          <TurnLength room={room} isLonger={isLonger} />
          <p class="small">{t.line.joined(Math.max(1, status.total))}</p>
        </>
      ) : (
        <InLine room={room} status={status} isLonger={isLonger} position={status.position} />
      )}
    </section>
  );
}

/** How long a turn lasts and what happens to a buyer who misses it, before that happens. */
function TurnLength({ room, isLonger }: { room: State; isLonger: boolean }) {
  const { t, locale } = useTexts();
  const { grace_seconds: grace = 0 } = room;
  return <p class="small">{t.line.lasts(exactDuration(passSecondsOf(room, { isLonger }) - grace, locale), grace > 0 ? exactDuration(grace, locale) : null)}</p>;
}

function InLine({ room, status, isLonger, position }: { room: State; status: Status; isLonger: boolean; position: number }) {
  const { t, locale } = useTexts();
  const ahead = status.ahead ?? 0;
  const eta = status.eta_seconds;
  const announced = useThrottled(t.line.announce(ahead));
  return (
    <>
      <p class="figure-label">{t.line.position}</p>
      <p class="figure">{position.toLocaleString(locale)}</p>
      <progress aria-label={t.line.progress} max={position} value={position - ahead} />
      <p>
        <strong>{t.line.ahead(ahead)}</strong>
      </p>
      <p class="small">{t.line.inside(position - 1 - ahead)}</p>
      <p>
        {status.paused ? t.line.etaPaused : eta === null ? t.line.etaUnknown : eta < 60 ? t.line.etaSoon : t.line.eta(visitorsTime(now() + eta, locale), duration(eta, locale))}
      </p>
      <TurnLength room={room} isLonger={isLonger} />
      <p class="hidden" aria-live="polite">
        {announced}
      </p>
    </>
  );
}

/** Nobody else is admitted, and what that means for this buyer. */
function Stopped({ reason, eventId, hasWaitlist, isInLine }: EventProps & { reason: string; isInLine: boolean }) {
  const { t } = useTexts();
  const hope = isInLine ? t.line.soldOutInLine : t.line.soldOut;
  const waitlist = isInLine ? `${t.line.soldOutWaitlist} ${t.line.leftByWaitlist}` : t.line.soldOutWaitlist;
  return (
    <Outcome tone="calm" title={t.line.stopped[reason] ?? t.line.stopped.closed!}>
      <p>{reason !== "sold_out" ? t.line.over : hasWaitlist ? waitlist : hope}</p>
      <p class="row">
        <a class="button" href={`/events/${eventId}`}>
          {t.back}
        </a>
        <a href="/">{t.allEvents}</a>
      </p>
    </Outcome>
  );
}

function Choose({ event, place }: { event: EventWithTiers; place: ShownPlace }) {
  const { t } = useTexts();
  const { value: availability, reload } = useLoaded(() => getAvailability(event.id), event.id, AVAILABILITY_SECONDS);
  const [mustRejoin, setMustRejoin] = useState(false);
  const rejoin = () => (setMustRejoin(false), place.enter());
  return (
    <>
      <ReserveForm
        event={event}
        availability={availability?.availability ?? []}
        canBuy
        pass={{ token: place.token, entry_proof: place.entryProof }}
        onRefused={({ code }) => {
          setMustRejoin(REJOIN.includes(code));
          void reload(); // refresh the availability
        }}
      />
      {mustRejoin && (
        <button type="button" class="button" onClick={rejoin}>
          {t.line.again}
        </button>
      )}
    </>
  );
}

/** The text, updated at most every half minute so that screen readers can finish; a new language applies at once. */
function useThrottled(text: string): string {
  const { language } = useTexts();
  const [said, setSaid] = useState({ text, language, at: Date.now() });
  useEffect(() => {
    const isDue = language !== said.language || Date.now() - said.at >= ANNOUNCE_EVERY_MS;
    if (text !== said.text && isDue) setSaid({ text, language, at: Date.now() });
  });
  return said.text;
}
