/** Sends an order's tickets again, to the order's address or to a corrected one. */

import { useState } from "preact/hooks";
import { BuyerEmail } from "../../parts/buyer-email";
import { Form } from "../../parts/form";
import { useRoomTexts } from "../texts";
import { resendTickets, type ManagedOrder } from "./orders";

interface Props {
  shown: ManagedOrder;
  /** Gets the order with its present address. */
  onSent: (order: ManagedOrder) => void;
}

export function ResendForm({ shown, onSent }: Props) {
  const own = useRoomTexts("orders");
  const { order } = shown;
  const current = order.buyer?.email ?? null;
  const [email, setEmail] = useState(current ?? "");
  const [sentTo, setSentTo] = useState<string | null>(null);
  const canSend = shown.tickets?.some(({ state, transferred }) => state === "valid" && !transferred);
  const isChanged = email.trim() !== (current ?? "");
  const send = async () => {
    const address = email.trim();
    onSent(await resendTickets(order.id, address));
    setEmail(address);
    setSentTo(address);
  };
  return (
    <section class="panel">
      <h2>{own.sendAgain}</h2>
      <p>{current ? own.currentAddress(current) : own.noAddress}</p>
      {canSend ? (
        <Form onSubmit={send} button={isChanged ? own.changeAndSend : own.send} class="fields">
          {(errorOf) => (
            <BuyerEmail
              value={email}
              autocomplete="off"
              note={order.has_account ? own.addressOfAccount : own.oldEmailStays}
              error={errorOf("email")}
              onValue={(value) => {
                setEmail(value);
                setSentTo(null);
              }}
            />
          )}
        </Form>
      ) : (
        <p>{own.nothingToSend}</p>
      )}
      <div role="status">{sentTo && <p class="notice">{own.sent(sentTo)}</p>}</div>
    </section>
  );
}
