/** The box office of an event: sell tickets for cash or by card, print them, deliver what was sold offline, and close the day. */

import { useEffect, useState } from "preact/hooks";
import encodeQR from "qr";
import { ApiFailure } from "../../client";
import { money, shortDayAndTime, timeOfDay } from "../../formats";
import { toCents } from "../../manage/amounts";
import { Failure, Skeleton } from "../../parts/failure";
import { takeFocus, useAction, useLoaded } from "../../parts/hooks";
import { useTexts } from "../../texts";
import { useDoorTexts } from "../texts";
import { useKeptPage } from "../use-door";
import { Closing } from "./closing";
import { Counter, isOpen, type CounterOrder, type Method, type Offer, type Office, type Payment, type Quota, type Sale } from "./counter";

const TICK_MS = 15_000;
const MAX_TICKETS = 50;

export function CounterPage({ userId, eventId }: { userId: string; eventId: string }) {
  const { d } = useDoorTexts();
  const { language } = useTexts();
  const [counter] = useState(() => new Counter(userId, eventId));
  const { office, sales } = useCounter(counter);
  const { failure, reload } = useLoaded(async () => (await counter.load(), true), eventId);
  const [sold, setSold] = useState<{ sale: Sale; order: CounterOrder | null } | null>(null);
  const [isNext, setNext] = useState(false);
  const isKept = useKeptPage(language);
  useDelivery(counter);
  const isRefused = failure && failure.status >= 400;
  if (!office || isRefused) return failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={6} />;
  return (
    <>
      <h1>{office.event_name}</h1>
      <p class="door-gate">{d.counter.title}</p>
      {failure?.code === "offline" && <p class="notice">{isKept ? d.counter.offline : d.counter.offlineNotKept}</p>}
      <Refused counter={counter} sales={sales} timezone={office.timezone} />
      {sold ? (
        <Receipt office={office} sold={sold} onDone={() => (setSold(null), setNext(true))} />
      ) : office.offers.length === 0 ? (
        <p class="notice">{d.counter.nothing}</p>
      ) : (
        <SellForm counter={counter} offers={office.offers} isNext={isNext} onSold={setSold} />
      )}
      <Sales counter={counter} sales={sales} timezone={office.timezone} onShow={setSold} />
      <Closing counter={counter} userId={userId} />
    </>
  );
}

function useCounter(counter: Counter) {
  const [view, setView] = useState(counter.view);
  useEffect(() => counter.subscribe(() => setView(counter.view)), [counter]);
  return view;
}

/** Deliver offline sales whenever the network may be back, and keep the offers current. */
function useDelivery(counter: Counter): void {
  useEffect(() => {
    const tick = () => {
      if (document.visibilityState !== "visible") return;
      void counter.deliver();
      void counter.load().catch(() => {});
    };
    void counter.deliver();
    const timer = setInterval(tick, TICK_MS);
    addEventListener("online", tick);
    document.addEventListener("visibilitychange", tick);
    return () => {
      clearInterval(timer);
      removeEventListener("online", tick);
      document.removeEventListener("visibilitychange", tick);
    };
  }, [counter]);
}

interface SellProps {
  counter: Counter;
  offers: Offer[];
  /** Whether the form has replaced the receipt of the last sale. */
  isNext: boolean;
  onSold: (sold: { sale: Sale; order: CounterOrder | null }) => void;
}

const offerKey = (offer: Offer) => `${offer.tier_id}/${offer.holdback_id}`;
const NOTHING = { quantity: 1, method: "cash" as Method, reference: "", name: "", email: "" };

