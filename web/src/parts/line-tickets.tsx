/** What people in line see of the tickets (prices, what is left, the chance that it is gone before their turn), and the way to another shop. */

import { useMemo } from "preact/hooks";
import { getShopPass, type EventWithTiers } from "../api";
import { Forecast, turnRange } from "../forecast";
import { money } from "../formats";
import { now } from "../server-time";
import { useTexts } from "../texts";
import { useRoomTexts } from "../texts/room";
import { visitorsTime } from "../turn-times";
import type { ShownPlace } from "../use-place";
import type { State, Status } from "../../waiting-room.js";
import { Failure, FailureTexts } from "./failure";
import { useAction, useLoaded } from "./hooks";

export { LineEntry } from "./line-entry"; // one request less

const SURE = 0.05; // a smaller chance is not worth a number

interface Props {
  event: EventWithTiers;
  room: State;
  /** Null for visitors who have not joined. */
  status: Status | null;
}

export function LineTickets({ event, room, status }: Props) {
  const { t, locale } = useTexts();
  const texts = useRoomTexts().lineTexts;
  const forecast = useMemo(() => new Forecast(), [event.id]);
  useMemo(() => forecast.observe(room, now()), [forecast, room]);
  const position = status?.position ?? null;
  const range = status && turnRange(room, status, now());
  const tiers = event.tiers
    .filter(({ status }) => status === "available" || status === "sold-out" || status === "coming-soon")
    .map((tier) => {
      const left = (room.tickets?.[tier.id] ?? tier).available;
      const limit = Math.min(tier.per_user_limit, event.purchase_limit);
      return { ...tier, left, chance: position === null || left === 0 ? null : forecast.chanceGone(room, tier.id, position, limit, now()) };
    });
  const notes = (
    <>
      {status?.may_return != null && status.may_return > 0 && (
        <p class="small">
          {texts.mayReturn(status.may_return)} {ADDONS.waitlist && event.has_waitlist && texts.waitlistFirst}
        </p>
      )}
      {room.beacon && status && position === null && <p class="small">{texts.beacon}</p>}
      {range && <p class="small">{texts.between(visitorsTime(now() + range[0], locale), visitorsTime(now() + range[1], locale))}</p>}
    </>
  );
  const late = room.beacon?.randomness === null && status?.state === "sale_open" && (
    <p class="notice" role="status">
      {texts.roundLate}
    </p>
  );
  const list = tiers.length > 0 && (
    <section class="panel" aria-labelledby="line-tickets">
      <h2 id="line-tickets">{t.event.tickets}</h2>
      <ul class="tiers">
        {tiers.map(({ id, name, left, chance, price_cents, included_fee_cents, currency }) => (
          <li class={`tier ${left === 0 ? "tier-gone" : ""}`} key={id}>
            <div class="tier-text">
              <h3>{name}</h3>
              {left !== null && <p class="small">{left > 0 ? t.event.left(left) : t.event.soldOut}</p>}
              {chance !== null && <p class="small">{chance < SURE ? texts.lasts : chance > 1 - SURE ? texts.gone : texts.of(Math.min(90, Math.max(10, 10 * Math.round(10 * chance))))}</p>}
            </div>
            <p class="tier-price">
              {price_cents === 0 ? t.free : money(price_cents, currency, locale)}
              {included_fee_cents > 0 && <span class="block small">{t.event.fee(money(included_fee_cents, currency, locale))}</span>}
            </p>
          </li>
        ))}
      </ul>
      {tiers.some(({ chance }) => chance !== null) && <p class="small">{texts.note}</p>}
      {notes}
    </section>
  );
  return (
    <>
      {late}
      {list || notes}
    </>
  );
}

/** What people can choose for their place. Loaded after everything that they need to join. */
export function LineOptions(props: { eventId: string; place: ShownPlace }) {
  const { failures } = useRoomTexts().entryTexts;
  const { value: part } = useLoaded(() => import("./line-options").catch(() => null), "");
  return <FailureTexts.Provider value={failures}>{part && <part.LineOptions {...props} />}</FailureTexts.Provider>;
}

/** When it is their turn, buyers go to the shop that sells the tickets, with a pass. */
export function OtherShop({ event, place }: { event: EventWithTiers; place: ShownPlace }) {
  const { t } = useTexts();
  const { isWorking, failure, run } = useAction();
  const own = useRoomTexts().lineTexts;
  const host = new URL(event.shop_url!).host;
  return (
    <section class="panel">
      <p>{own.toShopNote(host)}</p>
      {failure && <Failure failure={failure} />}
      <button type="button" class="button" disabled={isWorking} onClick={() => run(async () => location.assign((await getShopPass(event.id, place.token!, place.entryProof)).url))}>
        {isWorking ? t.checkout.working : own.toShop(host)}
      </button>
    </section>
  );
}
