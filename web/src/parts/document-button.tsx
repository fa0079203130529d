/** A button that saves a document of an order. A link would not do: its address alone does not say who asks. */

import { getDocument, type DocumentKind } from "../api";
import { save } from "../downloads";
import { useTexts } from "../texts";
import { Failure } from "./failure";
import { useAction } from "./hooks";

interface Props {
  orderId: string;
  kind: DocumentKind;
  class?: string;
}

export function DocumentButton({ orderId, kind, class: className = "button button-quiet" }: Props) {
  const { t, language } = useTexts();
  const { isWorking, failure, run } = useAction();
  const download = () => run(async () => save(await getDocument(orderId, kind, language), `${kind}-${orderId}.pdf`));
  return (
    <>
      <button type="button" class={className} onClick={download} disabled={isWorking}>
        {isWorking ? t.checkout.working : t.orders.files[kind]}
      </button>
      {failure && <Failure failure={failure} />}
    </>
  );
}
