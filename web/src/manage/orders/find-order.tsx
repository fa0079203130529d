/** The way to an order by its number, where the stage has no list of orders: the add-on `reports` is off. */

import { useLocation } from "preact-iso";
import { useState } from "preact/hooks";
import { TextField } from "../parts/fields";
import { Form } from "../../parts/form";
import { useRoomTexts } from "../texts";
import { useManagedEvent } from "../who";
import { parseOrderId } from "./order-numbers";

export function FindOrder() {
  const own = useRoomTexts("orders");
  const { event } = useManagedEvent();
  const { route } = useLocation();
  const [values, setValues] = useState({ number: "" });
  const [isUnknown, setUnknown] = useState(false);
  const open = async () => {
    const id = parseOrderId(values.number);
    setUnknown(id === null);
    if (id) route(`/manage/events/${event.id}/orders/${id}`);
  };
  return (
    <div class="page page-narrow">
      <h1>{own.title}</h1>
      <Form onSubmit={open} button={own.find}>
        {() => (
          <TextField
            name="number"
            label={own.number}
            note={own.numberNote}
            draft={{ values, set: (changes) => setValues({ ...values, ...changes }) }}
            errorOf={() => (isUnknown ? own.noNumber : null)}
            required
            maxLength={60}
          />
        )}
      </Form>
    </div>
  );
}
