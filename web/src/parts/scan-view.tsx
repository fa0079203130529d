/** One ticket in full screen, white and as large as possible, for the scanner at the door. The screen stays on. */

import { useEffect, useRef } from "preact/hooks";
import type { Ticket } from "../api";
import { dayAndTime } from "../formats";
import { useTexts } from "../texts";
import { QrCode } from "./pass";
import { useScreenLock } from "./screen-lock";

interface Props {
  tickets: Ticket[];
  codes: Record<string, string | null>;
  /** The id of the ticket shown; null while the view is closed. */
  shown: string | null;
  show: (ticketId: string | null) => void;
  /** When the tickets were last loaded from the shop, in epoch seconds; null if just now. */
  asOf: number | null;
}

export function ScanView({ tickets, codes, shown, show, asOf }: Props) {
  const { t, locale } = useTexts();
  const dialog = useRef<HTMLDialogElement>(null);
  const index = tickets.findIndex((ticket) => ticket.id === shown);
  const ticket = tickets[index];
  const isOpen = ticket !== undefined;
  useEffect(() => {
    if (isOpen) dialog.current?.showModal();
    else dialog.current?.close();
  }, [isOpen]);
  useScreenLock(isOpen);
  return (
    <dialog class="scan" ref={dialog} aria-label={t.wallet.scanTitle} onClose={() => show(null)}>
      {ticket && (
        <>
          <p class="scan-event">{ticket.event.name}</p>
          <QrCode code={ticket.code} picture={codes[ticket.code]} />
          <p class="scan-who">{[ticket.tier.name, ticket.attendee?.name].filter(Boolean).join(" · ")}</p>
          <p class="code">{ticket.code}</p>
          {asOf !== null && <p class="small">{t.wallet.asOf(dayAndTime(new Date(1000 * asOf).toISOString(), undefined, locale))}</p>}
          <div class="row">
            {tickets.length > 1 && (
              <>
                <button type="button" class="button button-quiet" disabled={index === 0} onClick={() => show(tickets[index - 1]!.id)}>
                  {t.wallet.previous}
                </button>
                <span aria-live="polite">{t.wallet.count(index + 1, tickets.length)}</span>
                <button type="button" class="button button-quiet" disabled={index === tickets.length - 1} onClick={() => show(tickets[index + 1]!.id)}>
                  {t.wallet.next}
                </button>
              </>
            )}
          </div>
          <p class="small">{t.wallet.brightness}</p>
          <button type="button" class="button" onClick={() => show(null)}>
            {t.wallet.close}
          </button>
        </>
      )}
    </dialog>
  );
}
