/**
 * Where somebody saves a card: for a waiting room that gives one place to each card, or with `?entry=` for a ballot, which charges the card if
 * the draw gives tickets. The waiting room itself loads nothing from Stripe.
 */

import { useLocation, useRoute } from "preact-iso";
import { useState } from "preact/hooks";
import { buyer } from "../api";
import { content, publicApi } from "../client";
import { money } from "../formats";
import { Failure, FailureTexts, Skeleton } from "../parts/failure";
import { Form } from "../parts/form";
import { useLoaded, useTitle } from "../parts/hooks";
import { PaymentForm, reloadForPayment, usePaymentElement } from "../parts/payment-element";
import { withWork } from "../proof-of-work";
import { useTexts } from "../texts";
import type { cardTexts as en } from "../texts/en-card";
import { inEachLanguage } from "../texts/languages";

/** All languages are in this file, because they are smaller than a second request. */
const TEXTS = inEachLanguage(import.meta.glob<typeof en>("../texts/??-card.ts", { eager: true, import: "cardTexts" }));
/** A card that nobody charges, without wallets, whose numbers differ from the card's. */
const SETUP = {
  group: { mode: "setup" as const, allowedPaymentMethodTypes: ["card"], paymentMethodCreation: "manual" as const },
  element: { wallets: { applePay: "never" as const, googlePay: "never" as const, link: "never" as const } },
};
const SIMULATED = ["card-1", "card-2", "declined"] as const;
const SIMULATED_LATER = ["card-1", "declined-later", "declined"] as const; // `declined-later` fails when it is charged

export function CardPage() {
  const eventId = useRoute().params.eventId!;
  const { route, query } = useLocation();
  const { language, locale } = useTexts();
  const texts = TEXTS[language];
  const params = { path: { event_id: eventId } };
  const entry = query.entry && { path: { entry_id: query.entry } };
  const line = `/events/${eventId}/line`;
  const { value: keys, failure, reload } = useLoaded(async () => {
    const shown = ADDONS.waitlist && entry
      ? await content(buyer.GET("/waitlist/{entry_id}/card", { params: entry }))
      : { ...(await content(publicApi.GET("/events/{event_id}/waiting-room/card", { params }))), max_cents: null, currency: "" };
    return shown.publishable_key && reloadForPayment() ? null : shown;
  }, `${eventId} ${query.entry}`);
  const element = usePaymentElement(keys, SETUP);
  const [isIncomplete, setIncomplete] = useState(false);
  const title = entry ? texts.ballotTitle : texts.title;
  useTitle(title);
  const check = async (body: { card?: string; check_id?: string | null }) => {
    if (!ADDONS.waitlist || !entry) return withWork((work) => content(buyer.POST("/events/{event_id}/waiting-room/card", { params, body: { ...body, ...work } })));
    return { ...(await content(buyer.POST("/waitlist/{entry_id}/card", { params: entry, body: { ...body, max_cents: keys!.max_cents! } }))), card_proof: null };
  };
  /** Return Stripe's id of the card in the form, or null if the form is not complete. */
  const readCard = async () => {
    const { stripe, elements } = element.loaded.current ?? {};
    if (!stripe || !elements || (await elements.submit()).error) return null;
    return (await stripe.createPaymentMethod({ elements })).paymentMethod?.id ?? null;
  };
  const save = async ({ simulated }: Record<string, string>) => {
    const card = simulated ?? (await readCard());
    setIncomplete(card === null);
    if (card === null) return;
    let checked = await check({ card });
    if (checked.client_secret) {
      await element.loaded.current?.stripe.handleNextAction({ clientSecret: checked.client_secret }); // the bank asks the owner
      checked = await check({ check_id: checked.check_id });
    }
    if (entry ? checked.client_secret : !checked.card_proof) return; // the owner has not answered the bank
    if (checked.card_proof) localStorage.setItem(`fairgate.card.${eventId}`, checked.card_proof); // which `use-place.ts` reads
    route(line, true);
  };
  return (
    <div class="page page-narrow">
      <p>
        <a class="back" href={line}>
          {texts.back}
        </a>
      </p>
      <h1>{title}</h1>
      <FailureTexts.Provider value={texts.failures}>
        {!keys ? (
          failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={8} />
        ) : (
          <Form onSubmit={save} button={texts.save}>
            {() => (
              <>
                <p>{entry ? texts.ballotIntro : texts.intro}</p>
                {keys.publishable_key ? (
                  <PaymentForm element={element} />
                ) : (
                  <fieldset>
                    <legend class="small">{texts.simulated}</legend>
                    {(entry ? SIMULATED_LATER : SIMULATED).map((card, index) => (
                      <label class="check choice" key={card}>
                        <input type="radio" name="simulated" value={card} defaultChecked={index === 0} />
                        {texts.cards[card]}
                      </label>
                    ))}
                  </fieldset>
                )}
                {keys.max_cents !== null && (
                  <label class="check">
                    <input type="checkbox" name="accepted" required />
                    {texts.accept(money(keys.max_cents, keys.currency, locale))}
                  </label>
                )}
                {isIncomplete && (
                  <p class="notice notice-bad" role="alert">
                    {texts.incomplete}
                  </p>
                )}
              </>
            )}
          </Form>
        )}
      </FailureTexts.Provider>
    </div>
  );
}