function SellForm({ counter, offers, isNext, onSold }: SellProps) {
  const { d, locale } = useDoorTexts();
  const { t } = useTexts();
  const [chosen, setChosen] = useState(offerKey(offers[0]!));
  const [payment, setPayment] = useState<Payment>(() => ({ ...NOTHING, id: crypto.randomUUID() }));
  const [given, setGiven] = useState("");
  const { isWorking, failure, run } = useAction();
  const offer = offers.find((other) => offerKey(other) === chosen) ?? offers[0]!;
  const change = (changes: Partial<Payment>) => setPayment({ ...payment, ...changes });
  const total = offer.price_cents * payment.quantity;
  const received = toCents(given, offer.currency);
  const quota = counter.quotaOf(offer);
  const submit = (submitted: SubmitEvent) => {
    submitted.preventDefault();
    run(async () => onSold(await counter.sell(offer, payment)));
  };
  return (
    <form class="form panel counter-form" onSubmit={submit}>
      <fieldset>
        <legend ref={isNext ? takeFocus : undefined} tabIndex={-1}>
          {d.counter.tickets}
        </legend>
        {offers.map((other) => (
          <label key={offerKey(other)} class="counter-offer">
            <input type="radio" name="offer" checked={other === offer} onChange={() => setChosen(offerKey(other))} />
            <span>
              <strong>{other.tier_name}</strong> {other.label}
            </span>
            <span class="counter-price">{other.price_cents ? money(other.price_cents, other.currency, locale) : t.free}</span>
            {other.included_fee_cents > 0 && <span class="small">{t.event.fee(money(other.included_fee_cents, other.currency, locale))}</span>}
            <span class="small">{d.counter.left(other.left, counter.quotaOf(other)?.left ?? 0)}</span>
          </label>
        ))}
      </fieldset>
      <div class="counter-number">
        <label for="quantity">{d.counter.number}</label>
        <button type="button" class="button button-quiet" disabled={payment.quantity <= 1} onClick={() => change({ quantity: payment.quantity - 1 })}>
          <span aria-hidden="true">−</span>
          <span class="hidden">{d.counter.fewer}</span>
        </button>
        <input
          id="quantity"
          type="number"
          inputMode="numeric"
          min={1}
          max={MAX_TICKETS}
          required
          value={payment.quantity}
          onInput={({ currentTarget }) => change({ quantity: Math.min(MAX_TICKETS, Math.max(1, currentTarget.valueAsNumber || 1)) })}
        />
        <button
          type="button"
          class="button button-quiet"
          disabled={payment.quantity >= MAX_TICKETS}
          onClick={() => change({ quantity: payment.quantity + 1 })}
        >
          <span aria-hidden="true">+</span>
          <span class="hidden">{d.counter.more}</span>
        </button>
      </div>
      <fieldset class="row">
        <legend>{d.counter.payment}</legend>
        {(["cash", "card"] as const).map((method) => (
          <label key={method}>
            <input type="radio" name="method" checked={payment.method === method} onChange={() => change({ method })} /> {d.counter.methods[method]}
          </label>
        ))}
      </fieldset>
      {payment.method === "cash" ? (
        <div class="field">
          <label for="given">{d.counter.given(offer.currency)}</label>
          <input id="given" type="text" inputMode="decimal" autocomplete="off" value={given} onInput={({ currentTarget }) => setGiven(currentTarget.value)} />
          <p class="counter-change" role="status">
            {received !== null && given && (received < total ? d.counter.missing(money(total - received, offer.currency, locale)) : d.counter.change(money(received - total, offer.currency, locale)))}
          </p>
        </div>
      ) : (
        <div class="field">
          <label for="reference">{d.counter.reference}</label>
          <input id="reference" type="text" maxLength={100} autocomplete="off" value={payment.reference} onInput={({ currentTarget }) => change({ reference: currentTarget.value })} />
          <p class="small">{d.counter.referenceNote}</p>
        </div>
      )}
      <details>
        <summary>{d.counter.buyer}</summary>
        <div class="field">
          <label for="name">{d.counter.name}</label>
          <input id="name" type="text" maxLength={100} autocomplete="off" value={payment.name} onInput={({ currentTarget }) => change({ name: currentTarget.value })} />
        </div>
        <div class="field">
          <label for="email">{d.counter.email}</label>
          <input id="email" type="email" maxLength={254} autocomplete="off" value={payment.email} onInput={({ currentTarget }) => change({ email: currentTarget.value })} />
          <p class="small">{d.counter.emailNote}</p>
        </div>
      </details>
      {failure && <Failure failure={failure} />}
      <button type="submit" class="button counter-sell" disabled={isWorking}>
        {isWorking ? t.checkout.working : d.counter.sell(money(total, offer.currency, locale))}
      </button>
      <SetAside counter={counter} offer={offer} quota={quota} />
    </form>
  );
}

