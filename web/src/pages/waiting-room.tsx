/** The waiting room: join, wait for the draw, wait in line, choose when it is one's turn. */

import { useRoute } from "preact-iso";
import { useEffect, useState } from "preact/hooks";
import { getAvailability, getEvent, getReservation, type EventWithTiers } from "../api";
import { clock } from "../formats";
import { Failure, Outcome, Skeleton } from "../parts/failure";
import { useLoaded, useNow, useTitle } from "../parts/hooks";
import { TicketPicker } from "../parts/ticket-picker";
import { usePlace, type ShownPlace } from "../use-place";
import { useTexts } from "../texts";
import { LATE, readToken, type Status } from "../../waiting-room.js";

const ANNOUNCE_EVERY_MS = 30_000;
const AVAILABILITY_SECONDS = 5;
const REJOIN = ["pass_used", "pass_expired", "token_expired", "token_invalid", "token_of_another_user", "waiting_room_cleared"];

export function WaitingRoom() {
  const eventId = useRoute().params.eventId!;
  const { t } = useTexts();
  const { value: event, failure, reload } = useLoaded(() => getEvent(eventId), eventId);
  const place = usePlace(eventId);
  const isTurn = place.stage === "open" || (place.status?.canEnter ?? false);
  useTitle(isTurn && place.stage !== "open" ? t.line.turnTitle : event ? `${t.line.title}: ${event.name}` : t.line.title);
  return (
    <div class="page page-narrow line">
      <p>
        <a class="back" href={`/events/${eventId}`}>
          {t.back}
        </a>
      </p>
      <h1>{t.line.title}</h1>
      {event && <p class="lead">{event.name}</p>}
      {failure && !event && <Failure failure={failure} retry={reload} />}
      {place.isOffline && place.room && (
        <p class="notice" role="status">
          {t.line.offline}
        </p>
      )}
      <Stage place={place} />
      {isTurn && event && <Choose event={event} place={place} />}
      {place.room && <DrawCheck place={place} />}
    </div>
  );
}

function Stage({ place }: { place: ShownPlace }) {
  const { t } = useTexts();
  const { stage, status, room, failure, wasCleared, enter } = place;
  const seconds = (room?.on_sale_at ?? 0) - useNow();
  if (stage === "loading") return failure ? <Failure failure={failure} /> : <Skeleton lines={4} />;
  if (stage === "open") return <p>{t.line.openNow}</p>;
  if (stage === "waiting" && status) return <Waiting status={status} enter={enter} />;
  if (room?.stopped) return <Stopped reason={room.stopped} />;
  return (
    <section class="panel">
      {wasCleared && <p class="notice">{t.line.cleared}</p>}
      {seconds > 0 && (
        <>
          <p class="figure-label">{t.line.opensIn}</p>
          <p class="figure" role="timer">
            {clock(seconds)}
          </p>
        </>
      )}
      <p>{t.line.intro}</p>
      {failure && <Failure failure={failure} />}
      <button type="button" class="button" onClick={enter} disabled={stage === "working"}>
        {stage === "working" ? t.line.joining : t.line.join}
      </button>
      {room && room.total > 0 && <p class="small">{t.line.joined(room.total)}</p>}
    </section>
  );
}

function Waiting({ status, enter }: { status: Status; enter: () => void }) {
  const { t } = useTexts();
  if (status.stopped) return <Stopped reason={status.stopped} />;
  if (status.passExpired) {
    return (
      <Outcome tone="calm" title={t.line.expired}>
        <p>{t.line.expiredNote}</p>
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
          {t.line.pausedNote}
        </Outcome>
      )}
      {status.canEnter ? (
        <>
          <div role="alert">
            <h2>{t.line.turn}</h2>
          </div>
          <p>{t.line.turnNote}</p>
          <p class="figure-label">{t.line.turnLeft}</p>
          <p class="figure" role="timer">
            {clock(status.passSecondsLeft ?? 0)}
          </p>
        </>
      ) : status.state === "waiting" || status.position === null ? (
        <>
          <h2>{t.line.before}</h2>
          <p class="figure-label">{t.line.opensIn}</p>
          <p class="figure" role="timer">
            {clock(status.secondsUntilOnSale)}
          </p>
          <p>{t.line.beforeNote}</p>
          <p class="small">{t.line.joined(status.total)}</p>
        </>
      ) : (
        <InLine status={status} position={status.position} />
      )}
      {status.mayReturn !== null && status.mayReturn > 0 && !status.canEnter && <p class="small">{t.line.mayReturn(status.mayReturn)}</p>}
    </section>
  );
}

