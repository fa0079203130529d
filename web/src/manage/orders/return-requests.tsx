/** The buyer's open and declined requests to return tickets of an order. Managers accept or decline them. */

import { useState } from "preact/hooks";
import { Failure } from "../../parts/failure";
import { useAction } from "../../parts/hooks";
import { AreaField } from "../parts/fields";
import { useRoomTexts } from "../texts";
import { useMay } from "../who";
import { decideReturn, type ManagedOrder } from "./orders";

interface Props {
  shown: ManagedOrder;
  replace: (order: ManagedOrder) => void;
}

export function ReturnRequests({ shown, replace }: Props) {
  const own = useRoomTexts("orders");
  const may = useMay();
  return (
    <>
      {shown.return_requests
        .filter(({ status }) => status === "open" || status === "declined")
        .map((request) => (
          <section class="panel" key={request.number}>
            <h2>{own.returnRequest(request.tickets.length, request.status === "declined")}</h2>
            {request.reason && <p>{own.returnReasons[request.reason]}</p>}
            {request.answer && <p class="small">{request.answer}</p>}
            {request.status === "open" && may("refundOrders") && <Decision orderId={shown.order.id} number={request.number} replace={replace} />}
          </section>
        ))}
    </>
  );
}

function Decision({ orderId, number, replace }: { orderId: string; number: number } & Pick<Props, "replace">) {
  const own = useRoomTexts("orders");
  const { isWorking, failure, run } = useAction();
  const [typed, setTyped] = useState({ answer: "" });
  const decide = (accept: boolean) => () => run(async () => replace(await decideReturn(orderId, number, accept, (!accept && typed.answer.trim()) || null)));
  return (
    <div class="fields">
      {failure && <Failure failure={failure} />}
      <AreaField name="answer" label={own.returnAnswer} draft={{ values: typed, set: (changes) => setTyped({ ...typed, ...changes }) }} errorOf={() => null} rows={2} maxLength={500} />
      <p class="row">
        <button type="button" class="button" disabled={isWorking} onClick={decide(true)}>
          {own.acceptReturn}
        </button>
        <button type="button" class="button button-quiet" disabled={isWorking} onClick={decide(false)}>
          {own.declineReturn}
        </button>
      </p>
    </div>
  );
}