/** Set tickets aside, so that this device can sell them without a network. */
function SetAside({ counter, offer, quota }: { counter: Counter; offer: Offer; quota: Quota | null }) {
  const { d, locale } = useDoorTexts();
  const [quantity, setQuantity] = useState(20);
  const [id, setId] = useState(() => crypto.randomUUID());
  const { isWorking, failure, run } = useAction();
  const { office } = counter.view;
  return (
    <details>
      <summary>{quota ? d.counter.aside(quota.left, timeOfDay(quota.sellUntil, office?.timezone, locale)) : d.counter.asideTitle}</summary>
      <p class="small">{d.counter.asideNote}</p>
      <div class="counter-number">
        <label for="aside">{d.counter.number}</label>
        <input id="aside" type="number" inputMode="numeric" min={1} max={500} value={quantity} onInput={({ currentTarget }) => setQuantity(currentTarget.valueAsNumber || 1)} />
        <button
          type="button"
          class="button button-quiet"
          disabled={isWorking}
          onClick={() => run(async () => (await counter.setAside(offer, id, Math.min(quantity, offer.left || quantity)), setId(crypto.randomUUID())))}
        >
          {d.counter.setAside}
        </button>
        {quota && counter.mayReturn(quota) && (
          <button type="button" class="button button-quiet" disabled={isWorking} onClick={() => run(() => counter.giveBack(quota))}>
            {d.counter.giveBack(quota.left)}
          </button>
        )}
      </div>
      {failure && <Failure failure={failure} />}
    </details>
  );
}

