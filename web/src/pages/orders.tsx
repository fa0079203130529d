/** The buyer's orders: a list of all orders, and each order with its tickets as a printable receipt. */

import { ErrorBoundary, lazy, useLocation, useRoute } from "preact-iso";
import { useState } from "preact/hooks";
import { getOrder, getSeller, listEvents, listOrders, type Order, type OrderWithTickets, type Seller } from "../api";
import { day, dayAndTime, money } from "../formats";
import { DocumentButton } from "../parts/document-button";
import { InvoiceList } from "../parts/invoice-list";
import { Failure, Outcome, Skeleton } from "../parts/failure";
import { useAction, useTitle, useTranslated } from "../parts/hooks";
import { Moment } from "../parts/moment";
import { PlainText } from "../parts/plain-text";
import { OrderStatus, RefundState } from "../parts/refunds";
import { ResalePanel, ReturnPanel, ReturnRequests } from "../parts/return-panel";
import { Included } from "../parts/included";
import { Terms } from "../parts/terms";
import { changeResale, returnTickets, withdrawReturn } from "../returns";
import { useBuyer } from "../session";
import { useTexts } from "../texts";
import { withNext } from "../next-page";
import "../styles/receipt.css";
import { LoadFailed } from "../parts/load-failed";
import { useLegalTexts } from "../texts/use-legal";

const BankTransfer = lazy(() => import("../parts/bank-transfer").then((part) => part.BankTransfer, () => LoadFailed));

const REFRESH_SECONDS = 30;

export function Orders() {
  const { t } = useTexts();
  const { buyer } = useBuyer();
  useTitle(t.orders.title);
  return (
    <div class="page page-narrow">
      <h1>{t.orders.title}</h1>
      {buyer ? <OrderList /> : <SignInFirst />}
    </div>
  );
}

function OrderList() {
  const { t } = useTexts();
  const { value, failure, reload } = useTranslated(loadFirst, "orders");
  const [more, setMore] = useState<{ orders: Order[]; next: string | null } | null>(null);
  const { isWorking, failure: moreFailure, run } = useAction();
  if (!value) return failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={6} />;
  const orders = [...value.orders, ...(more?.orders ?? [])];
  const next = more ? more.next : value.next;
  const loadMore = () =>
    run(async () => {
      const page = await listOrders(next!);
      setMore({ orders: [...(more?.orders ?? []), ...page.orders], next: page.next_cursor });
    });
  if (orders.length === 0) {
    return (
      <Outcome tone="calm" title={t.orders.empty}>
        <p>{t.orders.emptyText}</p>
        <a class="button" href="/">
          {t.allEvents}
        </a>
      </Outcome>
    );
  }
  return (
    <>
      <ul class="orders">
        {orders.map((order) => (
          <OrderLine key={order.id} order={order} event={value.names.get(order.event_id) ?? order.event_id} />
        ))}
      </ul>
      {moreFailure && <Failure failure={moreFailure} />}
      {next && (
        <button type="button" class="button button-quiet" onClick={loadMore} disabled={isWorking}>
          {t.orders.more}
        </button>
      )}
    </>
  );
}

/** Load the first page of orders, and the names of the events, which come from caches. */
async function loadFirst() {
  const [page, events] = await Promise.all([listOrders(), listEvents().catch(() => [])]);
  return { orders: page.orders, next: page.next_cursor, names: new Map(events.map(({ id, name }) => [id, name])) };
}

function OrderLine({ order, event }: { order: Order; event: string }) {
  const { t, locale } = useTexts();
  const timezone = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  return (
    <li class="panel order">
      <h2>
        <a href={`/orders/${order.id}`}>{event}</a>
      </h2>
      <p class="small">
        <time dateTime={order.created_at}>{day(order.created_at, timezone, locale)}</time> · {t.orders.tickets(order.quantity)} · <span class="code">{order.number}</span>
      </p>
      <p class="order-end">
        <OrderStatus order={order} />
        <strong class="numbers">{order.total_price_cents === 0 ? t.free : money(order.total_price_cents, order.currency, locale)}</strong>
      </p>
      <Included of={{ ...order, taxes: [] }} />
    </li>
  );
}

