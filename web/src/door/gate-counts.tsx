/** How many people are in, in total and by gate, according to this device. */

import { now } from "../server-time";
import { countPeople } from "./admission";
import type { DoorView } from "./door";
import { useDoorTexts } from "./texts";

export function GateCounts({ view }: { view: DoorView }) {
  const { d, locale } = useDoorTexts();
  const { expected, admitted, gates } = countPeople(view.setup.event, view.tickets.values(), view.uncounted, now());
  return (
    <section class="panel" aria-labelledby="counts">
      <h2 id="counts">{d.counts.title}</h2>
      <p class="door-figure">{d.counts.of(admitted, expected)}</p>
      <progress aria-labelledby="counts" max={Math.max(expected, 1)} value={admitted} />
      <dl class="gates">
        {gates.map(([gate, count]) => (
          <div key={gate ?? ""}>
            <dt>{gate ?? d.counts.noGate}</dt>
            <dd class="numbers">{count.toLocaleString(locale)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
