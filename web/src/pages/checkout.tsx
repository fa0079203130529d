/** Paying for what is on hold: names, payment, and every way in which that can end. */

import { useLocation, useRoute } from "preact-iso";
import { useEffect, useState } from "preact/hooks";
import { ApiFailure, confirm, getReservation, openCheckout, release, type Reservation, type Session } from "../api";
import { clock, money } from "../formats";
import { Failure, Skeleton } from "../parts/failure";
import { GuestNote } from "../parts/guest-note";
import { useAction, useKept, useLoaded, useNow, useTitle } from "../parts/hooks";
import { reloadForPayment, usePaymentElement } from "../parts/payment-element";
import { Ended, Over, Returned, type End } from "../parts/payment-result";
import { forgetReservation, reservedEventName } from "../reserved";
import { useTexts } from "../texts";

const WARN_SECONDS = 60;

export function Checkout() {
  const eventId = useRoute().params.eventId!;
  const { path, query, route } = useLocation();
  const { t } = useTexts();
  const { value: reservation, failure, reload } = useLoaded(() => getReservation(eventId), eventId);
  const [end, setEnd] = useState<End | null>(null);
  const [isUnpaid, setUnpaid] = useState(query.redirect_status === "failed");
  useTitle(t.checkout.title);

  const checkoutId = query.paid ?? reservation?.id ?? null;
  const finish = (status: Session["status"]) => {
    forgetReservation(eventId);
    if (status === "completed") {
      sessionStorage.removeItem(`fairgate.chosen.${eventId}`);
      route("/tickets?new=1", true); // Back then leads to the event, not to a checkout that is over
    } else if (status === "failed") setEnd("declined");
    else if (status === "refunded") setEnd("refunded");
    else if (status === "expired") setEnd("expired");
    else if (status === "canceled") setEnd("none");
  };
  const isMissing = failure?.status === 404; // over, or never there
  const unpaid = () => {
    setUnpaid(true);
    route(path, true); // without what the provider has added to the address
  };
  return (
    <div class="page page-narrow checkout">
      <p>
        <a class="back" href={`/events/${eventId}`}>
          {t.back}
        </a>
      </p>
      <h1>{t.checkout.title}</h1>
      {end ? (
        <Ended end={end} eventId={eventId} checkoutId={checkoutId} />
      ) : query.paid ? (
        <Returned checkoutId={query.paid} finish={finish} unpaid={unpaid} />
      ) : isMissing && reservation ? (
        <Over reservation={reservation} finish={finish} />
      ) : isMissing ? (
        <Ended end="none" eventId={eventId} checkoutId={null} />
      ) : !reservation ? (
        failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={5} />
      ) : (
        <Held reservation={reservation} finish={finish} end={setEnd} isUnpaid={isUnpaid} />
      )}
    </div>
  );
}

interface HeldProps {
  reservation: Reservation;
  finish: (status: Session["status"]) => void;
  end: (end: End) => void;
  /** The buyer comes back from a payment that was not made. */
  isUnpaid: boolean;
}

