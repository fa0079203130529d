/** The refunded tickets and the state of each refund, and the return of tickets while an event takes them back. */

import type { OrderWithTickets, Refund, TicketReturn } from "../api";
import { day, dayAndTime, money } from "../formats";
import { useTexts } from "../texts";
import { Failure } from "./failure";
import { useAction } from "./hooks";

export function Refunds({ orders }: { orders: OrderWithTickets[] }) {
  const { t, locale } = useTexts();
  return (
    <section aria-labelledby="refunds-title" class="refunds">
      <h2 id="refunds-title">{t.refunds.title}</h2>
      <ul>
        {orders.flatMap(({ order, tickets }) =>
          order.refunds.map((refund) => (
            <li key={refund.id} class="panel refund">
              <p class="order-end">
                <a href={`/orders/${order.id}`}>{order.event_name ?? order.event_id}</a>
                <strong class="numbers">{money(refund.amount_cents, refund.currency, locale)}</strong>
              </p>
              <ul>
                {refund.tickets.map((id) => {
                  const tier = order.items.find((item) => item.tier_id === tickets.find((ticket) => ticket.id === id)?.tier_id);
                  return (
                    <li key={id}>
                      {t.refunds.ticket(Number(id.split("-").at(-1)), tier?.tier_name ?? "")} <span class="chip">{t.refunds.notValid}</span>
                    </li>
                  );
                })}
              </ul>
              <p class="small">
                <time dateTime={refund.created_at}>{day(refund.created_at, undefined, locale)}</time>. <RefundState refund={refund} isSimulated={!order.payment_id} />
              </p>
            </li>
          )),
        )}
      </ul>
    </section>
  );
}

/** Takes two steps, because the tickets become invalid at once. */
export function ReturnPanel({ offer, onReturn }: { offer: TicketReturn; onReturn: () => Promise<unknown> }) {
  const { t, locale } = useTexts();
  const { isWorking, failure, run } = useAction();
  const amount = money(offer.amount_cents, offer.currency, locale);
  const count = offer.tickets.length;
  return (
    <section class="panel no-print">
      <h2>{t.refunds.returnTitle}</h2>
      <p>{t.refunds.returnUntil(dayAndTime(offer.until, offer.timezone, locale))}</p>
      <details class="more">
        <summary>{t.refunds.returnAction(amount)}</summary>
        <div class="fields">
          <p>{t.refunds.returnMeaning(count, amount)}</p>
          {failure && <Failure failure={failure} />}
          <button type="button" class="button" disabled={isWorking} onClick={() => run(async () => void (await onReturn()))}>
            {isWorking ? t.checkout.working : t.refunds.returnNow(count)}
          </button>
        </div>
      </details>
    </section>
  );
}

/** The state of a refund, in the same words on every page. */
export function RefundState({ refund, isSimulated = false }: { refund: Refund; isSimulated?: boolean }) {
  const { t } = useTexts();
  return <>{isSimulated ? t.refunds.simulated : t.refunds.states[refund.status]}</>;
}
