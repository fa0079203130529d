/** Orders for all events: a person's, loaded when the panel is opened, and those that a search finds. Each order leads to its page. */

import { useState } from "preact/hooks";
import { day, money } from "../../formats";
import { useLoaded } from "../../parts/hooks";
import { useTexts } from "../../texts";
import { findOrders, listUserOrders, type ListedOrder } from "../orders/orders";
import { PagedList } from "../parts/paged-list";
import { usePages } from "../parts/use-pages";
import { useRoomTexts } from "../texts";

export function UserOrders({ userId }: { userId: string }) {
  const own = useRoomTexts("orders");
  const [isOpen, setOpen] = useState(false);
  return (
    <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>{own.title}</summary>
      {isOpen && <Orders userId={userId} />}
    </details>
  );
}

/** The orders with this number, ticket code or email address; nothing if there are none. */
export function FoundOrders({ search }: { search: string }) {
  const own = useRoomTexts("orders");
  const { value: found } = useLoaded(() => findOrders(search), search);
  if (!found?.orders.length) return null;
  return (
    <section class="panel">
      <h2>{own.title}</h2>
      <ul class="entries">
        {found.orders.map((order) => (
          <Entry key={order.id} order={order} />
        ))}
      </ul>
    </section>
  );
}

function Orders({ userId }: { userId: string }) {
  const own = useRoomTexts("orders");
  const found = usePages((cursor) => listUserOrders(userId, cursor), userId);
  return (
    <PagedList found={found} itemsOf={(page) => page.orders} empty={{ title: own.none, text: own.noneOfUser }}>
      {(orders) => (
        <ul class="entries">
          {orders.map((order) => (
            <Entry key={order.id} order={order} />
          ))}
        </ul>
      )}
    </PagedList>
  );
}

function Entry({ order }: { order: ListedOrder }) {
  const own = useRoomTexts("orders");
  const { locale } = useTexts();
  return (
    <li>
      <a class="code" href={`/manage/events/${order.event_id}/orders/${order.id}`}>
        {order.number}
      </a>
      <span>{order.event_name ?? order.event_id}</span>
      <span class="small">{day(order.created_at, undefined, locale)}</span>
      <span class="numbers">{money(order.total_price_cents, order.currency, locale)}</span>
      <span class={`status status-${order.status}`}>{own.states[order.status]}</span>
    </li>
  );
}
