/** Paying for what is on hold: names, payment, and every way in which that can end. */

import { useLocation, useRoute } from "preact-iso";
import { useEffect, useState } from "preact/hooks";
import { ApiFailure, confirm, getReservation, getSession, openCheckout, release, type Confirmation, type Reservation, type Session } from "../api";
import { clock, money } from "../formats";
import { Failure, Outcome, Skeleton } from "../parts/failure";
import { useAction, useKept, useLoaded, useNow, useTitle } from "../parts/hooks";
import { useTexts } from "../texts";

type End = "declined" | "expired" | "refunded" | "none";

const WARN_SECONDS = 60;
const ASK_AGAIN_MS = 2500;

export function Checkout() {
  const eventId = useRoute().params.eventId!;
  const { query, route } = useLocation();
  const { t } = useTexts();
  const { value: reservation, failure, reload } = useLoaded(() => getReservation(eventId), eventId);
  const [end, setEnd] = useState<End | null>(null);
  useTitle(t.checkout.title);

  const finish = (status: Session["status"]) => {
    if (status === "completed") {
      sessionStorage.removeItem(`fairgate.chosen.${eventId}`);
      route("/tickets?new=1", true); // Back then leads to the event, not to a checkout that is over
    } else if (status === "failed") setEnd("declined");
    else if (status === "refunded") setEnd("refunded");
    else if (status === "expired" || status === "canceled") setEnd("expired");
  };
  const isMissing = failure?.status === 404; // over, or never there
  return (
    <div class="page page-narrow checkout">
      <p>
        <a class="back" href={`/events/${eventId}`}>
          {t.back}
        </a>
      </p>
      <h1>{t.checkout.title}</h1>
      {end ? (
        <Ended end={end} eventId={eventId} />
      ) : query.paid ? (
        <Returned checkoutId={query.paid} finish={finish} />
      ) : isMissing && reservation ? (
        <Over checkoutId={reservation.id} finish={finish} />
      ) : isMissing ? (
        <Ended end="none" eventId={eventId} />
      ) : !reservation ? (
        failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={5} />
      ) : (
        <Held reservation={reservation} finish={finish} end={setEnd} />
      )}
    </div>
  );
}

function Held({ reservation, finish, end }: { reservation: Reservation; finish: (status: Session["status"]) => void; end: (end: End) => void }) {
  const { t, locale } = useTexts();
  const eventId = reservation.event_id;
  const [names, setNames] = useKept<string[]>(`fairgate.names.${eventId}`, []);
  const [session, setSession] = useState<Session | null>(null);
  const [wasOpened, setOpened] = useKept(`fairgate.opened.${reservation.id}`, false);
  const [simulate, setSimulate] = useKept<"success" | "fail">(`fairgate.simulate.${eventId}`, "success");
  const { isWorking, failure, run } = useAction();
  const seconds = Date.parse((session?.reservation ?? reservation).expires_at) / 1000 - useNow();
  const tickets = reservation.items.flatMap((item) => Array.from({ length: item.quantity }, () => item.tier_name));
  const amount = money(reservation.total_price_cents, reservation.currency, locale);
  const isFree = reservation.total_price_cents === 0;

  const act = (action: () => Promise<void>) =>
    run(async () => {
      try {
        await action();
      } catch (error) {
        if (!(error instanceof ApiFailure)) throw error;
        if (error.code === "reservation_expired_or_invalid") end("expired");
        else if (error.code === "payment_refunded") end("refunded");
        else throw error;
      }
    });
  const open = async () => {
    const typed = tickets.map((_, index) => names[index]?.trim() ?? "").filter(Boolean);
    const back = `${location.origin}/events/${eventId}/checkout`;
    const opened = await openCheckout(reservation.id, typed, back, await openingKey(reservation.id, typed));
    setSession(opened);
    setOpened(true);
    return opened;
  };
  const toPayment = (submitted: SubmitEvent) => {
    submitted.preventDefault();
    act(async () => {
      const opened = await open();
      if (opened.payment?.provider === "free") finish((await confirm(opened.id)).checkout_session.status);
    });
  };
  const pay = (submitted: SubmitEvent) => {
    submitted.preventDefault();
    act(async () => {
      if (session?.payment?.url) return location.assign(session.payment.url);
      const confirmed: Confirmation = await confirm(reservation.id, session?.payment?.provider === "simulated" ? simulate : undefined);
      finish(confirmed.checkout_session.status);
    });
  };
  const cancel = () =>
    act(async () => {
      await release(reservation.id);
      end("none");
    });
  useEffect(() => {
    if (wasOpened) act(async () => void (await open())); // reloaded while paying
  }, []);

  if (seconds <= 0 && !isWorking) return <Over checkoutId={reservation.id} finish={finish} />;
  return (
    <>
      <HoldClock seconds={seconds} />
      <section class="panel ticket">
        <h2>{t.checkout.order}</h2>
        <ul class="lines">
          {reservation.items.map((item) => (
            <li key={item.tier_id}>
              <span>
                {item.quantity} × {item.tier_name}
              </span>
              <span class="numbers">{item.total_price_cents === 0 ? t.free : money(item.total_price_cents, reservation.currency, locale)}</span>
            </li>
          ))}
        </ul>
        <div class="total">
          <span>{t.event.total}</span>
          <strong>{isFree ? t.free : amount}</strong>
        </div>
      </section>
      {failure && <Failure failure={failure} />}
      {!session ? (
        <form class="panel" onSubmit={toPayment}>
          <fieldset>
            <legend>{t.checkout.names}</legend>
            <p class="small">{t.checkout.namesNote}</p>
            {tickets.map((tier, index) => (
              <label class="field" key={index}>
                <span>{t.checkout.nameOf(index + 1, tier)}</span>
                <input
                  type="text"
                  name={`name-${index}`}
                  autocomplete={index === 0 ? "name" : "off"}
                  maxLength={120}
                  value={names[index] ?? ""}
                  onInput={({ currentTarget }) => setNames(tickets.map((_, at) => (at === index ? currentTarget.value : (names[at] ?? ""))))}
                />
              </label>
            ))}
          </fieldset>
          <button type="submit" class="button" disabled={isWorking}>
            {isWorking ? t.checkout.working : isFree ? t.checkout.getFree : t.checkout.toPayment}
          </button>
        </form>
      ) : (
        <form class="panel" onSubmit={pay}>
          <h2>{t.checkout.payment}</h2>
          {session.payment?.provider === "simulated" && (
            <fieldset>
              <legend class="small">{t.checkout.simulated}</legend>
              {(["success", "fail"] as const).map((outcome) => (
                <label class="check choice" key={outcome}>
                  <input type="radio" name="simulate" value={outcome} checked={simulate === outcome} onChange={() => setSimulate(outcome)} />
                  {outcome === "success" ? t.checkout.approve : t.checkout.decline}
                </label>
              ))}
            </fieldset>
          )}
          {session.payment?.url && <p>{t.checkout.elsewhere}</p>}
          <button type="submit" class="button" disabled={isWorking}>
            {isWorking ? t.checkout.working : t.checkout.pay(amount)}
          </button>
        </form>
      )}
      <button type="button" class="link" onClick={cancel} disabled={isWorking}>
        {t.checkout.cancel}
      </button>
    </>
  );
}

