/** An event's disputes: amount, reason, deadline, and advice for the response. */

import { dayAndTime, money } from "../../formats";
import { useTexts } from "../../texts";
import { PagedList } from "../parts/paged-list";
import { usePages } from "../parts/use-pages";
import { useRoomTexts } from "../texts";
import { useManagedEvent } from "../who";
import { orderNumber } from "./order-numbers";
import { listDisputes, type Dispute } from "./orders";

/** The advice names the pages of these add-ons. */
const HAS_EVIDENCE = ADDONS.messages && ADDONS.reports;
const COLORS = { open: "status-queued", won: "status-delivered", lost: "status-cancelled" };

export function DisputeList() {
  const own = useRoomTexts("disputes");
  const { event } = useManagedEvent();
  const found = usePages((cursor) => listDisputes(event.id, cursor), event.id);
  return (
    <PagedList found={found} itemsOf={(page) => page.disputes} empty={{ title: own.none, text: own.noneText }}>
      {(disputes) => (
        <ul class="cases">
          {disputes.map((dispute) => (
            <Entry key={dispute.id} dispute={dispute} />
          ))}
        </ul>
      )}
    </PagedList>
  );
}

function Entry({ dispute }: { dispute: Dispute }) {
  const own = useRoomTexts("disputes");
  const orders = useRoomTexts("orders");
  const { event } = useManagedEvent();
  return (
    <li class="panel">
      <p class={`status ${COLORS[dispute.status]}`}>{orders.dispute(orders.disputeStates[dispute.status])}</p>
      <DisputeFacts dispute={dispute} />
      <p>
        {own.order}{" "}
        <a class="code" href={`/manage/events/${event.id}/orders/${dispute.order_id}`}>
          {orderNumber(dispute.order_id, event)}
        </a>
      </p>
    </li>
  );
}

/** The details of a dispute, also shown on the page of its order. */
export function DisputeFacts({ dispute }: { dispute: Pick<Dispute, "status" | "amount_cents" | "currency" | "reason" | "at" | "due_at"> }) {
  const own = useRoomTexts("disputes");
  const { locale } = useTexts();
  const { status, reason } = dispute;
  const { event } = useManagedEvent();
  const when = (iso: string) => dayAndTime(iso, event.timezone, locale);
  return (
    <>
      <dl class="facts">
        <div>
          <dt>{own.amount}</dt>
          <dd>
            <strong class="numbers">{money(dispute.amount_cents, dispute.currency, locale)}</strong>
          </dd>
        </div>
        <div>
          <dt>{own.reason}</dt>
          <dd>{own.reasons[reason] ?? reason}</dd>
        </div>
        <div>
          <dt>{own.since}</dt>
          <dd class="date-first">{when(dispute.at)}</dd>
        </div>
        {status === "open" && dispute.due_at && (
          <div>
            <dt>{own.due}</dt>
            <dd class="date-first">
              <strong>{when(dispute.due_at)}</strong>
            </dd>
          </div>
        )}
      </dl>
      {status !== "open" && <p>{own.outcomes[status]}</p>}
      {status === "open" && HAS_EVIDENCE && <p>{own.advice[reason] ?? own.generalAdvice}</p>}
      {status === "open" && <p class="small">{own.where}</p>}
    </>
  );
}
