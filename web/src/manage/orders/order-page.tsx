/** One order with its tickets, history and refund form. */

import { useRoute } from "preact-iso";
import { useState } from "preact/hooks";
import { dayAndTime, money } from "../../formats";
import { Failure, Skeleton } from "../../parts/failure";
import { Field, Form } from "../../parts/form";
import { useAction, useLoaded } from "../../parts/hooks";
import { useTexts } from "../../texts";
import { useByWhom } from "../people/by-whom";
import { useProviderName, useRoomTexts } from "../texts";
import { useManagedEvent, useMay } from "../who";
import { DisputeFacts } from "./dispute-list";
import { BuyerName } from "./order-list";
import { getManagedOrder, nameTicket, retryRefund, type ManagedOrder } from "./orders";
import { RefundForm } from "./refund-form";
import { ReturnRequests } from "./return-requests";
import { ResendForm } from "./resend-form";

export function OrderPage() {
  const own = useRoomTexts("orders");
  const { event } = useManagedEvent();
  const orderId = useRoute().params.orderId!;
  const { value, failure, reload } = useLoaded(() => getManagedOrder(orderId), orderId);
  const [changed, setChanged] = useState<ManagedOrder | null>(null);
  const shown = changed?.order.id === orderId ? changed : value;
  return (
    <div class="page">
      <p>
        <a class="back" href={`/manage/events/${event.id}/orders`}>
          {own.title}
        </a>
      </p>
      {shown ? <Order key={orderId} shown={shown} replace={setChanged} /> : failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={8} />}
    </div>
  );
}

interface OrderProps {
  shown: ManagedOrder;
  replace: (order: ManagedOrder) => void;
}

function Order({ shown, replace }: OrderProps) {
  const own = useRoomTexts("orders");
  const providerName = useProviderName();
  const { locale } = useTexts();
  const may = useMay();
  const { event } = useManagedEvent();
  const { order, refund } = shown;
  const amount = (cents: number) => money(cents, order.currency, locale);
  const facts: [string, string][] = [
    [own.total, amount(order.total_price_cents)],
    ...(order.promo_code ? [[own.promoCode, `${order.promo_code} (−${amount(order.discount_cents)})`] as [string, string]] : []),
    ...(order.included_fee_cents > 0 ? [[own.includedFee, amount(order.included_fee_cents)] as [string, string]] : []),
    ...order.taxes.map((share): [string, string] => [own.tax(Number(share.percent).toLocaleString(locale)), share.exempt_because ?? amount(share.tax_cents)]),
    [own.refunded, amount(order.refunded_cents)],
    ...(shown.balance_cents === undefined ? [] : [[own.balance, amount(shown.balance_cents)] as [string, string]]),
    ...(shown.payment ? [[own.payment, [providerName(shown.payment.provider), shown.payment.capture].filter(Boolean).join(" · ")] as [string, string]] : []),
  ];
  return (
    <>
      <div class="page-head">
        <h1>
          {own.orderTitle} <span class="code">{order.number}</span>
        </h1>
        <p class={`status status-${order.status}`}>{own.states[order.status]}</p>
      </div>
      <p class="code">{order.id}</p>
      <div role="status">
        {refund && <p class="notice">{own.done(amount(refund.amount_cents), refund.tickets.length)}</p>}
        {shown.message && <p class="notice">{own.notAllShown}</p>}
      </div>
      {order.disputed && <p class="notice notice-bad">{own.disputedText}</p>}
      {shown.disputes.map((dispute) => (
        <section class="panel" key={dispute.id}>
          <h2>{own.dispute(own.disputeStates[dispute.status])}</h2>
          <DisputeFacts dispute={dispute} />
        </section>
      ))}
      <ReturnRequests shown={shown} replace={replace} />
      <dl class="facts panel">
        <div>
          <dt>{own.when}</dt>
          <dd class="date-first">{dayAndTime(order.created_at, event.timezone, locale)}</dd>
        </div>
        <div>
          <dt>{own.buyer}</dt>
          <dd>
            {order.buyer && <BuyerName buyer={order.buyer} />}
            <span class="small second-line">
              {own.userId} <span class="code">{order.user_id}</span>
            </span>
          </dd>
        </div>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {shown.tickets?.length === 0 ? <p class="notice">{order.status === "pending" ? own.notPaidYet : own.endedUnpaid}</p> : <Tickets shown={shown} replace={replace} />}
      {ADDONS.messages && !!shown.tickets?.length && may("resendTickets") && <ResendForm shown={shown} onSent={replace} />}
      {shown.tickets?.length !== 0 && may("refundOrders") && (
        <RefundForm shown={shown} onRefunded={replace} />
      )}
      <History shown={shown} replace={replace} />
    </>
  );
}

