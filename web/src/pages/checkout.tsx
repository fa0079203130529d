/** The checkout of a reservation: names, payment, and every possible outcome. */

import { ErrorBoundary, lazy, useLocation, useRoute } from "preact-iso";
import { Fragment } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiFailure, confirm, getEvent, getReservation, getSeller, legalText, openCheckout, release, type CheckoutDetails, type InvoiceBuyer, type Reservation, type Seller, type Session, type SimulatedOutcome, type EventWithTiers, type Tier } from "../api";
import { money } from "../formats";
import { BuyerEmail } from "../parts/buyer-email";
import { Failure, Skeleton } from "../parts/failure";
import { GuestNote } from "../parts/guest-note";
import { HoldClock } from "../parts/hold-clock";
import { takeFocus, useAction, useBrand, useKept, useLoaded, useNow, useTitle } from "../parts/hooks";
import { Included } from "../parts/included";
import { LoadFailed } from "../parts/load-failed";
import { Terms } from "../parts/terms";
import { PaymentForm, reloadForPayment, usePaymentElement, type PaymentRefusal } from "../parts/payment-element";
import { Ended, Over, Returned, type End } from "../parts/checkout-end";
import { PromoCode } from "../parts/promo-code";
import { askedOptions, givenAnswers, Questions, type Answers } from "../parts/questions";
import { forgetReservation, reservedEventName } from "../reserved";
import { useBuyer } from "../session";
import { useTexts } from "../texts";
import type { Texts } from "../texts/en";

const BankTransfer = lazy(() => import("../parts/bank-transfer").then((part) => part.BankTransfer, () => LoadFailed));
const SellerText = lazy(() => import("../parts/seller-note").then((part) => part.SellerText, () => LoadFailed));
const AcceptedTerms = lazy(() => import("../parts/seller-note").then((part) => part.AcceptedTerms, () => LoadFailed));
const TransferChoice = lazy(() => import("../parts/bank-transfer").then((part) => part.TransferChoice, () => LoadFailed));
const InvoiceFields = lazy(() => import("../parts/invoice-fields").then((part) => part.InvoiceFields, () => LoadFailed));

export function Checkout() {
  const eventId = useRoute().params.eventId!;
  const { path, query, route } = useLocation();
  const { t } = useTexts();
  const { value: held, failure, reload } = useLoaded(() => loadHeld(eventId), eventId);
  useBrand(held?.brand);
  const reservation = held?.reservation;
  const [end, setEnd] = useState<End | null>(null);
  const [isUnpaid, setUnpaid] = useState(query.redirect_status === "failed");
  const title = useRef<HTMLHeadingElement>(null);
  useTitle(t.checkout.title);
  useEffect(() => {
    if (end) title.current?.focus();
  }, [end]);

  const checkoutId = query.paid ?? reservation?.id ?? null;
  const finish = (state: Session["state"]) => {
    forgetReservation(eventId);
    if (state === "completed") {
      sessionStorage.removeItem(`fairgate.chosen.${eventId}`);
      route(`/tickets?new=${checkoutId}`, true); // Back then leads to the event, not to a finished checkout
    } else if (state === "refunded") setEnd("refunded");
    else if (state === "expired") setEnd("expired");
    else if (state !== "pending") setEnd("none");
  };
  const isMissing = failure?.status === 404; // ended, or never existed
  const unpaid = () => {
    setUnpaid(true);
    route(path, true); // without the provider's additions to the address
  };
  return (
    <div class="page page-narrow checkout">
      <p>
        <a class="back" href={`/events/${eventId}`}>
          {t.back}
        </a>
      </p>
      <h1 tabIndex={-1} ref={title}>
        {t.checkout.title}
      </h1>
      {end ? (
        <Ended end={end} eventId={eventId} checkoutId={checkoutId} />
      ) : query.paid ? (
        <Returned checkoutId={query.paid} finish={finish} unpaid={unpaid} />
      ) : isMissing && reservation ? (
        <Over reservation={reservation} finish={finish} />
      ) : isMissing ? (
        <Ended end="none" eventId={eventId} checkoutId={null} />
      ) : !held ? (
        failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={24} />
      ) : (
        <Held {...held} finish={finish} end={setEnd} isUnpaid={isUnpaid} />
      )}
    </div>
  );
}

/** Load the reservation, the questions of its tiers, and the seller. If the event cannot be loaded, there are no questions. */
async function loadHeld(eventId: string): Promise<{ reservation: Reservation; tiers: Tier[]; timezone?: string; seller: Seller | null; brand?: EventWithTiers["brand"] }> {
  const [reservation, event, seller] = await Promise.all([getReservation(eventId), getEvent(eventId).catch(() => null), getSeller(eventId).catch(() => null)]);
  return { reservation, tiers: event?.tiers ?? [], timezone: event?.timezone, seller, brand: event?.brand };
}

