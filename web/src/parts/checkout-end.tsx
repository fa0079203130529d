/** After the payment: poll until it is decided, and show how the checkout ended. */

import { useEffect, useState } from "preact/hooks";
import { ApiFailure, confirm, getSession, type Reservation, type Session } from "../api";
import { money } from "../formats";
import { now } from "../server-time";
import { useTexts } from "../texts";
import { hasPlace } from "../use-place";
import { Failure, OtherWays, Outcome, Skeleton } from "./failure";
import { useLoaded } from "./hooks";
import { RefundState } from "./refunds";

export type End = "expired" | "refunded" | "none";

const ASK_AGAIN_MS = 2500;
const REFUND_SECONDS = 20;
const BANK_ASK_AGAIN_MS = 30_000;

interface Asking {
  checkoutId: string;
  finish: (state: Session["state"]) => void;
}

/** The buyer has returned from paying, and the payment may take a moment to arrive. `unpaid`: the buyer still has to pay, or pay another way. */
export function Returned({ checkoutId, finish, unpaid }: Asking & { unpaid: () => void }) {
  const { t } = useTexts();
  const [failure, setFailure] = useState<ApiFailure | null>(null);
  const [isAtBank, setAtBank] = useState(false);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async () => {
      try {
        finish((await confirm(checkoutId)).checkout_session.state);
      } catch (error) {
        if (!(error instanceof ApiFailure)) throw error;
        const paymentStatus = error.details.payment_status;
        if (error.code === "reservation_expired_or_invalid") finish("expired");
        else if (error.code === "payment_refunded") finish("refunded");
        else if (paymentStatus === "requires_payment_method" || paymentStatus === "requires_action") unpaid();
        else {
          setFailure(error.code === "payment_not_completed" ? null : error);
          setAtBank(paymentStatus === "processing");
          timer = setTimeout(ask, paymentStatus === "processing" ? BANK_ASK_AGAIN_MS : ASK_AGAIN_MS);
        }
      }
    };
    void ask();
    return () => clearTimeout(timer);
  }, [checkoutId]);
  const isDown = failure !== null && (failure.status === 0 || failure.status >= 500);
  return (
    <Outcome tone="calm" title={isAtBank ? t.checkout.atBank : t.checkout.checking}>
      <p>{isAtBank ? t.checkout.atBankNote : isDown ? t.checkout.checkingDown : t.checkout.checkingNote}</p>
      {failure && !isDown && <Failure failure={failure} />}
      {(isAtBank || failure) && <OtherWays />}
    </Outcome>
  );
}

/** The hold has expired, or another tab ended it: find out how. The API no longer knows a reservation that nobody tried to pay for. */
export function Over({ reservation, finish }: { reservation: Reservation; finish: Asking["finish"] }) {
  const { id: checkoutId, expires_at: expiresAt } = reservation;
  const [failure, setFailure] = useState<ApiFailure | null>(null);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async () => {
      try {
        const { state } = await getSession(checkoutId);
        if (state !== "pending") return finish(state);
      } catch (error) {
        if (!(error instanceof ApiFailure)) throw error;
        if (error.status === 404) return finish(Date.parse(expiresAt) / 1000 <= now() ? "expired" : "cancelled");
        setFailure(error);
      }
      timer = setTimeout(ask, ASK_AGAIN_MS);
    };
    void ask();
    return () => clearTimeout(timer);
  }, [checkoutId, attempt]);
  return failure ? <Failure failure={failure} retry={() => setAttempt(attempt + 1)} /> : <Skeleton lines={3} />;
}

export function Ended({ end, eventId, checkoutId }: { end: End; eventId: string; checkoutId: string | null }) {
  const { t } = useTexts();
  const texts = {
    expired: [t.checkout.expiredTitle, t.checkout.expiredText],
    refunded: [t.checkout.refundedTitle, t.checkout.refundedText],
    none: [t.checkout.noneTitle, t.checkout.noneText],
  } as const;
  return (
    <Outcome tone="calm" title={texts[end][0]}>
      <p>{texts[end][1]}</p>
      {end === "refunded" && checkoutId && <LateMoney checkoutId={checkoutId} />}
      <p class="row">
        <a class="button" href={hasPlace(eventId) ? `/events/${eventId}/line` : `/events/${eventId}`}>
          {t.checkout.again}
        </a>
        <a href="/tickets">{t.nav.tickets}</a>
      </p>
    </Outcome>
  );
}

/** The state of the refund for a payment that arrived too late. */
function LateMoney({ checkoutId }: { checkoutId: string }) {
  const { locale } = useTexts();
  const { value } = useLoaded(() => getSession(checkoutId), checkoutId, REFUND_SECONDS);
  return (
    <ul>
      {value?.refunds?.map((refund) => (
        <li key={refund.id}>
          <strong>{money(refund.amount_cents, refund.currency, locale)}</strong> · <RefundState refund={refund} />
        </li>
      ))}
    </ul>
  );
}
