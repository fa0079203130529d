/** Lets buyers return tickets while their order or the event allows it. Takes two steps, because the tickets become invalid at once. */

import type { TicketReturn } from "../api";
import { eventTime, money } from "../formats";
import { useTexts, type Language } from "../texts";
import { returnTexts as en } from "../texts/en-returns";
import { returnTexts as es } from "../texts/es-returns";
import { Failure } from "./failure";
import { useAction } from "./hooks";

/** Both languages are in this file, because one is smaller than a second request. */
const TEXTS: Record<Language, typeof en> = { en, es };
export const useReturnTexts = () => TEXTS[useTexts().language];

export function ReturnPanel({ offer, onReturn }: { offer: TicketReturn; onReturn: () => Promise<unknown> }) {
  const { t, locale } = useTexts();
  const own = useReturnTexts();
  const { isWorking, failure, run } = useAction();
  const amount = money(offer.amount_cents, offer.currency, locale);
  const count = offer.tickets.length;
  return (
    <section class="panel no-print">
      <h2>{own.title}</h2>
      <p>
        {own.until(eventTime(offer.until, offer.timezone, locale, t.event.bothTimes))} {offer.fee_cents > 0 && own.fee(money(offer.fee_cents, offer.currency, locale))}
      </p>
      <details class="more">
        <summary>{own.action(amount)}</summary>
        <div class="fields">
          <p>{own.meaning(count, amount)}</p>
          {failure && <Failure failure={failure} />}
          <button type="button" class="button" disabled={isWorking} onClick={() => run(async () => void (await onReturn()))}>
            {isWorking ? t.checkout.working : own.now(count)}
          </button>
        </div>
      </details>
    </section>
  );
}
