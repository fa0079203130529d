/** An event's orders, filtered by status and found by number, code, email or name. */

import { useState } from "preact/hooks";
import { day, money } from "../../formats";
import { useTexts } from "../../texts";
import { usePages } from "../parts/use-pages";
import { PagedList } from "../parts/paged-list";
import { TablePlace } from "../parts/table-place";
import { useRoomTexts } from "../texts";
import { useManagedEvent } from "../who";
import { DisputeList } from "./dispute-list";
import { listEventOrders, type Filters, type ListedOrder } from "./orders";

export function OrderList() {
  const own = useRoomTexts("orders");
  const { event } = useManagedEvent();
  const [filters, setFilters] = useState<Filters>({ status: "", search: "" });
  const [words, setWords] = useState("");
  const search = (submitted: SubmitEvent) => {
    submitted.preventDefault();
    setFilters({ ...filters, search: words.trim() });
  };
  return (
    <div class="page">
      <h1>{own.title}</h1>
      <form class="control-fields" role="search" onSubmit={search}>
        <label class="field">
          {own.search}
          <input type="search" value={words} maxLength={254} onInput={({ currentTarget }) => setWords(currentTarget.value)} />
        </label>
        <button type="submit" class="button button-quiet">
          {own.find}
        </button>
        <label class="field">
          {own.status}
          <select value={filters.status} onChange={({ currentTarget }) => setFilters({ ...filters, status: currentTarget.value as Filters["status"] })}>
            <option value="">{own.all}</option>
            <option value="paid">{own.states.paid}</option>
            <option value="partially_refunded">{own.states.partially_refunded}</option>
            <option value="refunded">{own.states.refunded}</option>
            <option value="disputed">{own.disputed}</option>
            <option value="failed">{own.failed}</option>
            <option value="complimentary">{own.complimentary}</option>
            <option value="return_requested">{own.returnRequests}</option>
          </select>
        </label>
      </form>
      <p class="small">{own.searchNote}</p>
      {filters.status === "failed" && <p class="small">{own.failedNote}</p>}
      {filters.status === "disputed" && !filters.search ? <DisputeList /> : <OrderResults key={JSON.stringify(filters)} eventId={event.id} filters={filters} />}
    </div>
  );
}

function OrderResults({ eventId, filters }: { eventId: string; filters: Filters }) {
  const own = useRoomTexts("orders");
  const found = usePages((cursor) => listEventOrders(eventId, filters, cursor), "orders");
  const noneText = filters.search || filters.status ? own.noMatch : own.noneText;
  return (
    <PagedList found={found} itemsOf={(page) => page.orders} empty={{ title: own.none, text: noneText }}>
      {(orders) => <OrderTable eventId={eventId} orders={orders} />}
    </PagedList>
  );
}

function OrderTable({ eventId, orders }: { eventId: string; orders: ListedOrder[] }) {
  const own = useRoomTexts("orders");
  const { locale } = useTexts();
  const { timezone } = useManagedEvent().event;
  return (
    <TablePlace label={own.title}>
      <table>
        <thead>
          <tr>
            <th scope="col">{own.order}</th>
            <th scope="col">{own.buyer}</th>
            <th scope="col">
              {own.when} <span class="small">({timezone.replaceAll("_", " ")})</span>
            </th>
            <th scope="col">{own.tickets}</th>
            <th scope="col" class="number">{own.total}</th>
            <th scope="col">{own.status}</th>
          </tr>
        </thead>
        <tbody>
          {orders.map((order) => (
            <tr key={order.id}>
              <th scope="row">
                <a class="code" href={`/manage/events/${eventId}/orders/${order.id}`}>
                  {order.number}
                </a>
              </th>
              <td>
                <BuyerName buyer={order.buyer} />
              </td>
              <td class="date-first">{day(order.created_at, timezone, locale)}</td>
              <td>{order.items.map((item) => `${item.quantity} × ${item.tier_name}`).join(", ")}</td>
              <td class="number">{money(order.total_price_cents, order.currency, locale)}</td>
              <td>
                <span class={`status status-${order.status}`}>{own.states[order.status]}</span> {order.disputed && <span class="chip">{own.disputed}</span>}
                {order.complimentary && <span class="chip">{own.complimentary}</span>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </TablePlace>
  );
}

/** The name of a buyer above the address. */
export function BuyerName({ buyer }: { buyer: ListedOrder["buyer"] }) {
  const own = useRoomTexts("orders");
  return (
    <>
      {buyer?.name ?? buyer?.email ?? own.unknownBuyer}
      {buyer?.name && buyer.email && <span class="small second-line">{buyer.email}</span>}
    </>
  );
}
