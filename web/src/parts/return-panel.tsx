/** Lets buyers return tickets while the event takes them back. Takes two steps, because the tickets become invalid at once. */

import type { TicketReturn } from "../api";
import { eventTime, money } from "../formats";
import { useTexts } from "../texts";
import { Failure } from "./failure";
import { useAction } from "./hooks";

export function ReturnPanel({ offer, onReturn }: { offer: TicketReturn; onReturn: () => Promise<unknown> }) {
  const { t, locale } = useTexts();
  const { isWorking, failure, run } = useAction();
  const amount = money(offer.amount_cents, offer.currency, locale);
  const count = offer.tickets.length;
  return (
    <section class="panel no-print">
      <h2>{t.refunds.returnTitle}</h2>
      <p>{t.refunds.returnUntil(eventTime(offer.until, offer.timezone, locale, t.event.bothTimes))}</p>
      <details class="more">
        <summary>{t.refunds.returnAction(amount)}</summary>
        <div class="fields">
          <p>{t.refunds.returnMeaning(count, amount)}</p>
          {failure && <Failure failure={failure} />}
          <button type="button" class="button" disabled={isWorking} onClick={() => run(async () => void (await onReturn()))}>
            {isWorking ? t.checkout.working : t.refunds.returnNow(count)}
          </button>
        </div>
      </details>
    </section>
  );
}