function InLine({ status, position }: { status: Status; position: number }) {
  const { t, locale } = useTexts();
  const ahead = status.ahead ?? 0;
  const announced = useSeldom(t.line.announce(ahead));
  return (
    <>
      <p class="figure-label">{t.line.position}</p>
      <p class="figure">{position.toLocaleString(locale)}</p>
      <progress aria-label={t.line.progress} max={position} value={position - ahead} />
      <p>
        <strong>{t.line.ahead(ahead)}</strong>
      </p>
      <p>
        {status.etaSeconds === null ? (
          t.line.etaUnknown
        ) : (
          <>
            {t.line.eta} <span class="numbers">{clock(status.etaSeconds)}</span>
          </>
        )}
      </p>
      <p class="hidden" aria-live="polite">
        {announced}
      </p>
    </>
  );
}

function Stopped({ reason }: { reason: string }) {
  const { t } = useTexts();
  return (
    <Outcome tone="calm" title={t.line.stopped[reason] ?? t.line.stopped.closed!}>
      <p>{t.line.stoppedNote}</p>
      <a href="/">{t.allEvents}</a>
    </Outcome>
  );
}

function Choose({ event, place }: { event: EventWithTiers; place: ShownPlace }) {
  const { t } = useTexts();
  const { value: availability } = useLoaded(() => getAvailability(event.id), event.id, AVAILABILITY_SECONDS);
  const { value: reservation } = useLoaded(() => getReservation(event.id), event.id);
  const [mustRejoin, setMustRejoin] = useState(false);
  if (reservation) {
    return (
      <Outcome tone="good" title={t.event.continueTitle}>
        <p>{t.event.continueText}</p>
        <a class="button" href={`/events/${event.id}/checkout`}>
          {t.event.continue}
        </a>
      </Outcome>
    );
  }
  const rejoin = () => (setMustRejoin(false), place.enter());
  return (
    <>
      <TicketPicker
        event={event}
        availability={availability ?? []}
        canBuy
        token={place.token}
        onRefused={({ code }) => setMustRejoin(REJOIN.includes(code))}
      />
      {mustRejoin && (
        <button type="button" class="button" onClick={rejoin}>
          {t.line.again}
        </button>
      )}
    </>
  );
}

/** What makes the draw checkable, and the check that this page has made. */
function DrawCheck({ place }: { place: ShownPlace }) {
  const { t, locale } = useTexts();
  const room = place.room!;
  const isLate = place.token !== null && readToken(place.token).counter === LATE;
  return (
    <details class="draw">
      <summary>{t.line.check}</summary>
      <p>{room.key ? t.line.checkText : t.line.checkBefore}</p>
      {place.draw !== null && (
        <p class={place.draw.isKept ? "kept" : "broken"}>{!place.draw.isKept ? t.line.broken : isLate ? t.line.late : t.line.kept}</p>
      )}
      <dl>
        <dt>{t.line.fingerprint}</dt>
        <dd class="code">{room.commitment}</dd>
        {room.key && (
          <>
            <dt>{t.line.key}</dt>
            <dd class="code">{room.key}</dd>
          </>
        )}
        {room.n !== null && (
          <>
            <dt>{t.line.drawn}</dt>
            <dd>{room.n.toLocaleString(locale)}</dd>
          </>
        )}
      </dl>
    </details>
  );
}

/** The text, but changed at most every half minute, so that a screen reader is not talked over. */
function useSeldom(text: string): string {
  const [said, setSaid] = useState({ text, at: Date.now() });
  useEffect(() => {
    if (text !== said.text && Date.now() - said.at >= ANNOUNCE_EVERY_MS) setSaid({ text, at: Date.now() });
  });
  return said.text;
}
