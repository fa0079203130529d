/** The field for a promo code: "Apply" shows the new total at once, and the field explains why a code was refused. */

import { useEffect, useRef } from "preact/hooks";
import type { ApiFailure, Reservation } from "../api";
import { money } from "../formats";
import { useTexts } from "../texts";
import { useFailureText } from "./failure";
import { Labelled } from "./form";

interface Props {
  code: string;
  onCode: (code: string) => void;
  apply: () => void;
  /** The reservation with the discount; null before the code was applied. */
  applied: Reservation | null;
  refusal: ApiFailure | null;
}

export function PromoCode({ code, onCode, apply, applied, refusal }: Props) {
  const { t, locale } = useTexts();
  const textOf = useFailureText();
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (refusal) box.current?.querySelector("input")?.focus();
    if (refusal || applied) box.current?.scrollIntoView({ block: "center" }); // the text below the field is on the screen, too
  }, [refusal, applied]);
  const amount = (cents: number) => money(cents, applied!.currency, locale);
  const applyFirst = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || applied || !code.trim()) return;
    event.preventDefault(); // the next Enter continues to payment
    apply();
  };
  return (
    <div class="promo-code" ref={box}>
      <Labelled
        label={t.checkout.optional(t.checkout.promoCode)}
        error={refusal && (textOf(refusal.code) ?? refusal.message)}
        beside={
          <button type="button" class="button button-quiet" onClick={apply}>
            {t.checkout.apply}
          </button>
        }
      >
        {(attributes) => (
          <input
            {...attributes}
            type="text"
            name="promo-code"
            autocomplete="off"
            autocapitalize="characters"
            spellcheck={false}
            maxLength={20}
            value={code}
            onInput={({ currentTarget }) => onCode(currentTarget.value)}
            onKeyDown={applyFirst}
          />
        )}
      </Labelled>
      <p class="saved" role="status">
        {applied && t.checkout.applied(amount(applied.discount_cents), applied.total_price_cents === 0 ? t.free : amount(applied.total_price_cents))}
      </p>
    </div>
  );
}
