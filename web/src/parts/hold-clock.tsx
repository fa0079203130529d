/** How long the tickets are still held: shown every second, and announced more often as the end comes closer. `pages/checkout.tsx` counts the seconds. */

import { clock } from "../formats";
import { useTexts } from "../texts";

const WARN_SECONDS = 60;
const HOUR = 3600;
const TEN_MINUTES = 600;

/** The clock of a checkout. It warns in the last minute. */
export function HoldClock({ seconds, count }: { seconds: number; count: number }) {
  const { t } = useTexts();
  const isSoon = seconds < WARN_SECONDS;
  return (
    <div class={`hold ${isSoon ? "hold-soon" : ""}`}>
      <p class="hold-left">
        <span>{t.checkout.hold(count)}</span> <strong role="timer">{clock(seconds)}</strong>
      </p>
      {isSoon && <p class="small">{t.checkout.holdSoon}</p>}
      <SpokenHold seconds={seconds} />
    </div>
  );
}

/** The announcement for screen readers, invisible on the page. */
export function SpokenHold({ seconds }: { seconds: number }) {
  const { t } = useTexts();
  return (
    <p class="hidden" aria-live={seconds < WARN_SECONDS ? "assertive" : "polite"}>
      {t.checkout.holdAnnounce(announcedSeconds(seconds))}
    </p>
  );
}

/** Round to whole hours; in the last hour to ten minutes, in the last ten minutes to one, then to 30 and 10 seconds. */
function announcedSeconds(seconds: number): number {
  const step = seconds > HOUR ? HOUR : seconds > TEN_MINUTES ? TEN_MINUTES : 60;
  if (seconds > 30) return step * Math.ceil(seconds / step);
  return seconds > 10 ? 30 : 10;
}
