/** The buyer's tickets, with the QR codes that the API draws. */

import { useLocation } from "preact-iso";
import { useEffect, useState } from "preact/hooks";
import { getQrCode, listTickets, type Ticket } from "../api";
import { dayAndTime } from "../formats";
import { Failure, Outcome, Skeleton } from "../parts/failure";
import { useLoaded, useTitle } from "../parts/hooks";
import { useTexts } from "../texts";

export function Wallet() {
  const { t } = useTexts();
  const { query } = useLocation();
  const { value: tickets, failure, reload } = useLoaded(listTickets, "tickets");
  useTitle(t.wallet.title);
  return (
    <div class="page">
      <h1>{t.wallet.title}</h1>
      {query.new && tickets && (
        <Outcome tone="good" title={t.checkout.doneTitle}>
          <p>{t.checkout.doneText}</p>
        </Outcome>
      )}
      {failure && <Failure failure={failure} retry={reload} />}
      {!tickets && !failure && <Skeleton lines={6} />}
      {tickets?.length === 0 && (
        <Outcome tone="calm" title={t.wallet.empty}>
          <p>{t.wallet.emptyText}</p>
          <a class="button" href="/">
            {t.allEvents}
          </a>
        </Outcome>
      )}
      {tickets && tickets.length > 0 && (
        <>
          <p class="lead">{t.wallet.show}</p>
          <ul class="passes">
            {tickets.map((ticket) => (
              <Pass key={ticket.id} ticket={ticket} />
            ))}
          </ul>
          <p class="small">{t.wallet.keep}</p>
        </>
      )}
    </div>
  );
}

function Pass({ ticket }: { ticket: Ticket }) {
  const { t, locale } = useTexts();
  const { event, tier } = ticket;
  const isValid = ticket.state === "valid";
  return (
    <li class={`pass ${isValid ? "" : "pass-void"}`}>
      <div class="pass-text">
        <h2>{event.name ? <a href={`/events/${event.id}`}>{event.name}</a> : event.id}</h2>
        <p>{event.starts_at && <time dateTime={event.starts_at}>{dayAndTime(event.starts_at, undefined, locale)}</time>}</p>
        <p class="small">{event.venue}</p>
        <p class="chip">{tier.name}</p>
      </div>
      <div class="pass-code">
        {isValid ? <QrCode ticket={ticket} /> : <p class="stamp">{t.wallet.states[ticket.state] ?? ticket.state}</p>}
        <p class="small">
          {t.wallet.code} <span class="code">{ticket.code}</span>
        </p>
      </div>
    </li>
  );
}

function QrCode({ ticket }: { ticket: Ticket }) {
  const { t } = useTexts();
  const [url, setUrl] = useState<string | null | undefined>(undefined);
  useEffect(() => {
    let made: string | undefined;
    let isGone = false;
    getQrCode(ticket.id).then(
      (image) => !isGone && setUrl((made = URL.createObjectURL(image))),
      () => setUrl(null),
    );
    return () => {
      isGone = true;
      if (made) URL.revokeObjectURL(made);
    };
  }, [ticket.id]);
  if (url === null) return <p class="small">{t.wallet.qrMissing}</p>;
  return url ? <img class="qr" src={url} alt={t.wallet.qr(ticket.code)} width="240" height="240" /> : <span class="qr qr-loading" />;
}
