/** Whom a change to an event reaches, and what its cancellation refunds: shown before people save or cancel. */

import type { ComponentChildren } from "preact";
import { money } from "../../formats";
import { Failure, Skeleton } from "../../parts/failure";
import { useLoaded } from "../../parts/hooks";
import { useTexts } from "../../texts";
import { useRoomTexts } from "../texts";
import { useManagedEvent } from "../who";
import { countTicketHolders, type TicketHolders } from "./api";

/** How many people get an email about a change, and the field for a note in it. */
export function ReachedPeople({ note }: { note: ComponentChildren }) {
  const own = useRoomTexts("events");
  return (
    <Counted>
      {({ people, people_without_email: unreached, sends_note }) => (
        <>
          <p>{own.holders(people)}</p>
          {ADDONS.messages ? people > unreached && <p>{own.changeMailed(people - unreached)}</p> : <p>{own.noMails}</p>}
          {ADDONS.messages && unreached > 0 && <p>{own.withoutEmail(unreached)}</p>}
          {ADDONS.messages && people > unreached && (sends_note ? note : <p>{own.noNote}</p>)}
        </>
      )}
    </Counted>
  );
}

/** How many people no email reaches; nothing if emails reach everyone. */
export function UnreachedPeople() {
  const own = useRoomTexts("events");
  const { event } = useManagedEvent();
  const { value } = useLoaded(() => countTicketHolders(event.id), event.id);
  if (!value?.people_without_email) return null;
  return <p class="notice">{own.unreached(value.people_without_email, value.is_complete)}</p>;
}

/** What the cancellation of the event, or of one of its dates, does: the refunds, the emails about them, and the tickets that stay valid. */
export function CancellationEffects({ dateId }: { dateId?: string }) {
  const own = useRoomTexts("events");
  const { locale } = useTexts();
  return (
    <Counted dateId={dateId}>
      {({ people, refunds, refunds_without_email: unreached, orders_without_payment: free, disputed_orders: disputed, tiers, queue_length, waitlist_length, is_complete }) => {
        const orders = refunds.reduce((sum, refund) => sum + refund.orders, 0);
        const amounts = refunds.map(({ amount_cents, currency }) => money(amount_cents, currency, locale)).join(" + ");
        const ending = tiers.filter(({ stays_valid }) => !stays_valid);
        const [sold, cents, reserved] = (["sold", "sold_cents", "reserved"] as const).map((figure) => ending.reduce((sum, tier) => sum + tier[figure], 0)) as [number, number, number];
        const passes = tiers.filter((tier) => tier.stays_valid && tier.sold > 0);
        return (
          <>
            {!is_complete && ending[0] && <p>{own.cancelStock(sold, money(cents, ending[0].currency, locale))}</p>}
            {(people > 0 || dateId) && <p>{own.cancelHolders(people)}</p>}
            {orders > 0 && (
              <p>
                <strong>{own.cancelRefunds(orders, amounts)}</strong>
              </p>
            )}
            {ADDONS.messages ? orders > unreached && <p>{own.cancelMailed(orders - unreached)}</p> : people > 0 && <p>{own.noMails}</p>}
            {ADDONS.messages && unreached > 0 && <p>{own.refundsWithoutEmail(unreached)}</p>}
            {free > 0 && <p>{own.cancelFree(free)}</p>}
            {disputed > 0 && <p>{own.disputed(disputed)}</p>}
            {reserved > 0 && <p>{own.cancelReserved(reserved)}</p>}
            {queue_length > 0 && <p>{own.cancelQueue(queue_length)}</p>}
            {waitlist_length > 0 && <p>{own.cancelWaitlist(waitlist_length)}</p>}
            {passes.length > 0 && <p>{own.cancelPasses(passes.map((tier) => `${tier.tier_name} (${tier.sold.toLocaleString(locale)})`).join(", "))}</p>}
          </>
        );
      }}
    </Counted>
  );
}

function Counted({ dateId, children }: { dateId?: string; children: (holders: TicketHolders) => ComponentChildren }) {
  const own = useRoomTexts("events");
  const { event } = useManagedEvent();
  const { value, failure, reload } = useLoaded(() => countTicketHolders(event.id, dateId), `${event.id} ${dateId}`);
  if (!value) return failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={3} />;
  return (
    <div role="status">
      {!value.is_complete && <p>{own.atLeast}</p>}
      {children(value)}
    </div>
  );
}
