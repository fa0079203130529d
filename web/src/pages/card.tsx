/** Where somebody saves a card for a waiting room that gives one place to each card. The waiting room itself loads nothing of Stripe's. */

import { useLocation, useRoute } from "preact-iso";
import { useState } from "preact/hooks";
import { buyer } from "../api";
import { content, publicApi, type Schemas } from "../client";
import { Failure, FailureTexts, Skeleton } from "../parts/failure";
import { Form } from "../parts/form";
import { useLoaded, useTitle } from "../parts/hooks";
import { PaymentForm, reloadForPayment, usePaymentElement } from "../parts/payment-element";
import { withWork } from "../proof-of-work";
import { useTexts, type Language } from "../texts";
import { cardTexts as en } from "../texts/en-card";
import { cardTexts as es } from "../texts/es-card";

/** Both languages are in this file, because one is smaller than a second request. */
const TEXTS: Record<Language, typeof en> = { en, es };
const SIMULATED = ["card-1", "card-2", "declined"] as const;

export function CardPage() {
  const eventId = useRoute().params.eventId!;
  const { route } = useLocation();
  const texts = TEXTS[useTexts().language];
  const params = { path: { event_id: eventId } };
  const line = `/events/${eventId}/line`;
  const { value: keys, failure, reload } = useLoaded(async () => {
    const shown = await content(publicApi.GET("/events/{event_id}/waiting-room/card", { params }));
    return shown.publishable_key && reloadForPayment() ? null : shown;
  }, eventId);
  const element = usePaymentElement(keys, true);
  const [isIncomplete, setIncomplete] = useState(false);
  useTitle(texts.title);
  const check = (body: Schemas["CardBody"]) => withWork((work) => content(buyer.POST("/events/{event_id}/waiting-room/card", { params, body: { ...body, ...work } })));
  const save = async ({ simulated }: Record<string, string>) => {
    const card = simulated ?? (await element.readCard());
    setIncomplete(card === null);
    if (card === null) return;
    let checked = await check({ card });
    if (checked.client_secret) {
      await element.authenticate(checked.client_secret);
      checked = await check({ check_id: checked.check_id });
    }
    if (!checked.card_proof) return; // the owner has not answered the bank
    localStorage.setItem(`fairgate.card.${eventId}`, checked.card_proof); // which `use-place.ts` reads
    route(line, true);
  };
  return (
    <div class="page page-narrow">
      <p>
        <a class="back" href={line}>
          {texts.back}
        </a>
      </p>
      <h1>{texts.title}</h1>
      <FailureTexts.Provider value={texts.failures}>
        {!keys ? (
          failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={8} />
        ) : (
          <Form onSubmit={save} button={texts.save}>
            {() => (
              <>
                <p>{texts.intro}</p>
                {keys.publishable_key ? (
                  <PaymentForm element={element} />
                ) : (
                  <fieldset>
                    <legend class="small">{texts.simulated}</legend>
                    {SIMULATED.map((card, index) => (
                      <label class="check choice" key={card}>
                        <input type="radio" name="simulated" value={card} defaultChecked={index === 0} />
                        {texts.cards[card]}
                      </label>
                    ))}
                  </fieldset>
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