function Tickets({ shown, replace }: OrderProps) {
  const own = useRoomTexts("orders");
  const { locale } = useTexts();
  const { event } = useManagedEvent();
  const may = useMay();
  const tierOf = (id: string) => shown.order.items.find((item) => item.tier_id === id)?.tier_name ?? id;
  return (
    <section class="panel">
      <h2>{own.tickets}</h2>
      <ul class="entries">
        {shown.tickets?.map((ticket) => (
          <li key={ticket.id}>
            <span>{own.ticket(Number(ticket.id.split("-").at(-1)), tierOf(ticket.tier_id))}</span>
            {ticket.attendee && <strong>{ticket.attendee.name}</strong>}
            <span class="code">{ticket.id}</span>
            <span class="chip">{own.ticketStates[ticket.state]}</span>
            {ticket.transferred && <span class="chip">{own.transferred}</span>}
            {ticket.checkins.map((checkin) => (
              <span class="small" key={checkin.id}>
                {(checkin.direction === "out" ? own.checkedOut : own.checkedIn)(dayAndTime(checkin.at, event.timezone, locale), checkin.gate)}
              </span>
            ))}
            {ticket.state !== "void" && may("nameTickets") && <TicketName orderId={shown.order.id} ticket={ticket} replace={replace} />}
          </li>
        ))}
      </ul>
      {ADDONS.reports && may("seeHistory") && (
        <p>
          <a href={`/manage/events/${event.id}/history?show=scans`}>{own.atTheDoor}</a>
        </p>
      )}
    </section>
  );
}

interface TicketNameProps {
  orderId: string;
  ticket: NonNullable<ManagedOrder["tickets"]>[number];
  replace: (order: ManagedOrder) => void;
}

/** Changes the name on a ticket, even when its owner no longer can. */
function TicketName({ orderId, ticket, replace }: TicketNameProps) {
  const { t } = useTexts();
  const [isSaved, setSaved] = useState(false);
  const save = async ({ name = "" }) => {
    replace(await nameTicket(orderId, ticket.id, name.trim() || null));
    setSaved(true);
  };
  return (
    <details>
      <summary>{ticket.attendee ? t.wallet.changeName : t.wallet.addName}</summary>
      <Form onSubmit={save} button={t.wallet.save} isQuiet class="fields">
        {(errorOf) => (
          <Field name="name" label={t.wallet.name} error={errorOf("name")} type="text" autocomplete="off" maxLength={500} defaultValue={ticket.attendee?.name} onInput={() => setSaved(false)} />
        )}
      </Form>
      <p class="small" role="status">
        {isSaved && t.wallet.saved}
      </p>
    </details>
  );
}

interface Entry {
  at: string;
  key: string;
  text: string;
  /** The moved amount in cents; null if no money moved. */
  cents: number | null;
  note: string;
  failedRefund?: string;
}

/** The operator's fee in an entry of the ledger, negative if it was taken; null for other entries. */
const feeOf = ({ kind, facts }: NonNullable<ManagedOrder["transactions"]>[number]) => (kind === "fee" || kind === "fee_returned" ? Number(facts.fee_cents) * (kind === "fee" ? -1 : 1) : null);

/** Payments, refunds and disputes in chronological order. */
function History({ shown, replace }: OrderProps) {
  const own = useRoomTexts("orders");
  const { event } = useManagedEvent();
  const providerName = useProviderName();
  const { locale } = useTexts();
  const byWhom = useByWhom();
  const { isWorking, failure, run } = useAction();
  const entries: Entry[] = [
    ...(shown.transactions ?? []).map((entry) => ({
      at: entry.at,
      key: `${entry.kind}/${entry.reference}`,
      text: own.entries[entry.kind],
      cents: entry.amount_cents || feeOf(entry),
      note: providerName(entry.provider),
    })),
    ...shown.refunds.map((refund) => ({
      at: refund.created_at,
      key: refund.id,
      text: own.refundAsked(refund.tickets.length, own.reasons[refund.reason as keyof typeof own.reasons] ?? refund.reason),
      cents: null,
      note: [own.refundStates[refund.status], byWhom({ id: refund.by === shown.payment?.provider ? providerName(refund.by) : refund.by, name: refund.by_name, role: refund.by_role }), refund.note, refund.failure].filter(Boolean).join(" · "),
      failedRefund: refund.status === "failed" ? refund.id : undefined,
    })),
    ...shown.disputes.map((dispute) => ({
      at: dispute.at,
      key: dispute.id,
      text: own.dispute(own.disputeStates[dispute.status]),
      cents: null,
      note: money(dispute.amount_cents, dispute.currency, locale),
    })),
  ].sort((a, b) => a.at.localeCompare(b.at));
  const retry = (refundId: string) => run(async () => replace(await retryRefund(shown.order.id, refundId)));
  return (
    <section class="panel">
      <h2>{own.history}</h2>
      {failure && <Failure failure={failure} />}
      <ol class="entries">
        {entries.map((entry) => (
          <li key={entry.key}>
            <time class="small" dateTime={entry.at}>
              {dayAndTime(entry.at, event.timezone, locale)}
            </time>
            <span>{entry.text}</span>
            {entry.cents !== null && <strong class="numbers">{money(entry.cents, shown.order.currency, locale)}</strong>}
            <span class="small">{entry.note}</span>
            {entry.failedRefund && (
              <button type="button" class="button button-quiet" disabled={isWorking} onClick={() => retry(entry.failedRefund!)}>
                {own.retry}
              </button>
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}
