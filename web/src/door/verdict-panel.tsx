/** The outcome of the last scan, readable from a distance. */

import { useEffect, useRef } from "preact/hooks";
import { dayAndTime } from "../formats";
import type { Door, Verdict } from "./door";
import { SIGNS, outcomeTone } from "./feedback";
import { useDoorTexts } from "./texts";

interface Props {
  door: Door;
  verdict: Verdict | null;
  timezone: string;
  opensAt: string;
}

export function VerdictPanel({ door, verdict, timezone, opensAt }: Props) {
  return (
    <div class="verdict-place" role="alert">
      {verdict && <Panel door={door} verdict={verdict} timezone={timezone} opensAt={opensAt} />}
    </div>
  );
}

function Panel({ door, verdict, timezone, opensAt }: Props & { verdict: Verdict }) {
  const { d, locale } = useDoorTexts();
  const { scan, ticket, remaining, isOffline } = verdict;
  const panel = useRef<HTMLElement>(null);
  useEffect(() => panel.current?.scrollIntoView({ block: "nearest" }), [scan.id]);
  const tone = outcomeTone(scan.outcome);
  const [title, text] = d.outcomes[scan.outcome] ?? d.unexpected;
  const isIn = scan.outcome === "admitted";
  return (
    <section class={`verdict verdict-${tone}`} ref={panel}>
      <p class="verdict-title">
        <span aria-hidden="true">{SIGNS[tone]}</span> {title}
      </p>
      {ticket && <p class="verdict-who">{[ticket.name, ticket.tier_name, ticket.number].filter(Boolean).join(" · ")}</p>}
      {ticket && ticket.admits > 1 && <p class="verdict-who">{d.verdict.in(ticket.admitted, ticket.admits)}</p>}
      {!isIn && <p>{text}</p>}
      {scan.first && <p>{d.verdict.first(dayAndTime(scan.first.at, timezone, locale), scan.first.gate)}</p>}
      {scan.first?.device && <p>{scan.first.device === door.view.setup.device ? d.verdict.thisDevice : d.verdict.device(scan.first.device)}</p>}
      {tone === "early" && <p>{d.verdict.opens(dayAndTime(opensAt, timezone, locale))}</p>}
      {isOffline && <p>{isIn ? `${d.verdict.offline} ${d.verdict.sentLater}` : d.verdict.offline}</p>}
      <div class="row">
        {isIn && ticket && remaining > 0 && (
          <>
            <button type="button" class="button" onClick={() => void door.admit(ticket.id, 1)}>
              {d.verdict.one}
            </button>
            {remaining > 1 && (
              <button type="button" class="button" onClick={() => void door.admit(ticket.id, "all")}>
                {d.verdict.all(remaining)}
              </button>
            )}
          </>
        )}
        {isIn && (
          <button type="button" class="button" onClick={() => void door.undo(scan.id)}>
            {d.verdict.undo}
          </button>
        )}
        <button type="button" class="button" onClick={() => door.dismiss()}>
          {d.verdict.next}
        </button>
      </div>
    </section>
  );
}
