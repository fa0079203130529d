/** The page of a ballot: take part in the draw, send choices of tickets, and see the result. */

import { ErrorBoundary, lazy } from "preact-iso";
import { listWaitlistEntries, type EventWithTiers } from "../api";
import { money } from "../formats";
import { noteWait } from "../reserved";
import { useBuyer } from "../session";
import { useTexts } from "../texts";
import type { ballotTexts as en } from "../texts/en-ballot";
import { inEachLanguage } from "../texts/languages";
import { visitorsTime } from "../turn-times";
import type { ShownPlace } from "../use-place";
import { Countdown } from "./countdown";
import { Failure, FailureTexts, Skeleton } from "./failure";
import { useLoaded, useNow } from "./hooks";
import type { LineEntry as LineEntryPart } from "./line-entry";
import { LoadFailed } from "./load-failed";
import { Entry, JoinForm, SignInToJoin } from "./waitlist";

/** All languages are in this file, because they are smaller than a second request. */
const TEXTS = inEachLanguage(import.meta.glob<typeof en>("../texts/??-ballot.ts", { eager: true, import: "ballotTexts" }));
const ENTRIES_SECONDS = 20;
const DrawCheck = lazy(() => import("./draw-verdict").then((part) => part.DrawCheck, () => LoadFailed));

interface Props {
  event: EventWithTiers;
  place: ShownPlace;
  /** Undefined while it is loading. */
  LineEntry: typeof LineEntryPart | undefined;
}

export function Ballot({ event, place, LineEntry }: Props) {
  const { t, language, locale } = useTexts();
  const texts = TEXTS[language];
  const { buyer } = useBuyer();
  const isMember = buyer !== null && buyer.kind !== "guest";
  const load = async () => {
    const found = isMember ? await listWaitlistEntries() : [];
    for (const { event_id } of found) noteWait(event_id);
    return found;
  };
  const { value: entries, failure, reload } = useLoaded(load, `${event.id} ${buyer?.id}`, ENTRIES_SECONDS);
  const entry = entries?.find(({ event_id }) => event_id === event.id);
  const isOpen = entry && ["waiting", "offered"].includes(entry.status);
  const room = place.room;
  return (
    <FailureTexts.Provider value={texts.failures}>
      {!room || !entries ? (
        failure || place.failure ? <Failure failure={(failure ?? place.failure)!} retry={failure ? reload : place.lookAgain} /> : <Skeleton lines={4} />
      ) : event.status === "cancelled" || event.status === "closed" ? (
        <p>{event.status === "closed" ? t.event.closedText : t.event.cancelledText}</p>
      ) : isOpen ? (
        <>
          <Entry entry={entry} reload={reload} event={event} />
          {entry.weight && <p class="small">{texts.odds(entry.weight)}</p>}
          {entry.status === "waiting" && entry.card && (
            <section class={entry.card.status === "missing" ? "panel" : ""}>
              <p>
                {entry.card.status === "missing"
                  ? texts.cardMissing[event.ballot_cards === "required" ? "required" : "optional"]
                  : texts.cardSaved(money(entry.card.max_cents, entry.card.currency, locale))}
              </p>
              <a class="button" href={`/events/${event.id}/card?entry=${entry.id}`}>
                {entry.card.status === "missing" ? texts.saveCard : texts.otherCard}
              </a>
            </section>
          )}
          {room.n === null && <p class="small">{texts.change}</p>}
        </>
      ) : (
        <>
          {entry && entry.status !== "left" && <p role="status">{t.waitlist.over[entry.status]}</p>}
          <Registration event={event} place={place} LineEntry={LineEntry} isMember={isMember} reload={reload} />
        </>
      )}
      <ErrorBoundary>{room && <DrawCheck place={place} eventId={event.id} />}</ErrorBoundary>
    </FailureTexts.Provider>
  );
}

function Registration({ event, place, LineEntry, isMember, reload }: Props & { isMember: boolean; reload: () => Promise<void> }) {
  const { t, language, locale } = useTexts();
  const texts = TEXTS[language];
  const room = place.room!;
  const time = useNow();
  const tiers = event.tiers.filter(({ requires_code, status }) => !requires_code && status !== "closed");
  if (room.n !== null) {
    return (
      <section class="panel">
        <h2>{texts.closed}</h2>
        <p>{texts.closedNote}</p>
        {isMember ? <JoinForm event={event} tiers={tiers} joined={reload} /> : <SignInToJoin here={`/events/${event.id}/line`} />}
      </section>
    );
  }
  const button = (
    <button type="button" class="button" onClick={place.enter} disabled={place.stage === "working"}>
      {place.stage === "working" ? t.line.joining : texts.join}
    </button>
  );
  const refusal = place.failure && <Failure failure={place.failure} retry={place.isOffline ? place.lookAgain : undefined} />;
  return (
    <section class="panel">
      <p class="figure-label">{t.event.drawIn}</p>
      <Countdown seconds={room.on_sale_at - time} />
      {room.closes_at && <p>{texts.closes(visitorsTime(room.closes_at - (room.closes_at % 60), locale))}</p>}
      <p>{texts.intro}</p>
      {event.ballot_cards !== "none" && <p>{texts.cards[event.ballot_cards]}</p>}
      {room.better_odds && <p>{place.token ? texts.odds(place.weight) : texts.oddsRule}</p>}
      {!isMember ? (
        <SignInToJoin here={`/events/${event.id}/line`} />
      ) : place.token ? (
        <>
          <h2>{texts.second}</h2>
          <p>{texts.secondNote}</p>
          <JoinForm event={event} tiers={tiers} joined={reload} place={{ token: place.token, refused: () => place.keep(null) }} button={texts.register} />
        </>
      ) : (
        <>
          <h2>{texts.first}</h2>
          {room.entry && LineEntry ? (
            <LineEntry {...place}>{button}</LineEntry>
          ) : (
            <>
              {refusal}
              {button}
            </>
          )}
        </>
      )}
      {room.total > 0 && <p class="small">{room.better_odds ? texts.numbers(room.total) : texts.people(room.total)}</p>}
    </section>
  );
}
