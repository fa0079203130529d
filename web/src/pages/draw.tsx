/** The draw, explained: its public page, and the explanation that the waiting room also shows. Loaded only when somebody opens one of them. */

import { useRoute } from "preact-iso";
import { useEffect, useState } from "preact/hooks";
import { getDrawProof, getEvent, type EventWithTiers } from "../api";
import type { BeaconVerdict } from "../beacon-proof";
import { DrawVerdict, isOff } from "../parts/draw-verdict";
import { Failure, Skeleton } from "../parts/failure";
import { useBrand, useLoaded, useTitle, useTranslated } from "../parts/hooks";
import { Moment } from "../parts/moment";
import { randomnessOf, type PlaceView } from "../place";
import type { drawTexts as en } from "../texts/en-draw";
import { inEachLanguage } from "../texts/languages";
import { useTexts } from "../texts";
import { usePlace } from "../use-place";
import { NoEvent } from "../parts/no-event";
import { positionOf, type State } from "../../waiting-room.js";
import { Opening, Sealing, Joining } from "./draw-pictures";

/** In `limitsList`, what the list of numbers shows, and what the public random number prevents. */
const WHO_HAD_WHICH = 1;
const NOBODY_LOOKED = 2;
/** A mirror of the public chain. Other chains, of local runs and tests, are not there. */
const MIRROR = "https://api.drand.sh";
/** All languages are in this file, because they are smaller than a second request. */
const TEXTS = inEachLanguage(import.meta.glob<typeof en>("../texts/??-draw.ts", { eager: true, import: "drawTexts" }));
const useDrawTexts = () => {
  const { language, locale } = useTexts();
  return { d: TEXTS[language], locale };
};

export function DrawPage() {
  const eventId = useRoute().params.eventId!;
  const { t } = useTexts();
  const { d } = useDrawTexts();
  const { value: event, failure, reload } = useTranslated(() => getEvent(eventId), eventId);
  const { value: stock } = useLoaded(() => import("../parts/stock-ledger"), "");
  useTitle(event ? `${d.title}: ${event.name}` : d.title);
  useBrand(event?.brand);
  if (!event && failure?.status === 404) return <NoEvent />;
  return (
    <div class="page page-narrow">
      <p>
        <a class="back" href={`/events/${eventId}`}>
          {t.back}
        </a>
      </p>
      <h1>{d.title}</h1>
      {!event && (failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={8} />)}
      {event && (
        <div>
          <p class="lead">{event.name}</p>
          {event.starts_at && <Moment at={event.starts_at} end={event.ends_at} timezone={event.timezone} />}
        </div>
      )}
      {event && (event.has_waiting_room && event.on_sale_at ? <Draw event={event} opensAt={event.on_sale_at} /> : <p>{d.noRoom}</p>)}
      {event && stock && <stock.StockLedger event={event} />}
    </div>
  );
}

