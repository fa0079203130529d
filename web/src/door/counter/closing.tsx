/** The closing of the day: what each person took and paid back, the cash that they counted, and the difference. */

import { useState } from "preact/hooks";
import { day, money } from "../../formats";
import { toCents } from "../../manage/amounts";
import { Failure, Skeleton } from "../../parts/failure";
import { useAction, useLoaded } from "../../parts/hooks";
import { useTexts } from "../../texts";
import { useDoorTexts } from "../texts";
import type { Counter, Till } from "./counter";

export function Closing({ counter, userId }: { counter: Counter; userId: string }) {
  const { d } = useDoorTexts();
  const [isOpen, setOpen] = useState(false);
  return (
    <details class="panel counter-closing" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>{d.counter.closing}</summary>
      {isOpen && <Tills counter={counter} userId={userId} />}
    </details>
  );
}

function Tills({ counter, userId }: { counter: Counter; userId: string }) {
  const { d, locale } = useDoorTexts();
  const { value, failure, reload } = useLoaded(() => counter.closing(), counter.eventId);
  if (!value) return failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={3} />;
  const waiting = counter.view.sales.filter(({ state }) => state === "waiting").length;
  return (
    <>
      <p>{d.counter.day(day(value.date, "UTC", locale))}</p>
      {waiting > 0 && <p class="notice">{d.counter.notDelivered(waiting)}</p>}
      {value.tills.length === 0 && <p>{d.counter.noSales}</p>}
      {value.tills.map((till) => (
        <TillPanel key={`${till.user_id} ${till.currency}`} till={till}>
          {till.user_id === userId && <Count counter={counter} date={value.date} till={till} onCounted={reload} />}
        </TillPanel>
      ))}
      <button type="button" class="button button-quiet" onClick={() => print()}>
        {d.counter.printClosing}
      </button>
    </>
  );
}

function TillPanel({ till, children }: { till: Till; children: preact.ComponentChildren }) {
  const { d, locale } = useDoorTexts();
  const amount = (cents: number) => money(cents, till.currency, locale);
  return (
    <section class="counter-till">
      <h2>{till.name ?? d.counter.nameless}</h2>
      <div class="counter-methods">
        {(["cash", "card"] as const).map((method) => (
          <dl key={method}>
            <dt>{d.counter.methods[method]}</dt>
            <dd>{d.counter.salesTaken(till[method].sales, amount(till[method].sold_cents))}</dd>
            <dd>{d.counter.refunds(till[method].refunds, amount(till[method].refunded_cents))}</dd>
            <dd>
              <strong>{d.counter.expected(amount(till[method].expected_cents))}</strong>
            </dd>
          </dl>
        ))}
      </div>
      {till.counted_cents !== null && till.difference_cents !== null && (
        <p>
          <strong>{d.counter.difference(amount(till.counted_cents), amount(till.difference_cents), till.difference_cents)}</strong>
        </p>
      )}
      {children}
    </section>
  );
}

function Count({ counter, date, till, onCounted }: { counter: Counter; date: string; till: Till; onCounted: () => Promise<void> }) {
  const { d } = useDoorTexts();
  const { t } = useTexts();
  const [text, setText] = useState("");
  const { isWorking, failure, run } = useAction();
  const cents = toCents(text, till.currency);
  const submit = (submitted: SubmitEvent) => {
    submitted.preventDefault();
    if (cents === null) return;
    run(async () => {
      await counter.count(date, till.currency, cents);
      setText("");
      await onCounted();
    });
  };
  return (
    <form class="form counter-count" onSubmit={submit}>
      <div class="field">
        <label for={`counted-${till.currency}`}>{d.counter.counted(till.currency)}</label>
        <input
          id={`counted-${till.currency}`}
          type="text"
          inputMode="decimal"
          required
          autocomplete="off"
          aria-describedby={`counted-note-${till.currency}`}
          value={text}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
        <p class="small" id={`counted-note-${till.currency}`}>
          {text && cents === null ? d.counter.notAmount : d.counter.countedNote}
        </p>
      </div>
      {failure && <Failure failure={failure} />}
      <button type="submit" class="button" disabled={isWorking}>
        {isWorking ? t.checkout.working : d.counter.saveCount}
      </button>
    </form>
  );
}