interface HeldProps {
  reservation: Reservation;
  tiers: Tier[];
  timezone?: string;
  seller: Seller | null;
  finish: (state: Session["state"]) => void;
  end: (end: End) => void;
  /** The buyer has returned without completing the payment. */
  isUnpaid: boolean;
}

function Held({ reservation, tiers: firstTiers, timezone, seller, finish, end, isUnpaid }: HeldProps) {
  const { t, locale, language } = useTexts();
  const eventId = reservation.event_id;
  const shown = useRef(language);
  const [tiers, setTiers] = useState(firstTiers);
  useEffect(() => {
    if (shown.current !== language) getEvent(eventId).then((event) => setTiers(event.tiers), () => null);
    shown.current = language;
  }, [language]);
  const [eventName] = useState(() => reservedEventName(eventId));
  const hasAccount = useBuyer().buyer?.kind === "account";
  const [toConfirm] = useKept("fairgate.to-confirm", ""); // the address of an account that was made on the way here
  const terms = legalText(seller?.legal_texts ?? [], "terms", language);
  const [email, setEmail] = useKept("fairgate.email", "");
  const [invoice, setInvoice] = useKept<InvoiceBuyer | null>(`fairgate.invoice.${eventId}`, null);
  const [names, setNames] = useKept<string[]>(`fairgate.names.${eventId}`, []);
  const [answers, setAnswers] = useKept<Answers>(`fairgate.answers.${eventId}`, {});
  const [ticketAnswers, setTicketAnswers] = useKept<Answers[]>(`fairgate.ticket-answers.${eventId}`, []);
  const [promoCode, setPromoCode] = useKept(`fairgate.promo-code.${eventId}`, "");
  const [session, setSession] = useState<Session | null>(null);
  const [wasOpened, setOpened] = useKept(`fairgate.opened.${reservation.id}`, false);
  const [isChange, setChange] = useKept(`fairgate.change.${reservation.id}`, false); // of an open checkout, whose payment was left
  const [hasGoneBack, setGoneBack] = useState(false);
  const [known, setKnown] = useState(reservation);
  const [priced, setPriced] = useState<Reservation | null>(reservation.promo_code ? reservation : null);
  const [codeRefusal, setCodeRefusal] = useState<ApiFailure | null>(null);
  const [simulate, setSimulate] = useState<SimulatedOutcome>("success");
  const [refusal, setRefusal] = useState<PaymentRefusal | null>(isUnpaid ? {} : null);
  const [isPaid, setPaid] = useState(false);
  const [byTransfer, setByTransfer] = useState(false);
  const { isWorking, failure, run } = useAction();
  const element = usePaymentElement(session?.payment ?? null);
  const applied = priced?.promo_code === promoCode.trim().toUpperCase() ? priced : null; // until the buyer types another code
  const order = session?.reservation ?? applied ?? (isChange ? fullPrice(known) : known);
  const seconds = Date.parse(order.expires_at) / 1000 - useNow();
  const nameOf = ({ tier_id, tier_name }: Reservation["items"][number]) => tiers.find(({ id }) => id === tier_id)?.name ?? tier_name;
  const tickets = reservation.items.flatMap((item) => Array.from({ length: item.quantity }, () => nameOf(item)));
  const asked = askedOptions(reservation, tiers);
  const isNamed = asked.byTicket.some((options) => options.length > 0); // the answers for a ticket are sent with its name
  const amount = money(order.total_price_cents, order.currency, locale);
  const isFree = order.total_price_cents === 0;
  const back = `${location.origin}/events/${eventId}/checkout`;

  const act = (action: () => Promise<void>) =>
    run(async () => {
      try {
        await action();
      } catch (error) {
        if (!(error instanceof ApiFailure)) throw error;
        if (error.code === "reservation_expired_or_invalid" || error.code === "reservation_not_found") end(seconds > 0 ? "none" : "expired"); // cancelled in another tab
        else if (error.code === "payment_refunded") end("refunded");
        else if (error.code === "reservation_converted") finish("completed"); // paid in another tab
        else if (error.code.startsWith("promo_code_")) {
          setPriced(null);
          setCodeRefusal(error);
        } else if (error.details.payment_status === "requires_payment_method") {
          setSimulate("success");
          setRefusal(session?.payment?.provider === "simulated" ? { code: "card_declined" } : {});
        } else throw error;
      }
    });
  const open = async () => {
    const attendees = tickets.map((_, index) => ({
      name: names[index]?.trim() ?? "",
      responses: givenAnswers(asked.byTicket[index] ?? [], ticketAnswers[index] ?? {}),
    }));
    const details: CheckoutDetails = {
      customer_email: hasAccount ? null : email.trim() || null,
      attendees: isNamed ? attendees : attendees.filter(({ name }) => name).map(({ name }) => ({ name })),
      responses: givenAnswers(asked.once, answers),
      promo_code: promoCode.trim() || null,
      ...(invoice && !isFree && seller?.invoices !== false && { invoice: sentBuyer(invoice) }), // hidden fields may be incomplete
      ...(terms && { accepted_terms: terms.id }),
      ...(byTransfer && { provider: "bank_transfer" }),
    };
    const sent = isChange ? { ...details, replace: true } : details;
    const opened = await openCheckout(reservation.id, sent, back, await openingKey(reservation.id, sent));
    setOpened(true);
    setKnown(opened.reservation);
    setPriced(opened.reservation.promo_code ? opened.reservation : null);
    if (!opened.payment?.client_secret || !reloadForPayment()) setSession(opened);
    return opened;
  };
  const toPayment = (submitted: SubmitEvent) => {
    submitted.preventDefault();
    act(async () => {
      const opened = await open();
      if (opened.payment?.provider === "free") finish((await confirm(opened.id)).checkout_session.state);
    });
  };
  const goBack = () => {
    if (isWorking) return;
    setSession(null);
    setOpened(false);
    setChange(true);
    setGoneBack(true);
    setRefusal(null);
  };
  const apply = () =>
    act(async () => {
      if (!promoCode.trim()) return;
      setPriced(await getReservation(eventId, promoCode.trim()));
      setCodeRefusal(null);
    });
  const typeCode = (code: string) => {
    setPromoCode(code);
    setCodeRefusal(null);
  };
  const pay = (submitted: SubmitEvent) => {
    submitted.preventDefault();
    act(async () => {
      setRefusal(null);
      if (session?.payment?.url) return location.assign(session.payment.url);
      if (session?.payment?.client_secret) {
        const refused = await element.pay(`${back}?paid=${reservation.id}`);
        setRefusal(refused);
        return setPaid(refused === null);
      }
      const outcome = session?.payment?.provider === "simulated" ? simulate : undefined;
      finish((await confirm(reservation.id, outcome)).checkout_session.state);
    });
  };
  const cancel = () =>
    act(async () => {
      await release(reservation.id);
      forgetReservation(eventId);
      end("none");
    });
  useEffect(() => {
    if (wasOpened) act(async () => void (await open())); // the page was reloaded during payment
  }, []);

  const unpaid = () => {
    setPaid(false);
    setRefusal({});
  };
  if (isPaid) return <Returned checkoutId={reservation.id} finish={finish} unpaid={unpaid} />;
  if (seconds <= 0 && !isWorking) return <Over reservation={reservation} finish={finish} />;
  return (
    <>
      {!session?.payment?.bank_transfer && <HoldClock seconds={seconds} count={tickets.length} />}
      <section class="panel ticket">
        <h2>{t.checkout.order}</h2>
        {eventName && <p>{eventName}</p>}
        <ul class="lines">
          {order.items.map((item) => (
            <li key={item.tier_id}>
              <span>
                {item.quantity} × {nameOf(item)}
                {item.resale && <> <span class="chip">{t.event.resale}</span></>}
              </span>
              <span class="numbers">{item.price_cents === 0 ? t.free : money(item.quantity * item.price_cents, order.currency, locale)}</span>
            </li>
          ))}
          {order.discount_cents > 0 && (
            <li>
              <span>{t.orders.discount(order.promo_code ?? "")}</span>
              <span class="numbers">{money(-order.discount_cents, order.currency, locale)}</span>
            </li>
          )}
        </ul>
        <div class="total">
          <span>{t.event.total}</span>
          <strong>{isFree ? t.free : amount}</strong>
        </div>
        <Included of={order} />
        <Terms of={reservation} timezone={timezone} />
      </section>
      {failure && (
        <div tabIndex={-1} ref={takeFocus}>
          <Failure failure={failure} />
        </div>
      )}
      <GuestNote text={t.guest.before} />
      {!session ? (
        <form key="details" class="panel" onSubmit={toPayment}>
          <h2 tabIndex={-1} ref={hasGoneBack ? takeFocus : null}>
            {t.checkout.details}
          </h2>
          {hasAccount && toConfirm && <p class="small">{t.register.confirmLater(toConfirm)}</p>}
          {!hasAccount && <BuyerEmail value={email} onValue={setEmail} note={ADDONS.messages ? t.checkout.emailNote(tickets.length) : undefined} />}
          <fieldset>
            <legend>{t.checkout.names}</legend>
            <p class="small">{isNamed ? t.checkout.namesNeeded : t.checkout.namesNote}</p>
            {tickets.map((tier, index) => (
              <Fragment key={index}>
                <label class="field">
                  <span>{t.checkout.ticketLabel(index + 1, tier)}</span>
                  <input
                    type="text"
                    name={`name-${index}`}
                    autocomplete={index === 0 ? "name" : "off"}
                    maxLength={120}
                    required={isNamed}
                    value={names[index] ?? ""}
                    onInput={({ currentTarget }) => setNames(tickets.map((_, at) => (at === index ? currentTarget.value : (names[at] ?? ""))))}
                  />
                </label>
                <Questions
                  options={asked.byTicket[index] ?? []}
                  answers={ticketAnswers[index] ?? {}}
                  onChange={(changed) => setTicketAnswers(tickets.map((_, at) => (at === index ? changed : (ticketAnswers[at] ?? {}))))}
                  of={`ticket-${index}`}
                />
              </Fragment>
            ))}
          </fieldset>
          <Questions options={asked.once} answers={answers} onChange={setAnswers} of="order" />
          {fullPrice(known).total_price_cents > 0 && (
            <PromoCode code={promoCode} onCode={typeCode} apply={apply} applied={applied} refusal={codeRefusal} />
          )}
          <ErrorBoundary>{ADDONS.documents && seller?.invoices && !isFree && <InvoiceFields value={invoice} onValue={setInvoice} />}</ErrorBoundary>
          <ErrorBoundary>
            {terms && <AcceptedTerms terms={terms} />}
            {reservation.bank_transfer_days && !isFree && !isChange && <TransferChoice days={reservation.bank_transfer_days} value={byTransfer} onValue={setByTransfer} />}
          </ErrorBoundary>
          <button type="submit" class="button" aria-disabled={isWorking}>
            {isWorking ? t.checkout.working : isFree ? t.checkout.getFree(tickets.length) : t.checkout.toPayment}
          </button>
        </form>
      ) : session.payment?.bank_transfer ? (
        <ErrorBoundary>
          <BankTransfer of={session.payment.bank_transfer} timezone={timezone ?? null} />
        </ErrorBoundary>
      ) : (
        <form key="payment" class="panel" onSubmit={pay}>
          <h2 tabIndex={-1} ref={takeFocus}>
            {t.checkout.payment}
          </h2>
          {session.payment?.provider === "simulated" && (
            <fieldset>
              <legend class="small">{t.checkout.simulated}</legend>
              {(["success", "decline"] as const).map((outcome) => (
                <label class="check choice" key={outcome}>
                  <input type="radio" name="simulate" value={outcome} checked={simulate === outcome} onChange={() => setSimulate(outcome)} />
                  {outcome === "success" ? t.checkout.approve : t.checkout.decline}
                </label>
              ))}
            </fieldset>
          )}
          {session.payment?.url && <p>{t.checkout.elsewhere}</p>}
          {session.payment?.client_secret && <PaymentForm element={element} />}
          {refusal && (
            <div class="notice notice-bad" role="alert">
              <p>{refusalText(refusal, t)}</p>
              <p>{t.checkout.notCharged(tickets.length)}</p>
            </div>
          )}
          <button type="submit" class="button" aria-disabled={isWorking} disabled={Boolean(session.payment?.client_secret) && element.state !== "ready"}>
            {isWorking ? t.checkout.working : t.checkout.pay(amount)}
          </button>
          <button type="button" class="button button-quiet" onClick={goBack} aria-disabled={isWorking}>
            {t.checkout.toDetails}
          </button>
        </form>
      )}
      <ErrorBoundary>{seller && <SellerText seller={seller} />}</ErrorBoundary>
      <details class="two-steps">
        <summary>{t.checkout.cancel}</summary>
        <p>{t.checkout.cancelText(tickets.length)}</p>
        <button type="button" class="button button-quiet" onClick={cancel} aria-disabled={isWorking}>
          {t.checkout.cancelNow(tickets.length)}
        </button>
      </details>
    </>
  );
}

function refusalText({ code }: PaymentRefusal, t: Texts): string {
  return code ? (t.checkout.declines[code] ?? t.checkout.declined) : t.checkout.notPaid;
}

/** The reservation without the discount of a promo code. What it includes is not known until the server has computed it. */
function fullPrice(reservation: Reservation): Reservation {
  const { total_price_cents, discount_cents } = reservation;
  return { ...reservation, total_price_cents: total_price_cents + discount_cents, discount_cents: 0, promo_code: null, included_fee_cents: 0, taxes: [] };
}

/** The idempotency key: the same details give the same key, so a repeated request opens no second payment. */
async function openingKey(reservationId: string, details: CheckoutDetails): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(details)));
  const hex = Array.from(new Uint8Array(digest, 0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${reservationId}-${hex}`;
}

/** The company as the API takes it, or null if the buyer needs no invoice for one. */
function sentBuyer(value: InvoiceBuyer | null): InvoiceBuyer | null {
  if (!value) return null;
  const country = value.country?.trim().toUpperCase() || null;
  return { company: value.company.trim(), address: value.address.trim(), country, vat_id: value.vat_id?.trim() || null };
}
