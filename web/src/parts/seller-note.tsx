/** Who sells the tickets of an event, how to contact the seller, and what buyers should know before they buy. */

import { getSeller } from "../api";
import { useLoaded } from "./hooks";
import { PlainText } from "./plain-text";
import { useTexts } from "../texts";

export function SellerNote({ eventId }: { eventId: string }) {
  const { t } = useTexts();
  const { value: seller } = useLoaded(() => getSeller(eventId), eventId);
  if (!seller) return null;
  return (
    <section class="seller">
      <p>
        {t.orders.seller} <strong>{seller.name}</strong>
      </p>
      {seller.contact && <PlainText class="small" text={seller.contact} />}
      {seller.policies && (
        <details>
          <summary>{t.orders.policies}</summary>
          <PlainText text={seller.policies} />
        </details>
      )}
    </section>
  );
}
