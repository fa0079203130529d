/** What this browser can say about a draw. Loaded after the first page, and the explanation below it when somebody opens it. */

import { ErrorBoundary, lazy } from "preact-iso";
import { useState } from "preact/hooks";
import type { PlaceView } from "../place";
import { useTexts } from "../texts";
import type { verdictTexts as en } from "../texts/en-verdict";
import { inEachLanguage } from "../texts/languages";
import { LoadFailed } from "./load-failed";
import type { State } from "../../waiting-room.js";

/**
 * `fair`: this browser saved the fingerprint in time, and the buyer's place follows from the key. `noted`: the same for visitors without a
 * place. `unlisted`: the list that was published before the key does not have the buyer's number. `off`: the event ended or was cancelled before the sale opened. `unseen`: the key matches the fingerprint, but this browser saw the fingerprint only after the draw.
 */
export type Verdict = "broken" | "unlisted" | "before" | "off" | "empty" | "late" | "fair" | "noted" | "unseen";

const TONES: Partial<Record<Verdict, string>> = { broken: "bad", unlisted: "bad", fair: "good", noted: "good" };
const Explanation = lazy(() => import("../pages/draw").then((pages) => pages.Explanation, () => LoadFailed));

/** All languages are in this file, because they are smaller than a second request. */
const TEXTS = inEachLanguage(import.meta.glob<typeof en>("../texts/??-verdict.ts", { eager: true, import: "verdictTexts" }));

/** Whether nobody can be drawn any more. */
export const isOff = ({ key, stopped }: State) => key === null && (stopped === "closed" || stopped === "cancelled");

/** Null until the check has been made. */
function verdictOf(place: PlaceView): Verdict | null {
  const { room, draw, status } = place;
  if (!room || !draw) return null;
  if (draw.isBroken) return draw.isKept ? "unlisted" : "broken";
  if (room.key === null) return isOff(room) ? "off" : "before";
  if (room.n === 0) return "empty";
  if (draw.isLate) return "late";
  if (draw.noted === null) return "unseen";
  return draw.arrival !== null && status?.position ? "fair" : "noted";
}

export function DrawVerdict({ place }: { place: PlaceView }) {
  const { verdicts, listed } = TEXTS[useTexts().language];
  const verdict = verdictOf(place);
  if (verdict === null) return null;
  const { title, text } = verdicts[verdict];
  return (
    <section class={`outcome outcome-${TONES[verdict] ?? "calm"}`} role={TONES[verdict] === "bad" ? "alert" : undefined}>
      <h2>{title}</h2>
      <p>{text}</p>
      {verdict === "fair" && place.draw?.isListed && place.draw.notedRoot && <p>{listed}</p>}
    </section>
  );
}

/**
 * The verdict in the waiting room, which shows a warning at its top instead, with the explanation folded. The public page opens in another
 * tab, so that nobody misses their turn.
 */
export function DrawCheck({ place, eventId }: { place: PlaceView; eventId: string }) {
  const { t, language } = useTexts();
  const [wasOpened, setOpened] = useState(false);
  return (
    <>
      {!place.draw?.isBroken && <DrawVerdict place={place} />}
      <details class="draw" onToggle={() => setOpened(true)}>
        <summary>{t.draw.check}</summary>
        <ErrorBoundary>{wasOpened && <Explanation place={place} />}</ErrorBoundary>
      </details>
      <p>
        <a href={`/events/${eventId}/draw`} target="_blank">
          {TEXTS[language].page}
        </a>
      </p>
    </>
  );
}
