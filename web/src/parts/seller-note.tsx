/** Who sells the tickets of an event, how to contact the seller, and what buyers should know before they buy. */

import { Fragment } from "preact";
import { getPromoter, getSeller, legalText, type LegalTexts, type Seller } from "../api";
import { Picture } from "./event-picture";
import { useBrand, useLoaded } from "./hooks";
import { PlainText } from "./plain-text";
import { useTexts } from "../texts";
import { useLegalTexts } from "../texts/use-legal";

export function SellerNote({ eventId }: { eventId: string }) {
  const { value: seller } = useLoaded(() => getSeller(eventId), eventId);
  return seller && <SellerText seller={seller} />;
}

export function SellerText({ seller }: { seller: Seller }) {
  const { t } = useTexts();
  return (
    <section class="seller">
      <p>
        {t.orders.seller} <strong>{seller.promoter_id ? <a href={`/?promoter=${seller.promoter_id}`}>{seller.name}</a> : seller.name}</strong>
      </p>
      {seller.contact && <PlainText class="small" text={seller.contact} />}
      <Policies text={seller.policies} />
      {seller.legal_texts && <LegalLinks texts={seller.legal_texts} />}
    </section>
  );
}

/** What a promoter says about themselves, above the list of their events. */
export function PromoterNote({ id }: { id: string }) {
  const { t } = useTexts();
  const { value: promoter } = useLoaded(() => getPromoter(id), id);
  useBrand(promoter?.brand);
  return (
    <div class="hero">
      <p>
        <a class="back" href="/">
          {t.allEvents}
        </a>
      </p>
      {promoter?.brand?.logo && <Picture class="logo" image={promoter.brand.logo} sizes="12rem" first />}
      <h1>{promoter ? promoter.company || promoter.name : t.store.title}</h1>
      {promoter && (
        <div class="seller">
          {promoter.description && <PlainText text={promoter.description} />}
          <PlainText class="small" text={[promoter.website, promoter.email].filter(Boolean).join(" · ")} />
          <Policies text={promoter.policies} />
        </div>
      )}
    </div>
  );
}

/** Links to legal texts, such as the imprint and the terms. They open in a tab of their own, so that nobody loses a checkout. */
export function LegalLinks({ texts }: { texts: LegalTexts }) {
  const { language } = useTexts();
  const legal = useLegalTexts();
  const kinds = [...new Set(texts.map(({ kind }) => kind))];
  return (
    <p class="small">
      {kinds.map((kind, index) => {
        const text = legalText(texts, kind, language)!;
        return (
          <Fragment key={kind}>
            {index > 0 && " · "}
            <a href={text.url ?? `/legal/${text.id}`} target="_blank" rel="noopener noreferrer">
              {legal.kinds[kind]}
            </a>
          </Fragment>
        );
      })}
    </p>
  );
}

/** The sentence by the button of the checkout that says which terms apply. */
export function AcceptedTerms({ terms }: { terms: LegalTexts[number] }) {
  const legal = useLegalTexts();
  return (
    <p class="small">
      <a href={terms.url ?? `/legal/${terms.id}`} target="_blank" rel="noopener noreferrer">
        {legal.accept}
      </a>
    </p>
  );
}

function Policies({ text }: { text: string }) {
  const { t } = useTexts();
  if (!text) return null;
  return (
    <details>
      <summary>{t.orders.policies}</summary>
      <PlainText text={text} />
    </details>
  );
}
