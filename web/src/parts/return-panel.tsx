/** Lets buyers return tickets while their order or the event allows it. Takes two steps, because the tickets become invalid at once. */

import { useState } from "preact/hooks";
import { buyer, type OrderWithTickets, type ReturnReason, type TicketReturn } from "../api";
import { content, publicApi } from "../client";
import { eventTime, money } from "../formats";
import { useTexts, type Language } from "../texts";
import { returnTexts as en } from "../texts/en-returns";
import { returnTexts as es } from "../texts/es-returns";
import { Failure } from "./failure";
import { useAction } from "./hooks";

// These calls are here, because few visitors need them.

/** Return all tickets of an order that can be returned. */
export const returnTickets = (order_id: string, reason?: ReturnReason) => content(buyer.POST("/orders/{order_id}/return", { params: { path: { order_id } }, body: { reason } }));
export const returnFoundTickets = (token: string, order_id: string, reason?: ReturnReason) =>
  content(publicApi.POST("/lost-tickets/return", { body: { token, order_id, reason } }));
/** Withdraw a request to return tickets, on which the managers have not decided. */
export const withdrawReturn = (order_id: string, number: number) =>
  content(buyer.DELETE("/orders/{order_id}/return-requests/{request_number}", { params: { path: { order_id, request_number: String(number) } } }));
export const withdrawFoundReturn = (token: string, order_id: string, request_number: number) =>
  content(publicApi.POST("/lost-tickets/withdraw-return", { body: { token, order_id, request_number } }));

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
      {failure && <Failure failure={failure} />}
      <button type="button" class="link" disabled={isWorking} onClick={() => run(async () => void (await onWithdraw()))}>
        {useReturnTexts().withdraw}
      </button>
    </>
  );
}
