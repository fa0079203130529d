/** People that this device admitted offline although the shop would have refused them. Staff decide what to do. */

import { dayAndTime, timeOfDay } from "../formats";
import type { ScanRecord } from "./device-store";
import type { Door } from "./door";
import { useDoorTexts } from "./texts";

export function Conflicts({ door, scans, timezone }: { door: Door; scans: ScanRecord[]; timezone: string }) {
  const { d, locale } = useDoorTexts();
  const conflicts = scans.filter(({ isConflict }) => isConflict);
  if (conflicts.length === 0) return null;
  return (
    <section class="panel conflicts" aria-labelledby="conflicts">
      <h2 id="conflicts">{d.conflicts.title}</h2>
      <p>{d.conflicts.text}</p>
      <ul class="door-rows">
        {conflicts.map((scan) => (
          <li key={scan.id}>
            <div>
              <p class="door-who">{[(d.outcomes[scan.outcome] ?? d.unexpected)[0], scan.who].filter(Boolean).join(" · ")}</p>
              <p class="small">
                {d.conflicts.at(timeOfDay(scan.at, timezone, locale))}
                {scan.first && ` · ${d.verdict.first(dayAndTime(scan.first.at, timezone, locale), scan.first.gate)}`}
              </p>
            </div>
            <button type="button" class="button button-quiet" aria-label={d.conflicts.notedLabel(scan.who)} onClick={() => void door.acknowledge(scan.id)}>
              {d.conflicts.noted}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
