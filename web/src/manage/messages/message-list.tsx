/** Emails with their states, and a confirmed button to resend each. */

import { useState } from "preact/hooks";
import { dayAndTime } from "../../formats";
import { useTexts } from "../../texts";
import { orderNumber, parseOrderId } from "../orders/order-numbers";
import { Confirmed } from "../parts/confirmed";
import { PagedList } from "../parts/paged-list";
import type { ManagedEvent } from "../api";
import type { Pages } from "../parts/use-pages";
import { useRoomTexts } from "../texts";
import { useMay } from "../who";
import { failureReason } from "./failure-reasons";
import { resend, type Message } from "./messages";

const OFFERS = ["waitlist_offer", "offer_expiring"];

interface Props {
  found: Pages<{ messages: Message[]; next_cursor: string | null }>;
  /** Shown when there are no emails. */
  noneText: string;
  /** The event, if all emails are about one. */
  event?: ManagedEvent;
}

export function MessageList({ found, noneText, event }: Props) {
  const own = useRoomTexts("messages");
  const [sent, setSent] = useState<string | null>(null); // the kind of the resent email
  const sendAgain = async (message: Message) => {
    await resend(message.id);
    setSent(message.kind);
    await found.reload();
  };
  return (
    <PagedList found={found} itemsOf={(page) => page.messages} status={sent === null ? "" : own.done(own.kinds[sent] ?? sent)} empty={{ title: own.none, text: noneText }}>
      {(messages) => (
        <ul class="rows">
          {messages.map((message) => (
            <Row key={message.id} message={message} event={event} sendAgain={sendAgain} />
          ))}
        </ul>
      )}
    </PagedList>
  );
}

function Row({ message, event, sendAgain }: { message: Message; event?: ManagedEvent; sendAgain: (message: Message) => Promise<void> }) {
  const own = useRoomTexts("messages");
  const { locale } = useTexts();
  const may = useMay();
  const subject = subjectAddress(message);
  const kind = own.kinds[message.kind] ?? message.kind;
  const number = orderNumber(message.subject_id, event);
  const reason = message.failure && failureReason(message.failure);
  const when = (iso: string) => dayAndTime(iso, event?.timezone, locale);
  return (
    <li class="row-card tier-row">
      <div class="row-text">
        <h2>{kind}</h2>
        <p>
          <span class={`status status-${message.status}`}>{own.states[message.status]}</span>{" "}
          <span class="small">
            · {[when(message.changed_at), own.attempts(message.attempts), message.next_try_at && own.nextTry(when(message.next_try_at))].filter(Boolean).join(" · ")}
          </span>
        </p>
        {own.meanings[message.status] && <p class="small">{own.meanings[message.status]}</p>}
        {message.failure && (
          <p class="small">
            {own.failed} {reason && own.reasons[reason]} {own.detail} <span lang="en">{message.failure}</span>
          </p>
        )}
        <p class="small code">{subject ? <a href={subject}>{number}</a> : number}</p>
      </div>
      {message.status !== "queued" && may("resendMessages") && (
        <Confirmed label={own.resend} subject={`${kind}, ${number}`} confirm={own.resendConfirm} class="link" act={() => sendAgain(message)}>
          <p>{own.resendText}</p>
          <p>{own.resendRecorded}</p>
        </Confirmed>
      )}
    </li>
  );
}

/** The address of the page about the email's subject. An offer is not an order until it is paid. */
function subjectAddress({ kind, event_id, subject_id }: Message): string | null {
  if (OFFERS.includes(kind)) return `/manage/events/${event_id}/waitlist`;
  const order = parseOrderId(subject_id);
  return order && `/manage/events/${event_id}/orders/${order}`;
}
