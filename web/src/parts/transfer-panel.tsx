/** Transfers a ticket with a link. The ticket stays with its owner, who can cancel the transfer, until someone accepts it. */

import { useId, useState } from "preact/hooks";
import { cancelTransfer, offerTicket, type Ticket, type TransferOffer } from "../api";
import { dayAndTime, eventTime } from "../formats";
import { useTexts } from "../texts";
import { Failure } from "./failure";
import { useAction } from "./hooks";
import { ShareButton } from "./share-button";

export function TransferPanel({ ticket, onChanged }: { ticket: Ticket; onChanged: () => Promise<void> }) {
  const { t, locale } = useTexts();
  const { isWorking, failure, run } = useAction();
  const [offer, setOffer] = useState<TransferOffer | null>(null);
  const field = useId();
  const until = offer?.expires_at ?? ticket.transfer_expires_at;
  const open = () => run(async () => setOffer(await offerTicket(ticket.id)));
  const cancel = () =>
    run(async () => {
      await cancelTransfer(ticket.id);
      setOffer(null);
      await onChanged();
    });
  const { event, tier } = ticket;
  const title = t.transfer.mailSubject(event.name ?? "");
  const untilText = until ? dayAndTime(until, event.timezone ?? undefined, locale) : ""; // the reader of the email may be in any time zone
  const starts = event.starts_at && dayAndTime(event.starts_at, event.timezone ?? undefined, locale);
  const described = [event.name, starts, [event.venue, event.address].filter(Boolean).join(", "), tier.name].filter(Boolean).join("\n");
  const mail = (url: string) =>
    new URLSearchParams({ subject: title, body: t.transfer.mailBody(described, untilText, url) })
      .toString()
      .replaceAll("+", "%20")
      .replaceAll("%0A", "%0D%0A"); // RFC 6068
  return (
    <details>
      <summary>{until ? t.transfer.offered : t.transfer.give}</summary>
      <div class="transfer">
        {!until && <p class="small">{t.transfer.note}</p>}
        {until && <p class="small">{t.transfer.until(eventTime(until, event.timezone, locale, t.event.bothTimes))}</p>}
        {failure && <Failure failure={failure} retry={() => void onChanged()} />}
        {offer && (
          <>
            <label class="field" for={field}>
              {t.transfer.link}
            </label>
            <input id={field} type="text" readOnly value={offer.url} onFocus={({ currentTarget }) => currentTarget.select()} />
          </>
        )}
        <div class="row">
          {offer ? (
            <>
              <ShareButton title={title} url={offer.url} />
              <a class="button button-quiet" href={`mailto:?${mail(offer.url)}`}>
                {t.transfer.mail}
              </a>
            </>
          ) : (
            <button type="button" class="button button-quiet" disabled={isWorking} onClick={open}>
              {until ? t.transfer.showLink : t.transfer.makeLink}
            </button>
          )}
          {until && (
            <button type="button" class="link" disabled={isWorking} onClick={cancel}>
              {t.transfer.cancel}
            </button>
          )}
        </div>
      </div>
    </details>
  );
}
