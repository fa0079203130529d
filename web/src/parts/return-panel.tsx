/** Lets buyers return tickets, or offer them for resale, while their order or the event allows it. */

import { useState } from "preact/hooks";
import type { ApiFailure, OrderWithTickets, Resale, ReturnReason, TicketReturn } from "../api";
import { eventTime, money } from "../formats";
import { useTexts } from "../texts";
import type { returnTexts as en } from "../texts/en-returns";
import { inEachLanguage } from "../texts/languages";
import { Failure, FailureTexts } from "./failure";
import { useAction } from "./hooks";

/** All languages are in this file, because they are smaller than a second request. */
const TEXTS = inEachLanguage(import.meta.glob<typeof en>("../texts/??-returns.ts", { eager: true, import: "returnTexts" }));
export const useReturnTexts = () => TEXTS[useTexts().language];

function Refusal({ failure }: { failure: ApiFailure }) {
  return (
    <FailureTexts.Provider value={useReturnTexts().failures}>
      <Failure failure={failure} />
    </FailureTexts.Provider>
  );
}

/** Takes two steps, because the tickets become invalid at once. */
export function ReturnPanel({ offer, onReturn }: { offer: TicketReturn; onReturn: (reason?: ReturnReason) => Promise<unknown> }) {
  const { t, locale } = useTexts();
  const own = useReturnTexts();
  const { isWorking, failure, run } = useAction();
  const [reason, setReason] = useState<ReturnReason>("cannot_come");
  const asks = offer.needs_approval;
  const amount = money(offer.amount_cents, offer.currency, locale);
  const count = offer.tickets.length;
  return (
    <section class="panel no-print">
      <h2>{own.title}</h2>
      <p>
        {own.until(eventTime(offer.until, offer.timezone, locale, t.event.bothTimes))} {offer.fee_cents > 0 && own.fee(money(offer.fee_cents, offer.currency, locale))}
      </p>
      <details class="more">
        <summary>{asks ? own.ask : own.action(amount)}</summary>
        <div class="fields">
          <p>{asks ? own.askMeaning : own.meaning(count, amount)}</p>
          {asks && (
            <label class="field">
              <span>{own.reason}</span>
              <select value={reason} onChange={({ currentTarget }) => setReason(currentTarget.value as ReturnReason)}>
                {Object.entries(own.reasons).map(([value, text]) => (
                  <option key={value} value={value}>
                    {text}
                  </option>
                ))}
              </select>
            </label>
          )}
          {failure && <Refusal failure={failure} />}
          <button type="button" class="button" disabled={isWorking} onClick={() => run(async () => void (await onReturn(asks ? reason : undefined)))}>
            {isWorking ? t.checkout.working : (asks ? own.askNow : own.now)(count)}
          </button>
        </div>
      </details>
    </section>
  );
}

/** Each ticket that is or may be offered for resale, with the button that offers or withdraws it. */
export function ResalePanel({ resale, onChange }: { resale: Resale; onChange: (tickets: string[], listed: boolean) => Promise<unknown> }) {
  const { t, locale } = useTexts();
  const own = useReturnTexts();
  const { isWorking, failure, run } = useAction();
  const amount = (cents: number) => money(cents, resale.currency, locale);
  const open = resale.tickets.filter(({ listed }) => !listed);
  const change = (tickets: string[], listed: boolean) => run(async () => void (await onChange(tickets, listed)));
  return (
    <section class="panel no-print">
      <h2>{own.resale}</h2>
      <p>
        {own.resaleMeaning} {open.length > 0 && own.resaleUntil(eventTime(resale.until, resale.timezone, locale, t.event.bothTimes))}
      </p>
      <ul class="fields">
        {resale.tickets.map(({ ticket_id, price_cents, fee_cents, listed }) => (
          <li key={ticket_id} class="row">
            <span>
              {own.ticket(ticket_id.split("-").pop()!)}: {own.youGet(amount(price_cents - fee_cents))} {fee_cents > 0 && own.fee(amount(fee_cents))}
            </span>
            {listed && <span class="chip">{own.listed}</span>}
            <button type="button" class="button button-quiet" disabled={isWorking} onClick={() => change([ticket_id], !listed)}>
              {listed ? own.unlist : own.offer}
            </button>
          </li>
        ))}
      </ul>
      {failure && <Refusal failure={failure} />}
      {open.length > 1 && (
        <button type="button" class="button" disabled={isWorking} onClick={() => change(open.map(({ ticket_id }) => ticket_id), true)}>
          {own.offerAll(open.length)}
        </button>
      )}
    </section>
  );
}

type Request = OrderWithTickets["return_requests"][number];

interface RequestsProps<R> {
  requests: R[];
  onWithdraw: (request: R) => Promise<unknown>;
}

/** The requests to return tickets that managers have not decided on, which the buyer may withdraw, or have declined. */
export function ReturnRequests<R extends Request>({ requests, onWithdraw }: RequestsProps<R>) {
  const own = useReturnTexts();
  return (
    <>
      {requests.map((request) => {
        const { status, tickets, answer } = request;
        if (status !== "open" && status !== "declined") return null;
        return (
          <div key={`${tickets.join()} ${status}`} class="notice no-print">
            <p>
              {own.requests[status](tickets.length)} {answer}
            </p>
            {status === "open" && <Withdraw onWithdraw={() => onWithdraw(request)} />}
          </div>
        );
      })}
    </>
  );
}

function Withdraw({ onWithdraw }: { onWithdraw: () => Promise<unknown> }) {
  const { isWorking, failure, run } = useAction();
  return (
    <>
      {failure && <Refusal failure={failure} />}
      <button type="button" class="link" disabled={isWorking} onClick={() => run(async () => void (await onWithdraw()))}>
        {useReturnTexts().withdraw}
      </button>
    </>
  );
}