function Draw({ event, opensAt }: { event: EventWithTiers; opensAt: string }) {
  const { t } = useTexts();
  const { d, locale } = useDrawTexts();
  const place = usePlace(event.id);
  const { room, failure, stage } = place;
  const [beaconVerdict, setBeaconVerdict] = useState<BeaconVerdict | null>(null);
  if (stage === "open") return <p>{d.noRoom}</p>; // the waiting room has been removed since the event was loaded
  if (!room) return failure ? <Failure failure={failure} retry={place.lookAgain} /> : <Skeleton lines={8} />;
  const isDrawn = room.key !== null;
  const isWrong = beaconVerdict === "wrong" || beaconVerdict === "other";
  return (
    <>
      {isWrong && !place.draw?.isBroken ? (
        <section class={`outcome outcome-${beaconVerdict === "wrong" ? "bad" : "calm"}`} role="alert">
          <h2>{d.signature.titles[beaconVerdict]}</h2>
          <p>{d.signature[beaconVerdict]}</p>
        </section>
      ) : (
        <DrawVerdict place={place} />
      )}
      {(isDrawn || room.beacon?.randomness) && room.n !== 0 && <Checks place={place} room={room} beaconVerdict={beaconVerdict} onVerdict={setBeaconVerdict} />}
      <dl class="draw-facts">
        {!isOff(room) && (
          <>
            <dt>{isDrawn ? d.openedAt : d.opensAt}</dt>
            <dd>
              <Moment at={opensAt} timezone={event.timezone} />
            </dd>
          </>
        )}
        {room.closes_at && !isOff(room) && (
          <>
            <dt>{room.n === null ? d.closesAt : d.closedAt}</dt>
            <dd>
              <Moment at={new Date(1000 * room.closes_at).toISOString()} timezone={event.timezone} />
            </dd>
          </>
        )}
        {room.n !== null && (
          <>
            <dt>{d.drawn}</dt>
            <dd>{room.n.toLocaleString(locale)}</dd>
          </>
        )}
        {room.entry && <Exclusions eventId={event.id} room={room} />}
        <dt>{d.fingerprint}</dt>
        <dd class="code">{room.commitment}</dd>
        {room.root && (
          <>
            <dt>{d.root}</dt>
            <dd class="code">{room.root}</dd>
          </>
        )}
        {room.beacon?.round && (
          <>
            <dt>{d.round}</dt>
            <dd>
              {room.beacon.round} · <Moment at={new Date(1000 * room.beacon.round_at!).toISOString()} timezone={event.timezone} />
            </dd>
          </>
        )}
      </dl>
      {!isDrawn && !isOff(room) && (
        <>
          <p>{d.keepFingerprint}</p>
          <p>
            <a href={`/events/${event.id}/line`}>{event.has_ballot ? t.event.ballot : t.event.line}</a>
          </p>
        </>
      )}
      <h2>{d.how}</h2>
      {event.has_ballot && <p>{t.event.ballotNote}</p>}
      {room.better_odds && <p>{d.oddsRule}</p>}
      <Explanation place={place} isOnPage />
    </>
  );
}

/** What this browser has checked, and what it has not. */
function Checks({ place: { draw }, room, beaconVerdict, onVerdict }: { place: PlaceView; room: State; beaconVerdict: BeaconVerdict | null; onVerdict: (verdict: BeaconVerdict) => void }) {
  const { d } = useDrawTexts();
  const made: [string, boolean][] = [[d.checks.fits, room.key !== null && draw?.isKept === true], [d.checks.noted, Boolean(draw?.noted)]];
  if (room.root && draw?.arrival) made.push([d.checks.own, draw.isListed === true]);
  const isRandomnessGood = beaconVerdict === null || beaconVerdict === "right";
  if (room.beacon && isRandomnessGood) made.push([d.checks.beacon, beaconVerdict !== null]);
  const lines = (isMade: boolean) => made.filter(([, wasMade]) => wasMade === isMade).map(([text]) => <li key={text}>{text}</li>);
  return (
    <>
      <h2>{d.checks.made}</h2>
      <ul class="draw-limits">{lines(true)}</ul>
      <h2>{d.checks.open}</h2>
      <ul class="draw-limits">
        {lines(false)}
        {room.root && <li>{d.checks.list}</li>}
        <li>{d.checks.others}</li>
      </ul>
      {room.beacon?.randomness && isRandomnessGood && <BeaconCheck room={room} verdict={beaconVerdict} onVerdict={onVerdict} />}
    </>
  );
}

/** Who gets a place, and how many requests the rule gave no place of their own. */
function Exclusions({ eventId, room }: { eventId: string; room: State }) {
  const { d, locale } = useDrawTexts();
  const { value: proof } = useLoaded(() => getDrawProof(eventId), `${eventId} ${room.room}`);
  const reasons = Object.entries(proof?.excluded ?? {}) as [keyof typeof d.excluded, number][];
  return (
    <>
      <dt>{d.entry}</dt>
      <dd>
        {d.entries[room.entry!]}
        {reasons.map(([reason, count]) => (
          <div class="small" key={reason}>
            {d.excluded[reason]}: {count.toLocaleString(locale)}
          </div>
        ))}
        {proof?.entries?.by_weight?.map((count, index) => count > 0 && (
          <div class="small" key={index}>
            {d.withNumbers(index + 1, count)}
          </div>
        ))}
        {proof && proof.appeals.made > 0 && <div class="small">{d.appeals(proof.appeals.made, proof.appeals.granted, proof.appeals.denied)}</div>}
      </dd>
    </>
  );
}

