/** How long until a moment that may be days away. The days have a line of their own, so that nothing moves when the font arrives. */

import { clock } from "../formats";
import { useTexts } from "../texts";

const HOUR = 3600;
const DAY = 24 * HOUR;

/** 75 -> "1:15", 90_061 -> "1 day 1:01:01", and "0:01:15" behind days. */
export function Countdown({ seconds }: { seconds: number }) {
  const { locale } = useTexts();
  const whole = Math.max(0, Math.ceil(seconds));
  const [days, rest] = [Math.floor(whole / DAY), whole % DAY];
  if (days === 0) return <Figure text={clock(whole)} />;
  const unit = new Intl.NumberFormat(locale, { style: "unit", unit: "day", unitDisplay: "long" }).format(days);
  return <Figure days={unit} text={rest < HOUR ? `0:${clock(rest).padStart(5, "0")}` : clock(rest)} />;
}

function Figure({ days, text }: { days?: string; text: string }) {
  return (
    <p class="figure" role="timer">
      {days && <span class="figure-days">{days} </span>}
      {text}
    </p>
  );
}
