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

/** The sum and number of the refunds, and the emails about them. */
export function CancellationEffects() {
  const own = useRoomTexts("events");
  const { locale } = useTexts();
  return (
    <Counted>
      {({ people, refunds, refunds_without_email: unreached, orders_without_payment: free, disputed_orders: disputed }) => {
        const orders = refunds.reduce((sum, refund) => sum + refund.orders, 0);
        const amounts = refunds.map(({ amount_cents, currency }) => money(amount_cents, currency, locale)).join(" + ");
        return (
          <>
            <p>{own.holders(people)}</p>
            {orders > 0 && (
              <p>
                <strong>{own.cancelRefunds(orders, amounts)}</strong>
              </p>
            )}
            {ADDONS.messages ? orders > unreached && <p>{own.cancelMailed(orders - unreached)}</p> : <p>{own.noMails}</p>}
            {ADDONS.messages && unreached > 0 && <p>{own.refundsWithoutEmail(unreached)}</p>}
            {free > 0 && <p>{own.cancelFree(free)}</p>}
            {disputed > 0 && <p>{own.disputed(disputed)}</p>}
          </>
        );
      }}
    </Counted>
  );
}

function Counted({ children }: { children: (holders: TicketHolders) => ComponentChildren }) {
  const own = useRoomTexts("events");
  const { event } = useManagedEvent();
  const { value, failure, reload } = useLoaded(() => countTicketHolders(event.id), event.id);
  if (!value) return failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={3} />;
  return (
    <div role="status">
      {!value.is_complete && <p>{own.atLeast(value.tickets)}</p>}
      {children(value)}
    </div>
  );
}
