/** The outcome of the last scan, readable from a distance. */

import { useEffect, useRef, useState } from "preact/hooks";
import { dayAndTime } from "../formats";
import { withNext } from "../next-page";
import type { Door, Verdict } from "./door";
import { SIGNS, scanTone } from "./feedback";
import { isRecorded } from "./scan-log";
import { useDoorTexts } from "./texts";

const OVERRIDABLE = ["already_admitted", "wrong_day", "doors_not_open"];

interface Props {
  door: Door;
  verdict: Verdict | null;
  timezone: string;
}

export function VerdictPanel({ door, verdict, timezone }: Props) {
  return (
    <div class="verdict-place" role="alert">
      {verdict && <Panel door={door} verdict={verdict} timezone={timezone} />}
    </div>
  );
}

function Panel({ door, verdict, timezone }: Props & { verdict: Verdict }) {
  const { d, locale } = useDoorTexts();
  const { scan, ticket, remaining, withoutShop, isPractice, direction } = verdict;
  const panel = useRef<HTMLElement>(null);
  useEffect(() => panel.current?.scrollIntoView({ block: "nearest" }), [scan.id, scan.state]);
  const tone = scanTone(scan);
  const [title, text] = d.outcomes[scan.outcome] ?? d.unexpected;
  const isIn = isRecorded(scan);
  if (tone === "undone") {
    return (
      <section class="verdict verdict-undone" ref={panel}>
        <p class="verdict-title">
          <span aria-hidden="true">{SIGNS[tone]}</span> {d.verdict.undone(scan.who)}
        </p>
        <p>{direction === "out" ? d.verdict.undoneExit : d.verdict.undoneEntry}</p>
        <div class="row">
          <button type="button" class="button" onClick={() => door.dismiss()}>
            {d.verdict.next}
          </button>
        </div>
      </section>
    );
  }
  return (
    <section class={`verdict verdict-${tone}`} ref={panel} tabIndex={-1}>
      {direction === "out" && <p class="verdict-practice">{d.exits.title}</p>}
      {isPractice && <p class="verdict-practice">{d.practice.verdict}</p>}
      <p class="verdict-title">
        <span aria-hidden="true">{SIGNS[tone]}</span> {title}
      </p>
      {ticket && <p class="verdict-who">{[ticket.name, ticket.tier_name, ticket.number].filter(Boolean).join(" · ")}</p>}
      {ticket && ticket.admits > 1 && <p class="verdict-who">{d.verdict.in(ticket.admitted, ticket.admits)}</p>}
      {scan.outcome !== "admitted" && <p>{text}</p>}
      {scan.first && <p>{d.verdict.first(dayAndTime(scan.first.at, timezone, locale), scan.first.gate)}</p>}
      {scan.first?.device && <p>{scan.first.device === door.view.setup.device ? d.verdict.thisDevice : d.verdict.device(scan.first.device)}</p>}
      {tone === "early" && <p>{d.verdict.opens(dayAndTime(verdict.opensAt, timezone, locale))}</p>}
      {withoutShop && <p>{[d.verdict.decided[withoutShop], scan.isFixedPart && d.verdict.fixedPart, isIn && d.verdict.sentLater[withoutShop], scan.outcome === "not_listed" && d.verdict.askShop[withoutShop]].filter(Boolean).join(" ")}</p>}
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
        {isIn && !isPractice && (
          <button type="button" class="button" onClick={() => void door.undo(scan.id)}>
            {d.verdict.undo}
          </button>
        )}
        {withoutShop === "signed_out" && (
          <a class="button" href={withNext("/sign-in", "/door")}>
            {d.state.signInAgain}
          </a>
        )}
        <button type="button" class="button" onClick={() => door.dismiss()}>
          {d.verdict.next}
        </button>
      </div>
      {!isPractice && scan.ticketId !== null && OVERRIDABLE.includes(scan.outcome) && (
        <Override key={scan.id} admit={(reason) => (panel.current?.focus(), void door.override(scan, reason))} />
      )}
    </section>
  );
}

/** Let somebody in against the refusal, with a reason. */
function Override({ admit }: { admit: (reason: string) => void }) {
  const { d } = useDoorTexts();
  const [isOpen, setOpen] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), [isOpen]);
  const submit = (submitted: SubmitEvent) => {
    submitted.preventDefault();
    admit(field.current!.value.trim());
  };
  if (!isOpen) {
    return (
      <button type="button" class="button" onClick={() => setOpen(true)}>
        {d.override.open}
      </button>
    );
  }
  return (
    <form class="field" onSubmit={submit}>
      <label for="override-reason">{d.override.reason}</label>
      <div class="field-row">
        <input id="override-reason" ref={field} type="text" required maxLength={200} pattern=".*\S.*" autocomplete="off" />
        <button type="submit" class="button">
          {d.override.admit}
        </button>
      </div>
      <p>{d.override.note}</p>
    </form>
  );
}
