/** A person's orders for all events, loaded when the panel is opened. Each order leads to its page. */

import { useState } from "preact/hooks";
import { day, money } from "../../formats";
import { useTexts } from "../../texts";
import { listUserOrders, type ListedOrder } from "../orders/orders";
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
