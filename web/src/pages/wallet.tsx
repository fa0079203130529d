/** The buyer's tickets. Once opened, the page works offline. */

import { useLocation } from "preact-iso";
import { useEffect, useState } from "preact/hooks";
import { calendarFile, getOrder, listRefundedOrders, type OrderWithTickets, type Ticket } from "../api";
import { dayAndTime, money } from "../formats";
import { DocumentButton } from "../parts/document-button";
import { Failure, Outcome, Skeleton } from "../parts/failure";
import { GuestNote } from "../parts/guest-note";
import { useTitle, useTranslated } from "../parts/hooks";
import { Included } from "../parts/included";
import { Pass } from "../parts/pass";
import { Refunds } from "../parts/refunds";
import { ScanView } from "../parts/scan-view";
import { useBuyer } from "../session";
import { useTexts } from "../texts";
import { isOver, isUsable, useWallet } from "../use-wallet";

export function Wallet() {
  const { t, locale } = useTexts();
  const { query, route } = useLocation();
  const [newOrder] = useState(query.new); // the id of the order that was just placed
  const wallet = useWallet();
  const { codes, kept, isOld, failure, reload } = wallet;
  const { value: placed, failure: unknown } = useTranslated(async () => (newOrder ? getOrder(newOrder) : null), "new");
  const { value: refunded } = useTranslated(async () => (ADDONS.reports ? listRefundedOrders() : []), "refunds");
  const [scanned, setScanned] = useState<string | null>(null);
  const { buyer } = useBuyer();
  const offline = kept ? t.wallet.keeps : t.wallet.keepsNothing;
  useTitle(t.wallet.title);
  useEffect(() => {
    if (newOrder) route("/tickets", true); // a reload does not repeat the message
  }, []);

  const tickets = newOrder && !placed && !unknown ? null : wallet.tickets; // nothing moves when the order arrives
  const upcoming = (tickets ?? []).filter((ticket) => !isOver(ticket)).toSorted(byStart);
  const past = (tickets ?? []).filter(isOver).toSorted((a, b) => byStart(b, a));
  const usable = upcoming.filter((ticket) => isUsable(ticket) && codes[ticket.code]);
  const ofNewOrder = upcoming.filter((ticket) => ticket.order_id === newOrder);
  const others = upcoming.filter((ticket) => ticket.order_id !== newOrder);
  const list = (shown: Ticket[]) => (
    <ul class="passes">
      {shown.map((ticket) => (
        <Pass
          key={ticket.id}
          ticket={ticket}
          picture={codes[ticket.code]}
          onScan={codes[ticket.code] ? () => setScanned(ticket.id) : undefined}
          onChanged={isOld ? undefined : reload}
        />
      ))}
    </ul>
  );
  return (
    <div class="page">
      <h1>{t.wallet.title}</h1>
      {newOrder && tickets && <Done placed={placed} />}
      {isOld && kept && (
        <Outcome tone="calm" title={t.wallet.oldTitle}>
          <p>{t.wallet.oldText(dayAndTime(iso(kept.savedAt), undefined, locale))}</p>
        </Outcome>
      )}
      {failure && !tickets && <Failure failure={failure} retry={() => void reload()} />}
      {!tickets && !failure && <Skeleton lines={6} />}
      {tickets && upcoming.length === 0 && (
        <Outcome tone="calm" title={past.length > 0 || refunded?.length ? t.wallet.noneAhead : t.wallet.empty}>
          <p>{t.wallet.emptyText}</p>
          <p>
            {t.find.lost} <a href="/find-tickets">{t.find.title}</a>
          </p>
          <a class="button" href="/">
            {t.allEvents}
          </a>
        </Outcome>
      )}
      {ofNewOrder.length > 0 && list(ofNewOrder)}
      {ofNewOrder.length > 0 && others.length > 0 && <h2>{t.checkout.others}</h2>}
      {others.length > 0 && list(others)}
      {refunded && refunded.length > 0 && <Refunds orders={refunded} />}
      {past.length > 0 && (
        <details class="past">
          <summary>{t.wallet.past(past.length)}</summary>
          {list(past)}
        </details>
      )}
      {tickets && tickets.length > 0 && buyer?.kind !== "guest" && (
        <p class="small">
          {offline} {kept && buyer?.kind === "account" && t.wallet.shared}
        </p>
      )}
      {tickets && tickets.length > 0 && <GuestNote text={`${t.guest.stays} ${offline}`} />}
      <ScanView tickets={usable} codes={codes} shown={scanned} show={setScanned} asOf={isOld && kept ? kept.savedAt : null} />
    </div>
  );
}

/** The order that was just placed. Null if it could not be loaded. */
function Done({ placed }: { placed: OrderWithTickets | null }) {
  const { t, locale } = useTexts();
  const order = placed?.order;
  const isFree = order?.total_price_cents === 0;
  return (
    <Outcome tone="good" title={t.checkout.doneTitle}>
      <p>
        {order && !isFree && t.checkout.donePaid} {t.checkout.doneText(order?.quantity)}
      </p>
      {order && (
        <>
          <p>
            <span class="code">{order.number}</span> · {order.event_name}, {t.orders.tickets(order.quantity)}: <strong>{isFree ? t.free : money(order.total_price_cents, order.currency, locale)}</strong>
          </p>
          <Included of={{ ...order, taxes: [] }} />
          <div class="row">
            <a class="button button-quiet" href={`/orders/${order.id}`}>
              {t.orders.receipt}
            </a>
            {ADDONS.documents && <DocumentButton orderId={order.id} kind="tickets" />}
            {order.event_starts_at && (
              <a class="button button-quiet" href={calendarFile(order.event_id, order.items.map(({ tier_id }) => tier_id))} download>
                {t.event.calendar}
              </a>
            )}
          </div>
        </>
      )}
    </Outcome>
  );
}

function byStart(a: Ticket, b: Ticket): number {
  return (a.event.starts_at ?? "").localeCompare(b.event.starts_at ?? "") || a.id.localeCompare(b.id, "en", { numeric: true });
}

function iso(seconds: number): string {
  return new Date(1000 * seconds).toISOString();
}