export function OrderPage() {
  const orderId = useRoute().params.orderId!;
  const { t } = useTexts();
  const { buyer } = useBuyer();
  useTitle(t.orders.receipt);
  return (
    <div class="page page-narrow">
      {ADDONS.reports && (
        <p class="no-print">
          <a class="back" href="/orders">
            {t.orders.title}
          </a>
        </p>
      )}
      {buyer ? <LoadedOrder orderId={orderId} /> : <SignInFirst />}
    </div>
  );
}

function LoadedOrder({ orderId }: { orderId: string }) {
  const { t } = useTexts();
  const { value, failure, reload } = useTranslated(() => loadOrder(orderId), orderId, REFRESH_SECONDS);
  if (value) return <Receipt {...value} reload={reload} />;
  if (failure?.status === 404) {
    return (
      <Outcome tone="calm" title={t.orders.notFound}>
        <p>{t.orders.notFoundText}</p>
      </Outcome>
    );
  }
  return failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={8} />;
}

async function loadOrder(orderId: string) {
  const found = await getOrder(orderId);
  return { ...found, seller: await getSeller(found.order.event_id).catch(() => null) };
}

function Receipt({ order, tickets, returnable, resale, return_requests, seller, reload }: OrderWithTickets & { seller: Seller | null; reload: () => void }) {
  const { t, locale } = useTexts();
  const legal = useLegalTexts();
  const amount = (cents: number) => (cents === 0 ? t.free : money(cents, order.currency, locale));
  const isPending = order.status === "pending";
  const isValid = tickets.some(({ transferred, state }) => !transferred && state === "valid");
  return (
    <>
      <h1>{order.event_name ?? order.event_id}</h1>
      <div class="lead">
        {order.event_starts_at && <Moment at={order.event_starts_at} timezone={order.event_timezone} />}
        <p>{order.event_venue}</p>
      </div>
      {order.event_cancellation_reason && (
        <Outcome tone="bad" title={t.event.cancelledTitle}>
          <PlainText text={order.event_cancellation_reason} />
        </Outcome>
      )}
      <ErrorBoundary>{order.bank_transfer && <BankTransfer of={order.bank_transfer} timezone={order.event_timezone} />}</ErrorBoundary>
      <ReturnRequests requests={return_requests} onWithdraw={({ number }) => withdrawReturn(order.id, number).then(reload)} />
      {returnable && <ReturnPanel key={returnable.tickets.join()} offer={returnable} onReturn={(reason) => returnTickets(order.id, reason).then(reload)} />}
      {resale && <ResalePanel resale={resale} onChange={(ids, listed) => changeResale(order.id, ids, listed).then(reload)} />}
      <section class="panel ticket receipt">
        <div class="order-end">
          <h2>{isPending ? t.checkout.order : t.orders.receipt}</h2>
          <OrderStatus order={order} />
        </div>
        <dl class="facts">
          <dt>{t.orders.number}</dt>
          <dd class="code">{ADDONS.reports ? order.number : order.id /* without reports, managers find orders only by id */}</dd>
          <dt>{t.orders.date}</dt>
          <dd>
            <time dateTime={order.created_at}>{dayAndTime(order.created_at, order.event_timezone ?? undefined, locale, "numeric")}</time>
          </dd>
          {seller && (
            <>
              <dt>{t.orders.seller}</dt>
              <dd>
                {seller.name}
                <span class="block small">{seller.contact}</span>
                {order.accepted_terms && (
                  <a class="block small" href={`/legal/${order.accepted_terms}`}>
                    {legal.kinds.terms}
                  </a>
                )}
              </dd>
            </>
          )}
          {order.customer_email && (
            <>
              <dt>{t.orders.buyer}</dt>
              <dd>{order.customer_email}</dd>
            </>
          )}
        </dl>
        <table class="sums">
          <thead>
            <tr>
              <th scope="col">{t.orders.item}</th>
              <th scope="col">{t.orders.price}</th>
              <th scope="col">{t.event.total}</th>
            </tr>
          </thead>
          <tbody>
            {order.items.map((item) => (
              <tr key={item.tier_id}>
                <td>
                  {item.quantity} × {item.tier_name} {item.resale && <span class="chip">{t.event.resale}</span>}
                </td>
                <td>{amount(item.price_cents)}</td>
                <td>{amount(item.quantity * item.price_cents)}</td>
              </tr>
            ))}
          </tbody>
          <tfoot>
            {order.discount_cents > 0 && (
              <tr>
                <th scope="row" colSpan={2}>
                  {t.orders.discount(order.promo_code ?? "")}
                </th>
                <td>{money(-order.discount_cents, order.currency, locale)}</td>
              </tr>
            )}
            <tr>
              <th scope="row" colSpan={2}>
                {t.event.total}
                <Included of={order} />
              </th>
              <td>{amount(order.total_price_cents)}</td>
            </tr>
            {order.refunds.map((refund) => (
              <tr key={refund.id}>
                <th scope="row" colSpan={2}>
                  {t.orders.refund} {day(refund.created_at, order.event_timezone ?? "UTC", locale)}
                  <span class="block small">
                    <RefundState refund={refund} isSimulated={!order.payment_id} />
                  </span>
                </th>
                <td>{money(-refund.amount_cents, refund.currency, locale)}</td>
              </tr>
            ))}
            {order.refunds.length > 0 && tickets.length > 0 && (
              <tr>
                <th scope="row" colSpan={2}>
                  {t.orders.left}
                </th>
                <td>{money(order.total_price_cents - order.refunded_cents, order.currency, locale)}</td>
              </tr>
            )}
          </tfoot>
        </table>
        <p class="small">
          {order.total_price_cents === 0 ? t.orders.nothingPaid : isPending ? t.orders.notPaid : order.payment_id ? t.orders.paidWith : t.orders.paidSimulated}{" "}
          {order.payment_id && <span class="code">{order.payment_id}</span>}
        </p>
        <Terms of={order} timezone={order.event_timezone} />
        {order.disputed && <p class="notice">{t.orders.disputed}</p>}
      </section>
      <p class="row no-print">
        {isPending ? !order.bank_transfer && (
          <a class="button" href={`/events/${order.event_id}/checkout`}>
            {t.event.continue}
          </a>
        ) : (
          <>
            <button type="button" class="button" onClick={() => print()}>
              {t.orders.print}
            </button>
            {ADDONS.documents && tickets.length > 0 && <DocumentButton orderId={order.id} kind="receipt" />}
            {ADDONS.documents && isValid && <DocumentButton orderId={order.id} kind="tickets" />}
          </>
        )}
      </p>
      {ADDONS.documents && tickets.length > 0 && order.promoter_id && order.total_price_cents > 0 && <InvoiceList orderId={order.id} />}
      {isValid && !returnable && seller && (
        <p class="small no-print">
          {t.orders.ask(order.number)} {seller.email ? <a href={`mailto:${seller.email}?subject=${encodeURIComponent(order.number)}`}>{seller.email}</a> : seller.contact}
        </p>
      )}
      {tickets.length > 0 && (
        <section class="panel">
          <h2>{t.event.tickets}</h2>
          <ul class="lines order-tickets">
            {tickets.map((ticket) => (
              <li key={ticket.id}>
                <span>{order.items.find((item) => item.tier_id === ticket.tier_id)?.tier_name}</span>
                <span class="small">{ticket.transferred ? t.orders.transferred : ticket.state === "valid" ? t.orders.valid : (t.wallet.states[ticket.state] ?? ticket.state)}</span>
                {ticket.code && <span class="code">{ticket.code}</span>}
              </li>
            ))}
          </ul>
          {isValid && (
            <p class="no-print">
              <a href="/tickets">{t.orders.toTickets}</a>
            </p>
          )}
        </section>
      )}
    </>
  );
}

function SignInFirst() {
  const { t } = useTexts();
  const { url } = useLocation();
  return (
    <Outcome tone="calm" title={t.orders.signIn}>
      <p>{t.orders.signInText}</p>
      <a class="button" href={withNext("/sign-in", url)}>
        {t.signIn.title}
      </a>
    </Outcome>
  );
}
