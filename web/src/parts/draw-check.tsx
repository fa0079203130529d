/** "Check the draw": what was published, what this browser calculated from it, and how, step by step. */

import { useEffect, useState } from "preact/hooks";
import { useTexts } from "../texts";
import type { PlaceView } from "../place";
import { positionOf, type State } from "../../waiting-room.js";

export function DrawCheck({ place }: { place: PlaceView }) {
  const { t } = useTexts();
  const room = place.room!;
  return (
    <details class="draw">
      <summary>{t.draw.check}</summary>
      {room.key === null || room.n === null ? (
        <>
          <p>{t.draw.before}</p>
          <dl>
            <dt>{t.draw.fingerprint}</dt>
            <dd class="code">{room.commitment}</dd>
          </dl>
        </>
      ) : (
        <Steps place={place} room={room} n={room.n} drawKey={room.key} />
      )}
    </details>
  );
}

function Steps({ place, room, n, drawKey }: { place: PlaceView; room: State; n: number; drawKey: string }) {
  const { t } = useTexts();
  const { draw, status } = place;
  const isDrawn = draw !== null && draw.arrival !== null;
  return (
    <>
      <p>{t.draw.intro}</p>
      <ol class="draw-steps">
        <li>
          <p>{draw?.wasNoted ? t.draw.noted : t.draw.published}</p>
          <p class="code">{room.commitment}</p>
        </li>
        <li>
          <p>{t.draw.revealed}</p>
          <p class="code">{drawKey}</p>
          {draw && <p class={draw.isKept ? "kept" : "broken"}>{draw.isKept ? t.draw.fits : t.draw.broken}</p>}
        </li>
        <li>
          <p>{isDrawn ? t.draw.arrival(draw.arrival!, n) : draw ? t.draw.late(n) : t.draw.people(n)}</p>
          {isDrawn && status?.position && <p class="kept">{t.draw.place(status.position)}</p>}
        </li>
      </ol>
      <p>{t.draw.how}</p>
      <Another room={room} n={n} first={draw?.arrival ?? 1} />
      <p>
        <a href={`/api/v1/events/${encodeURIComponent(room.event_id)}/waiting-room/proof`}>{t.draw.proof}</a>
      </p>
    </>
  );
}

/** Calculates the place of any number, so that anyone can verify that no two numbers share a place. */
function Another({ room, n, first }: { room: State; n: number; first: number }) {
  const { t } = useTexts();
  const [arrival, setArrival] = useState(first);
  const [found, setFound] = useState<{ arrival: number; position: number } | null>(null);
  useEffect(() => {
    let isCurrent = true;
    if (arrival < 1 || arrival > n || !Number.isInteger(arrival)) setFound(null);
    else void positionOf(room, arrivalWithNumber(arrival)).then((position) => isCurrent && position && setFound({ arrival, position }));
    return () => void (isCurrent = false);
  }, [arrival, n, room.key]);
  if (n === 0) return null;
  return (
    <label class="field draw-another">
      <span>{t.draw.another(n)}</span>
      <input type="number" min={1} max={n} value={arrival} onInput={({ currentTarget }) => setArrival(currentTarget.valueAsNumber)} />
      <output>{found ? t.draw.anothersPlace(found.arrival, found.position) : "–"}</output>
    </label>
  );
}

/** The arrival with this number in the draw, as if the first counter had counted everyone. */
function arrivalWithNumber(number: number) {
  return { eventId: "", room: 0, counter: 0, number, joinedAt: 0, until: 0 };
}
