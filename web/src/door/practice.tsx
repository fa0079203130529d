/** Before the doors open: practise scanning without checking anybody in. */

import { useEffect } from "preact/hooks";
import { dayAndTime } from "../formats";
import { useNow } from "../parts/hooks";
import { seconds, timesAt } from "./admission";
import type { Door, DoorView } from "./door";
import { useDoorTexts } from "./texts";

export function Practice({ door, view }: { door: Door; view: DoorView }) {
  const { d, locale } = useDoorTexts();
  const now = useNow();
  const { timezone } = view.setup.event;
  const { doors_open_at: opensAt } = timesAt(view.setup.event, null, now);
  const isEarly = now < seconds(opensAt);
  useEffect(() => {
    if (!isEarly && door.view.isPractice) void door.practise(false);
  }, [isEarly]);
  if (!isEarly) return null;
  const { isPractice } = view;
  return (
    <section class={`panel ${isPractice ? "practice" : ""}`} aria-labelledby="practice">
      <h2 id="practice">{isPractice ? d.practice.title : d.practice.early}</h2>
      <p role="status">{isPractice ? d.practice.note(dayAndTime(opensAt, timezone, locale)) : d.verdict.opens(dayAndTime(opensAt, timezone, locale))}</p>
      <button type="button" class="button button-quiet" onClick={() => void door.practise(!isPractice)}>
        {isPractice ? d.practice.end : d.practice.begin}
      </button>
    </section>
  );
}
