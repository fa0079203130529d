/** The buyer's tickets. Once opened, the page works offline. */

import { useLocation } from "preact-iso";
import { useEffect, useState } from "preact/hooks";
import { listRefundedOrders, type Ticket } from "../api";
import { dayAndTime } from "../formats";
import { Failure, Outcome, Skeleton } from "../parts/failure";
import { GuestNote } from "../parts/guest-note";
import { useLoaded, useTitle } from "../parts/hooks";
import { Pass } from "../parts/pass";
import { Refunds } from "../parts/refunds";
import { ScanView } from "../parts/scan-view";
import { useTexts } from "../texts";
import { isOver, isUsable, useWallet } from "../use-wallet";

export function Wallet() {
  const { t, locale } = useTexts();
  const { query, route } = useLocation();
  const [isNew] = useState(Boolean(query.new));
  const { tickets, codes, kept, isOld, failure, reload } = useWallet();
  const { value: refunded } = useLoaded(async () => (ADDONS.reports ? listRefundedOrders() : []), "refunds");
  const [scanned, setScanned] = useState<string | null>(null);
  useTitle(t.wallet.title);
  useEffect(() => {
    if (isNew) route("/tickets", true); // a reload does not repeat the message
  }, []);

  const upcoming = (tickets ?? []).filter((ticket) => !isOver(ticket)).toSorted(byStart);
  const past = (tickets ?? []).filter(isOver).toSorted((a, b) => byStart(b, a));
  const usable = upcoming.filter((ticket) => isUsable(ticket) && codes[ticket.code]);
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
      {isNew && tickets && (
        <Outcome tone="good" title={t.checkout.doneTitle}>
          <p>{t.checkout.doneText}</p>
        </Outcome>
      )}
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
          <a class="button" href="/">
            {t.allEvents}
          </a>
        </Outcome>
      )}
      {upcoming.length > 0 && list(upcoming)}
      {refunded && refunded.length > 0 && <Refunds orders={refunded} />}
      {past.length > 0 && (
        <details class="past">
          <summary>{t.wallet.past(past.length)}</summary>
          {list(past)}
        </details>
      )}
      {tickets && tickets.length > 0 && <p class="small">{kept ? t.wallet.keeps(dayAndTime(iso(kept.until), undefined, locale)) : t.wallet.keepsNothing}</p>}
      {tickets && tickets.length > 0 && <GuestNote text={t.guest.text} />}
      <ScanView tickets={usable} codes={codes} shown={scanned} show={setScanned} asOf={isOld && kept ? kept.savedAt : null} />
    </div>
  );
}

function byStart(a: Ticket, b: Ticket): number {
  return (a.event.starts_at ?? "").localeCompare(b.event.starts_at ?? "") || a.id.localeCompare(b.id, "en", { numeric: true });
}

function iso(seconds: number): string {
  return new Date(1000 * seconds).toISOString();
}
