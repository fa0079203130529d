/** The refunded tickets and the state of each refund. */

import type { Order, OrderWithTickets, Refund } from "../api";
import { day, money } from "../formats";
import { useTexts } from "../texts";

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

/** The status of an order. It is refunded only once the provider has sent all the money back. */
export function OrderStatus({ order }: { order: Order }) {
  const { t } = useTexts();
  const isOnItsWay = order.refunds.some(({ status }) => status !== "succeeded");
  return <span class={`status status-${isOnItsWay ? "pending" : order.status}`}>{isOnItsWay ? t.refunds.onItsWay : t.orders.states[order.status]}</span>;
}

/** The state of a refund, in the same words on every page. */
export function RefundState({ refund, isSimulated = false }: { refund: Refund; isSimulated?: boolean }) {
  const { t } = useTexts();
  return <>{isSimulated ? t.refunds.simulated : t.refunds.states[refund.status]}</>;
}
