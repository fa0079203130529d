/** The most recent scans of this device, newest first. */

import { timeOfDay } from "../formats";
import type { Door, DoorView } from "./door";
import type { ScanRecord } from "./device-store";
import { SIGNS, scanTone } from "./feedback";
import { isRecorded } from "./scan-log";
import { useDoorTexts } from "./texts";

const SHOWN = 10;

export function ScanList({ door, view }: { door: Door; view: DoorView }) {
  const { d, locale } = useDoorTexts();
  const shown = view.scans.slice(-SHOWN).reverse();
  const notes: Record<ScanRecord["state"], string> = { done: "", waiting: d.scans.waiting, undo_waiting: d.scans.undoWaiting, undone: d.scans.undone };
  return (
    <section class="panel" aria-labelledby="scans">
      <h2 id="scans">{d.scans.title}</h2>
      {shown.length === 0 && <p class="small">{d.scans.none}</p>}
      <ul class="door-rows">
        {shown.map((scan) => {
          const tone = scanTone(scan);
          const isIn = isRecorded(scan);
          const [title] = d.outcomes[scan.outcome] ?? d.unexpected;
          const count = isIn && scan.count > 1 ? d.scans.people(scan.count) : "";
          return (
            <li key={scan.id}>
              <div>
                <p class="door-who">
                  <span class={`sign sign-${tone}`} aria-hidden="true">
                    {SIGNS[tone]}
                  </span>
                  {[title, scan.who].filter(Boolean).join("\u00a0· ")}
                </p>
                <p class="small">{[timeOfDay(scan.at, view.setup.event.timezone, locale), scan.gate, count, scan.overrideReason, isIn ? notes[scan.state] : ""].filter(Boolean).join(" · ")}</p>
              </div>
              {isIn && (scan.state === "done" || scan.state === "waiting") && (
                <button type="button" class="button button-quiet" aria-label={d.scans.undo(scan.who)} onClick={() => void door.undo(scan.id)}>
                  {d.verdict.undo}
                </button>
              )}
            </li>
          );
        })}
      </ul>
    </section>
  );
}
