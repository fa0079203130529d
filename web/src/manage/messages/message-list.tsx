/** Mails with the state of each, and a question before one is sent again. */

import { useState } from "preact/hooks";
import { dayAndTime } from "../../formats";
import { Failure, Outcome, Skeleton } from "../../parts/failure";
import { useTexts } from "../../texts";
import { orderOf } from "../orders/orders";
import { Confirmed } from "../parts/confirmed";
import type { Pages } from "../parts/use-pages";
import { useRoomTexts } from "../texts";
import { messagesTexts } from "../texts/messages";
import { useMay } from "../who";
import { resend, type Message } from "./messages";

const OFFERS = ["waitlist_offer", "offer_expiring"];

/** `noneText`: what is said when there are none. */
export function MessageList({ found, noneText }: { found: Pages<{ messages: Message[]; next_cursor: string | null }>; noneText: string }) {
  const own = useRoomTexts(messagesTexts);
  const [said, setSaid] = useState("");
  const { pages, failure, retry, isWorking, more, reload } = found;
  if (!pages) return failure ? <Failure failure={failure} retry={retry} /> : <Skeleton lines={8} />;
  const messages = pages.flatMap((page) => page.messages);
  const sendAgain = async (message: Message) => {
    await resend(message.id);
    setSaid(own.done(own.kinds[message.kind] ?? message.kind));
    await reload();
  };
  return (
    <>
      <div role="status">{said && <p class="notice">{said}</p>}</div>
      {messages.length === 0 ? (
        <Outcome tone="calm" title={own.none}>
          <p>{noneText}</p>
        </Outcome>
      ) : (
        <ul class="rows">
          {messages.map((message) => (
            <Row key={message.id} message={message} sendAgain={sendAgain} />
          ))}
        </ul>
      )}
      {failure && <Failure failure={failure} retry={retry} />}
      {more && (
        <button type="button" class="button button-quiet" disabled={isWorking} onClick={more}>
          {own.more}
        </button>
      )}
    </>
  );
}

function Row({ message, sendAgain }: { message: Message; sendAgain: (message: Message) => Promise<void> }) {
  const own = useRoomTexts(messagesTexts);
  const { locale } = useTexts();
  const may = useMay();
  const subject = addressOf(message);
  const kind = own.kinds[message.kind] ?? message.kind;
  const when = (iso: string) => dayAndTime(iso, undefined, locale);
  return (
    <li class="row-card tier-row">
      <div class="row-text">
        <h2>{kind}</h2>
        <p>
          <span class={`status status-${message.status}`}>{own.states[message.status]}</span>{" "}
          <span class="small">
            {[when(message.changed_at), own.attempts(message.attempts), message.next_try_at && own.nextTry(when(message.next_try_at))].filter(Boolean).join(" · ")}
          </span>
        </p>
        {own.meanings[message.status] && <p class="small">{own.meanings[message.status]}</p>}
        {message.failure && <p class="small">{own.failure(message.failure)}</p>}
        <p class="small code">{subject ? <a href={subject}>{message.subject_id}</a> : message.subject_id}</p>
      </div>
      {message.status !== "queued" && may("resendMessages") && (
        <Confirmed label={own.resend} of={`${kind}, ${message.subject_id}`} confirm={own.resendConfirm} class="link" act={() => sendAgain(message)}>
          <p>{own.resendText}</p>
          <p>{own.resendRecorded}</p>
        </Confirmed>
      )}
    </li>
  );
}

/** The page that has what a mail is about. An offer is no order before it is paid. */
function addressOf({ kind, event_id, subject_id }: Message): string | null {
  if (OFFERS.includes(kind)) return `/manage/events/${event_id}/waitlist`;
  const order = orderOf(subject_id);
  return order && `/manage/events/${event_id}/orders/${order}`;
}