function HoldClock({ seconds }: { seconds: number }) {
  const { t } = useTexts();
  const minutes = Math.ceil(seconds / 60);
  const isSoon = seconds < WARN_SECONDS;
  return (
    <div class={`hold ${isSoon ? "hold-soon" : ""}`}>
      <p>
        {t.checkout.hold} <strong role="timer">{clock(seconds)}</strong>
      </p>
      {isSoon && <p class="small">{t.checkout.holdSoon}</p>}
      <p class="hidden" aria-live="polite">
        {minutes > 0 ? t.checkout.holdAnnounce(minutes) : ""}
      </p>
    </div>
  );
}

/** Back from the provider's page: the payment may take a moment to arrive, so ask until it is decided. */
function Returned({ checkoutId, finish }: { checkoutId: string; finish: (status: Session["status"]) => void }) {
  const { t } = useTexts();
  const [failure, setFailure] = useState<ApiFailure | null>(null);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async () => {
      try {
        finish((await confirm(checkoutId)).checkout_session.status);
      } catch (error) {
        if (!(error instanceof ApiFailure)) throw error;
        if (error.code === "reservation_expired_or_invalid") finish("expired");
        else if (error.code === "payment_refunded") finish("refunded");
        else {
          setFailure(error.code === "payment_not_completed" ? null : error);
          timer = setTimeout(ask, ASK_AGAIN_MS);
        }
      }
    };
    void ask();
    return () => clearTimeout(timer);
  }, [checkoutId]);
  return (
    <Outcome tone="calm" title={t.checkout.checking}>
      <p>{t.checkout.checkingNote}</p>
      {failure && <Failure failure={failure} />}
    </Outcome>
  );
}

/** The time is over, or another tab ended it: ask how. */
function Over({ checkoutId, finish }: { checkoutId: string; finish: (status: Session["status"]) => void }) {
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = () =>
      getSession(checkoutId).then(
        ({ status }) => (status === "pending" ? (timer = setTimeout(ask, ASK_AGAIN_MS)) : finish(status)),
        (failure) => (failure.status === 404 ? finish("expired") : (timer = setTimeout(ask, ASK_AGAIN_MS))),
      );
    void ask();
    return () => clearTimeout(timer);
  }, [checkoutId]);
  return <Skeleton lines={3} />;
}

function Ended({ end, eventId }: { end: End; eventId: string }) {
  const { t } = useTexts();
  const texts = {
    declined: [t.checkout.declinedTitle, t.checkout.declinedText],
    expired: [t.checkout.expiredTitle, t.checkout.expiredText],
    refunded: [t.checkout.refundedTitle, t.checkout.refundedText],
    none: [t.checkout.noneTitle, t.checkout.noneText],
  } as const;
  return (
    <Outcome tone={end === "declined" ? "bad" : "calm"} title={texts[end][0]}>
      <p>{texts[end][1]}</p>
      <p class="row">
        <a class="button" href={`/events/${eventId}`}>
          {t.checkout.again}
        </a>
        <a href="/tickets">{t.nav.tickets}</a>
      </p>
    </Outcome>
  );
}

/** The same names give the same key, so that repeating the request opens nothing twice; other names are another request. */
async function openingKey(reservationId: string, names: string[]): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(names)));
  const hex = Array.from(new Uint8Array(digest, 0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${reservationId}-${hex}`;
}