/** The draw as a story in three pictures, what the check does not prove, and the check step by step. */
export function Explanation({ place, isOnPage = false }: { place: PlaceView; isOnPage?: boolean }) {
  const { d } = useDrawTexts();
  const room = place.room!;
  const pictures = [<Sealing />, <Joining />, <Opening />];
  return (
    <div class="draw-explained">
      <ol class="draw-story">
        {d.story.map(({ title, text }, index) => (
          <li key={index}>
            {pictures[index]}
            <div>
              <h3>
                {index + 1}. {title}
              </h3>
              <p>{text}</p>
            </div>
          </li>
        ))}
      </ol>
      {room.beacon && <p>{d.beaconStory}</p>}
      {!place.draw?.isBroken && (
        <p>
          <strong>{d.why}</strong>
        </p>
      )}
      <h2>{d.limits}</h2>
      <p>{d.limitsIntro}</p>
      <ul class="draw-limits">
        {d.limitsList.map((limit, index) => (index === WHO_HAD_WHICH && room.closes_at ? d.listedLimit : index === NOBODY_LOOKED && room.beacon ? d.beaconLimit : limit)).map(({ title, text }) => (
          <li key={title}>
            <strong>{title}</strong> {text}
          </li>
        ))}
        {room.better_odds && (
          <li>
            <strong>{d.oddsLimit.title}</strong> {d.oddsLimit.text}
          </li>
        )}
        {room.room > 1 && (
          <li>
            <strong>{d.resetTitle}</strong> {d.reset(room.room - 1)}
          </li>
        )}
      </ul>
      <details class="draw">
        <summary>{d.details}</summary>
        <Steps place={place} room={room} isOnPage={isOnPage} />
      </details>
    </div>
  );
}

