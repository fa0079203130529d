/** Lets buyers return tickets while their order or the event allows it. Takes two steps, because the tickets become invalid at once. */

import { useState } from "preact/hooks";
import type { OrderWithTickets, ReturnReason, TicketReturn } from "../api";
import { eventTime, money } from "../formats";
import { useTexts, type Language } from "../texts";
import { returnTexts as en } from "../texts/en-returns";
import { returnTexts as es } from "../texts/es-returns";
import { Failure } from "./failure";
import { useAction } from "./hooks";

/** Both languages are in this file, because one is smaller than a second request. */
const TEXTS: Record<Language, typeof en> = { en, es };
export const useReturnTexts = () => TEXTS[useTexts().language];

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
          {failure && <Failure failure={failure} />}
          <button type="button" class="button" disabled={isWorking} onClick={() => run(async () => void (await onReturn(asks ? reason : undefined)))}>
            {isWorking ? t.checkout.working : (asks ? own.askNow : own.now)(count)}
          </button>
        </div>
      </details>
    </section>
  );
}

/** The requests to return tickets that managers have not accepted. */
export function ReturnRequests({ requests }: { requests: OrderWithTickets["return_requests"] }) {
  const own = useReturnTexts();
  return (
    <>
      {requests
        .filter(({ status }) => status !== "accepted")
        .map(({ number, status, tickets, answer }) => (
          <p key={number} class="notice no-print">
            {own.requests[status](tickets.length)} {answer}
          </p>
        ))}
    </>
  );
}