/** A sale that was just made or is shown again, with its tickets to scan or print. The QR code of an offline ticket has only its code. */
function Receipt({ office, sold: { sale, order }, onDone }: { office: Office; sold: { sale: Sale; order: CounterOrder | null }; onDone: () => void }) {
  const { d, locale } = useDoorTexts();
  const codes = order ? order.tickets.map(({ ticket, qr_svg }) => ({ code: ticket.code, qr: qr_svg })) : (sale.body.codes ?? []).map((code) => ({ code, qr: encodeQR(code, "svg") }));
  return (
    <section class="panel counter-receipt" aria-labelledby="sold">
      <div class="counter-head">
        <h2 id="sold" ref={takeFocus} tabIndex={-1}>
          {order ? d.counter.sold(order.number) : d.counter.soldOffline}
        </h2>
        <p>
          {d.counter.methods[sale.body.method]}: <strong>{money(sale.totalCents, sale.currency, locale)}</strong>
        </p>
        {sale.body.email && <p class="small">{d.counter.mailed(sale.body.email)}</p>}
        <div class="row">
          <button type="button" class="button" onClick={onDone}>
            {d.counter.next}
          </button>
          <button type="button" class="button button-quiet" onClick={() => print()}>
            {d.counter.print}
          </button>
        </div>
      </div>
      <ul class="counter-tickets">
        {codes.map(({ code, qr }, index) => (
          <li key={code}>
            {qr !== null && <img src={`data:image/svg+xml,${encodeURIComponent(qr)}`} alt={d.counter.qr(index + 1)} width="220" height="220" />}
            <p class="code">{code}</p>
            <p>
              {office.event_name} · {sale.tierName}
            </p>
            <p class="small">
              {shortDayAndTime(office.starts_at, office.timezone, locale)} · {office.venue}
            </p>
            <p class="small">{money(sale.body.price_cents, sale.currency, locale)}</p>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Offline sales for which the shop has no ticket. They stay until a person has settled them with the buyer. */
function Refused({ counter, sales, timezone }: { counter: Counter; sales: Sale[]; timezone: string }) {
  const { d } = useDoorTexts();
  const refused = sales.filter(({ state }) => state === "refused");
  if (refused.length === 0) return null;
  return (
    <section class="notice notice-bad" role="alert" aria-labelledby="refused">
      <h2 id="refused">{d.counter.refusedTitle(refused.length)}</h2>
      <p>{d.counter.refusedText}</p>
      <ul class="rows">
        {refused.map((sale) => (
          <SaleRow key={sale.body.id} sale={sale} timezone={timezone}>
            <Action label={d.counter.retry} act={() => counter.retry(sale)} />
            <button type="button" class="link" onClick={() => counter.settle(sale)}>
              {d.counter.settled}
            </button>
          </SaleRow>
        ))}
      </ul>
    </section>
  );
}

interface SalesProps {
  counter: Counter;
  sales: Sale[];
  timezone: string;
  onShow: (sold: { sale: Sale; order: CounterOrder | null }) => void;
}

function Sales({ counter, sales, timezone, onShow }: SalesProps) {
  const { d } = useDoorTexts();
  const shown = sales.filter(({ state }) => state !== "refused");
  const waiting = shown.filter(isOpen).length;
  if (shown.length === 0) return null;
  return (
    <details class="panel counter-sales" open={waiting > 0}>
      <summary>{waiting ? d.counter.waiting(waiting) : d.counter.sales}</summary>
      {waiting > 0 && <Action label={d.counter.deliver} act={() => counter.deliver()} />}
      <ul class="rows">
        {shown.map((sale) => (
          <SaleRow key={sale.body.id} sale={sale} timezone={timezone}>
            {sale.state === "waiting" && (
              <button type="button" class="link" onClick={() => onShow({ sale, order: null })}>
                {d.counter.show}
              </button>
            )}
            {sale.state === "sold" && (
              <>
                <Action label={d.counter.show} act={async () => onShow({ sale, order: await counter.order(sale) })} />
                <PayBack counter={counter} sale={sale} />
              </>
            )}
          </SaleRow>
        ))}
      </ul>
    </details>
  );
}

function SaleRow({ sale, timezone, children }: { sale: Sale; timezone: string; children: preact.ComponentChildren }) {
  const { d, locale } = useDoorTexts();
  const state = sale.paidBackCents === undefined ? d.counter.states[sale.state] : d.counter.paidBack(money(sale.paidBackCents, sale.currency, locale));
  return (
    <li class="row-card">
      <p>
        {timeOfDay(sale.at, timezone, locale)} · {sale.body.quantity} × {sale.tierName} · {money(sale.totalCents, sale.currency, locale)} · {d.counter.methods[sale.body.method]}
      </p>
      <p class="small">{[sale.number, state, sale.refusal && (d.counter.failures[sale.refusal] ?? sale.refusal)].filter(Boolean).join(" · ")}</p>
      <div class="row">{children}</div>
    </li>
  );
}

function PayBack({ counter, sale }: { counter: Counter; sale: Sale }) {
  const { d, locale } = useDoorTexts();
  const [isAsked, setAsked] = useState(false);
  if (!isAsked) {
    return (
      <button type="button" class="link" onClick={() => setAsked(true)}>
        {d.counter.payBack}
      </button>
    );
  }
  return (
    <>
      <p>{d.counter.payBackText(money(sale.totalCents, sale.currency, locale))}</p>
      {(["cash", "card"] as const).map((method) => (
        <Action key={method} label={d.counter.payBackBy[method]} act={() => counter.payBack(sale, method)} />
      ))}
      <button type="button" class="link" onClick={() => setAsked(false)}>
        {d.counter.keep}
      </button>
    </>
  );
}

function Action({ label, act }: { label: string; act: () => Promise<void> }) {
  const { isWorking, failure, run } = useAction();
  return (
    <>
      <button type="button" class="link" disabled={isWorking} onClick={() => run(act)}>
        {label}
      </button>
      {failure instanceof ApiFailure && <Failure failure={failure} />}
    </>
  );
}