function Steps({ place: { draw, status, weight }, room, isOnPage }: { place: PlaceView; room: State; isOnPage: boolean }) {
  const { d } = useDrawTexts();
  const [beaconVerdict, setBeaconVerdict] = useState<BeaconVerdict | null>(null);
  const { key, n, commitment, beacon } = room;
  const { isKept = true, noted = null, notedRoot = null, notedRandomness = null, arrival = null, isLate = false, isListed = null } = draw ?? {};
  const isReplaced = notedRandomness !== null && notedRandomness !== randomnessOf(room);
  const isKeyKept = isKept || isReplaced || (notedRoot !== null && notedRoot !== room.root);
  const round = notedRandomness?.split("/")[1];
  const proof = `/api/v1/events/${encodeURIComponent(room.event_id)}/waiting-room/proof`;
  const list = room.root ? `${notedRoot ? ` --root ${notedRoot}` : ""} --entries ${location.origin}${proof.replace(/proof$/, "entries")}` : "";
  const command = `python verify.pyz ${location.origin}${proof} --commitment ${noted ?? `<${d.savedFingerprint}>`}${round ? ` --round ${round}` : ""}${list}`;
  return (
    <>
      <ol class="draw-steps">
        <li>
          <p>{noted ? d.noted : d.published}</p>
          <p class="code">{noted ?? commitment}</p>
          {noted !== null && noted !== commitment && (
            <>
              <p class="broken">{d.replaced}</p>
              <p class="code">{commitment}</p>
            </>
          )}
        </li>
        {room.closes_at && (
          <li>
            <p>{room.root ? d.listed : d.unlistedYet}</p>
            {room.root && <p class="code">{room.root}</p>}
            {notedRoot !== null && notedRoot !== room.root && (
              <>
                <p class="broken">{d.rootReplaced}</p>
                <p class="code">{notedRoot}</p>
              </>
            )}
            {isListed !== null && <p class={isListed ? "kept" : "broken"}>{isListed ? d.own : d.notOwn}</p>}
          </li>
        )}
        {isReplaced && (
          <li>
            <p class="broken">{d.roundReplaced}</p>
            <p class="code">{notedRandomness}</p>
          </li>
        )}
        {beacon && (
          <li>
            <p>{beacon.round === null ? d.roundUnknown : d.roundNamed(beacon.round)}</p>
            {beacon.randomness && (
              <>
                <p>{d.roundKnown}</p>
                <p class="code">{beacon.randomness}</p>
                <p>
                  <a href={`${MIRROR}/${beacon.chain}/public/${beacon.round}`}>{d.roundSource}</a>
                </p>
                {!isOnPage && <BeaconCheck room={room} verdict={beaconVerdict} onVerdict={setBeaconVerdict} />}
              </>
            )}
          </li>
        )}
        {key === null || n === null ? (
          <li>
            <p>{d.notYet}</p>
          </li>
        ) : (
          <>
            <li>
              <p>{d.revealed}</p>
              <p class="code">{key}</p>
              <p class={isKeyKept ? "kept" : "broken"}>{isKeyKept ? d.fits : d.broken}</p>
            </li>
            <li>
              <p>{arrival !== null ? (weight > 1 ? d.arrivals(arrival, arrival + weight - 1, n) : d.arrival(arrival, n)) : isLate ? d.late(n) : d.people(n)}</p>
              {arrival !== null && status?.position && <p class="kept">{d.place(status.position)}</p>}
            </li>
          </>
        )}
      </ol>
      <p>
        {d.formula} {beacon && d.seed}
      </p>
      {key !== null && n !== null && n > 0 && <Another room={room} n={n} first={arrival ?? 1} />}
      <p>
        <a href={proof}>{d.proof}</a>
      </p>
      <p>
        <a href="/verify.pyz" download>
          {d.verifier}
        </a>
      </p>
      <p>{beacon ? d.verifyBeacon : d.verify}</p>
      <p class="code">{command}</p>
    </>
  );
}

/** Checks the signature of the public random number when the visitor asks for it. */
function BeaconCheck({ room, verdict, onVerdict }: { room: State; verdict: BeaconVerdict | null; onVerdict: (verdict: BeaconVerdict) => void }) {
  const { d } = useDrawTexts();
  const { t } = useTexts();
  const [state, setState] = useState<"checking" | "failed" | null>(null);
  const check = () => {
    setState("checking");
    Promise.all([import("../beacon-proof"), getDrawProof(room.event_id)])
      .then(([{ checkBeacon }, proof]) => checkBeacon(proof, room))
      .then((found) => (found ? onVerdict(found) : setState("failed")), () => setState("failed"));
  };
  if (verdict !== null) return <p class={verdict === "right" ? "kept" : "broken"} role="status">{d.signature[verdict]}</p>;
  return (
    <>
      <button type="button" class="button button-quiet" onClick={check} disabled={state === "checking"}>
        {d.signature.check}
      </button>
      {state === "failed" && <p role="alert">{t.loadFailed}</p>}
    </>
  );
}

/** Calculates the place of any number, as if the first counter had counted everyone, so that anyone can verify that no two share a place. */
function Another({ room, n, first }: { room: State; n: number; first: number }) {
  const { d } = useDrawTexts();
  const [number, setNumber] = useState(first);
  const [found, setFound] = useState<{ number: number; position: number } | null>(null);
  useEffect(() => {
    let isCurrent = true;
    if (number < 1 || number > n || !Number.isInteger(number)) setFound(null);
    else void positionOf(room, { counter: 0, number }).then((position) => isCurrent && position && setFound({ number, position }));
    return () => void (isCurrent = false);
  }, [number, n, room.key]);
  return (
    <label class="field draw-another">
      <span>{d.another(n)}</span>
      <input type="number" min={1} max={n} value={number} onInput={({ currentTarget }) => setNumber(currentTarget.valueAsNumber)} />
      <output>{found ? d.anothersPlace(found.number, found.position) : "–"}</output>
    </label>
  );
}
