/** One ticket: its event, its QR code, and the actions of its owner. */

import { ErrorBoundary, lazy } from "preact-iso";
import { calendarFile, type Ticket } from "../api";
import { useTexts } from "../texts";
import type { Texts } from "../texts/en";
import { isOver, isUsable } from "../use-wallet";
import { DocumentButton } from "./document-button";
import { EventDates } from "./event-dates";
import { LoadFailed } from "./load-failed";
import { Moment } from "./moment";
import { NameForm } from "./name-form";

const TicketPanels = lazy(() => import("./ticket-panels").then((panels) => panels.TicketPanels, () => LoadFailed));

interface Props {
  ticket: Ticket;
  /** The QR code as an SVG document; undefined while loading, null if it could not be loaded. */
  picture: string | null | undefined;
  onScan?: () => void;
  /** Called after a change of the ticket; without it, the ticket cannot be changed now. */
  onChanged?: () => Promise<void>;
}

export function Pass({ ticket, picture, onScan, onChanged }: Props) {
  const { t } = useTexts();
  const { event, tier } = ticket;
  const canUse = isUsable(ticket);
  return (
    <li class={`pass ${canUse ? "" : "pass-void"}`}>
      <div class="pass-text">
        <h2>{event.name ? <a href={`/events/${event.id}`}>{event.name}</a> : event.id}</h2>
        {event.starts_at && <Moment at={event.starts_at} end={(event.dates?.length ?? 0) > 1 ? event.ends_at : null} timezone={event.timezone} doorsMinutes={event.doors_minutes} />}
        <EventDates of={event} />
        <p class="small">{[event.venue, event.address].filter(Boolean).join(", ")}</p>
        <p class="row">
          {ticket.number && <span class="chip">{ticket.number}</span>}
          {tier.name && <span class="chip">{tier.name}</span>}
          {ticket.admits > 1 && <span class="chip">{t.event.admits(ticket.admits)}</span>}
          {!onChanged && ticket.transfer_expires_at && <span class="chip">{t.transfer.offered}</span>}
          {ticket.admitted > 0 && (canUse || ticket.admitted < ticket.admits) && (
            <span class="small">{t.wallet.admitted(ticket.admitted, ticket.admits)}</span>
          )}
        </p>
        {ticket.attendee && <p>{ticket.attendee.name}</p>}
        {ADDONS.reports && ticket.order_number && ( // tickets that were stored by an earlier version have no number
          <p class="small">
            {t.wallet.order} <span class="code">{ticket.order_number}</span>
          </p>
        )}
      </div>
      <div class="pass-code">
        {canUse ? (
          <>
            <QrCode code={ticket.code} picture={picture} again={onChanged} />
            {onScan && (
              <button type="button" class="button" onClick={onScan}>
                {t.wallet.show}
              </button>
            )}
          </>
        ) : (
          <p class="stamp">{stampText(ticket, t)}</p>
        )}
        {event.cancelled && <p class="small">{t.wallet.cancelledNote}</p>}
        <p class="small">
          {t.wallet.code} <span class="code">{ticket.code}</span>
        </p>
      </div>
      {canUse && onChanged && (
        <div class="pass-actions">
          <NameForm ticket={ticket} onChanged={onChanged} />
          <ErrorBoundary>
            <TicketPanels ticket={ticket} onChanged={onChanged} />
          </ErrorBoundary>
          {!ADDONS.reports && <a href={`/orders/${ticket.order_id}`}>{t.orders.receipt}</a>}
          {ADDONS.documents && <DocumentButton orderId={ticket.order_id} kind="tickets" class="link" />}
          {event.starts_at && (
            <a href={calendarFile(event.id, [tier.id])} download>
              {t.event.calendar}
            </a>
          )}
        </div>
      )}
    </li>
  );
}

/** Why the ticket is not valid for entry. */
function stampText(ticket: Ticket, t: Texts): string | undefined {
  if (ticket.event.cancelled) return t.wallet.cancelled;
  if (ticket.admitted >= ticket.admits) return t.wallet.used;
  return ticket.state === "valid" && isOver(ticket) ? t.wallet.over : t.wallet.states[ticket.state];
}

interface QrCodeProps extends Pick<Props, "picture"> {
  code: string;
  /** Load the picture again, if possible now. */
  again?: (() => Promise<void>) | undefined;
}

export function QrCode({ code, picture, again }: QrCodeProps) {
  const { t } = useTexts();
  if (picture === null) {
    return (
      <>
        <p class="small">{t.wallet.qrMissing}</p>
        {again && (
          <button type="button" class="button button-quiet" onClick={() => void again()}>
            {t.retry}
          </button>
        )}
      </>
    );
  }
  if (picture === undefined) return <span class="qr qr-loading" />;
  return <img class="qr" src={`data:image/svg+xml,${encodeURIComponent(picture)}`} alt={t.wallet.qr(code)} width="240" height="240" />;
}