function Held({ reservation, finish, end, isUnpaid }: HeldProps) {
  const { t, locale } = useTexts();
  const eventId = reservation.event_id;
  const [eventName] = useState(() => reservedEventName(eventId));
  const [names, setNames] = useKept<string[]>(`fairgate.names.${eventId}`, []);
  const [session, setSession] = useState<Session | null>(null);
  const [wasOpened, setOpened] = useKept(`fairgate.opened.${reservation.id}`, false);
  const [simulate, setSimulate] = useKept<"success" | "fail">(`fairgate.simulate.${eventId}`, "success");
  const [notPaid, setNotPaid] = useState(isUnpaid ? t.checkout.notPaid : null);
  const [isPaid, setPaid] = useState(false);
  const { isWorking, failure, run } = useAction();
  const element = usePaymentElement(session?.payment ?? null);
  const seconds = Date.parse((session?.reservation ?? reservation).expires_at) / 1000 - useNow();
  const tickets = reservation.items.flatMap((item) => Array.from({ length: item.quantity }, () => item.tier_name));
  const amount = money(reservation.total_price_cents, reservation.currency, locale);
  const isFree = reservation.total_price_cents === 0;
  const back = `${location.origin}/events/${eventId}/checkout`;

  const act = (action: () => Promise<void>) =>
    run(async () => {
      try {
        await action();
      } catch (error) {
        if (!(error instanceof ApiFailure)) throw error;
        if (error.code === "reservation_expired_or_invalid") end(seconds > 0 ? "none" : "expired"); // given back in another tab
        else if (error.code === "payment_refunded") end("refunded");
        else if (error.code === "reservation_converted") finish("completed"); // paid in another tab
        else throw error;
      }
    });
  const open = async () => {
    const typed = tickets.map((_, index) => names[index]?.trim() ?? "").filter(Boolean);
    const opened = await openCheckout(reservation.id, typed, back, await openingKey(reservation.id, typed));
    setOpened(true);
    if (!opened.payment?.client_secret || !reloadForPayment()) setSession(opened);
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
      if (session?.payment?.client_secret) {
        const reason = await element.pay(`${back}?paid=${reservation.id}`);
        setNotPaid(reason);
        return setPaid(reason === null);
      }
      const outcome = session?.payment?.provider === "simulated" ? simulate : undefined;
      finish((await confirm(reservation.id, outcome)).checkout_session.status);
    });
  };
  const cancel = () =>
    act(async () => {
      await release(reservation.id);
      forgetReservation(eventId);
      end("none");
    });
  useEffect(() => {
    if (wasOpened) act(async () => void (await open())); // reloaded while paying
  }, []);

  const unpaid = () => {
    setPaid(false);
    setNotPaid(t.checkout.notPaid);
  };
  if (isPaid) return <Returned checkoutId={reservation.id} finish={finish} unpaid={unpaid} />;
  if (seconds <= 0 && !isWorking) return <Over reservation={reservation} finish={finish} />;
  return (
    <>
      <HoldClock seconds={seconds} />
      <section class="panel ticket">
        <h2>{t.checkout.order}</h2>
        {eventName && <p>{eventName}</p>}
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
      <GuestNote text={t.guest.before} />
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
          {session.payment?.client_secret && (
            <>
              {element.state === "loading" && <Skeleton lines={4} />}
              <div ref={element.box} class="payment-element" hidden={element.state === "failed"} />
              {element.state === "failed" && (
                <div class="notice notice-bad" role="alert">
                  <p>{t.checkout.formMissing}</p>
                  <button type="button" class="button button-quiet" onClick={element.retry}>
                    {t.retry}
                  </button>
                </div>
              )}
            </>
          )}
          {notPaid && (
            <p class="notice notice-bad" role="alert">
              {notPaid}
            </p>
          )}
          <button type="submit" class="button" disabled={isWorking || (Boolean(session.payment?.client_secret) && element.state !== "ready")}>
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
  const isSoon = seconds < WARN_SECONDS;
  return (
    <div class={`hold ${isSoon ? "hold-soon" : ""}`}>
      <p class="hold-left">
        <span>{t.checkout.hold}</span> <strong role="timer">{clock(seconds)}</strong>
      </p>
      {isSoon && <p class="small">{t.checkout.holdSoon}</p>}
      <p class="hidden" aria-live={isSoon ? "assertive" : "polite"}>
        {t.checkout.holdAnnounce(announcedSeconds(seconds))}
      </p>
    </div>
  );
}

/** What a screen reader says: whole minutes, then the last half minute and the last ten seconds. */
function announcedSeconds(seconds: number): number {
  if (seconds > 30) return 60 * Math.ceil(seconds / 60);
  return seconds > 10 ? 30 : 10;
}

/** The same names give the same key, so that repeating the request opens nothing twice; other names are another request. */
async function openingKey(reservationId: string, names: string[]): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(names)));
  const hex = Array.from(new Uint8Array(digest, 0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${reservationId}-${hex}`;
}
