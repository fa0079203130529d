/** The waitlist of an event, and all waitlists of a buyer: join, see the place, accept or decline an offer. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ApiFailure, getMe, joinWaitlist, leaveWaitlist, listWaitlistEntries, type Availability, type EventWithTiers, type Tier, type WaitlistEntry } from "../api";
import { clock, eventTime, money } from "../formats";
import { withNext } from "../next-page";
import { forgetReservation, hasWaited, noteReservation, noteWait } from "../reserved";
import { now } from "../server-time";
import { currentBuyer, useBuyer } from "../session";
import { useTexts } from "../texts";
import { Failure, FailureTexts, Outcome } from "./failure";
import { SpokenHold } from "./hold-clock";
import { useAction, useLoaded, useNow, useTranslated } from "./hooks";

const ENTRIES_SECONDS = 20;
const MAX_WISHES = 10; // the API's limit

/**
 * The event's waitlist for this buyer: an open offer, which replaces the state of the sale, and otherwise the panel to join or to see the
 * place. Both are null if there is nothing to wait for. `note` says above the tickets on sale that an offer has expired. If no tickets are
 * sold out, the API is asked only if this browser has seen an entry for the event, or tickets are kept for people on the waitlist.
 */
export function useWaitlist(event: EventWithTiers, availability: Availability[]): { offer: ComponentChildren; note?: ComponentChildren; panel: ComponentChildren } {
  const { waitlist: texts } = useTexts().t;
  const { buyer } = useBuyer();
  const isMember = buyer !== null && buyer.kind !== "guest";
  const isOver = event.status === "cancelled" || event.status === "closed";
  const isOpen = event.on_sale_at === null || Date.parse(event.on_sale_at) / 1000 <= now();
  const tiers = event.tiers.filter(({ status }) => status === "sold-out");
  // Before a waiting room opens, there is no waitlist: joining the room is the way to its tickets. Other programs may have put the buyer on
  // the waitlist for tickets that are not on sale yet.
  const isKnown = hasWaited(event.id) || availability.some(({ reserved_for_waitlist }) => reserved_for_waitlist > 0);
  const mayWait = tiers.length > 0 || isKnown || !isOpen || event.tiers.some(({ status }) => status === "coming-soon");
  const canWait = event.has_waitlist && !isOver && (event.has_ballot || (mayWait && (isOpen || !event.has_waiting_room)));
  const load = async () => {
    const found = isMember && canWait ? await listWaitlistEntries() : [];
    for (const { event_id } of found) noteWait(event_id);
    return found;
  };
  const { value: entries, failure, reload } = useLoaded(load, `${event.id} ${buyer?.id} ${canWait}`, ENTRIES_SECONDS);
  const entry = entries?.find(({ event_id }) => event_id === event.id) ?? null;
  if (!canWait) return { offer: null, panel: null };
  if (entry?.status === "offered") return { offer: <Entry entry={entry} reload={reload} event={event} />, panel: null };
  if (entry?.status === "waiting") return { offer: null, panel: <Entry entry={entry} reload={reload} event={event} /> };
  if (event.has_ballot) return { offer: null, panel: null }; // the way to the ballot is above
  if (entry?.status === "expired" && tiers.length === 0 && event.status === "on_sale") {
    return { offer: null, note: <p class="notice">{texts.expiredOnSale}</p>, panel: null };
  }
  const panel = entries && tiers.length > 0 && (
    <section class="panel">
      <h2>{texts.title}</h2>
      {entry && <p role="status">{texts.over[entry.status]}</p>}
      <p>{texts.rule}</p>
      {isMember ? <JoinForm event={event} tiers={tiers} joined={reload} /> : <SignInToJoin here={`/events/${event.id}`} />}
    </section>
  );
  const failed = failure && !entries && <Failure failure={failure} retry={reload} />;
  return { offer: null, panel: <FailureTexts.Provider value={texts.failures}>{failed || panel}</FailureTexts.Provider> };
}

/** All waitlist entries of the buyer; renders nothing without entries. */
export function OwnWaitlists() {
  const { waitlist: texts } = useTexts().t;
  const { value: entries, failure, reload } = useTranslated(listWaitlistEntries, "waitlists", ENTRIES_SECONDS);
  if (!entries) return failure && <Failure failure={failure} retry={reload} />;
  if (entries.length === 0) return null;
  return (
    <section class="waitlist">
      <h2>{texts.own}</h2>
      {entries.map((entry) => (
        <Entry key={entry.id} entry={entry} reload={reload} />
      ))}
    </section>
  );
}

export function SignInToJoin({ here }: { here: string }) {
  const { t } = useTexts();
  const texts = t.waitlist;
  return (
    <>
      <p>{texts.signIn}</p>
      <p class="row">
        <a class="button" href={withNext("/sign-in", here)}>
          {texts.toSignIn}
        </a>
        <a href={withNext("/register", here)}>{t.register.title}</a>
      </p>
    </>
  );
}

interface JoinFormProps {
  event: EventWithTiers;
  tiers: Tier[];
  joined: () => Promise<void>;
  /** Before the draw of a ballot: the token of the place, what to do if it is not valid, and the words on the button. */
  place?: { token: string; refused: () => void };
  button?: string;
}

export function JoinForm({ event, tiers, joined, place, button }: JoinFormProps) {
  const { t, locale } = useTexts();
  const texts = t.waitlist;
  const { isWorking, failure, run } = useAction();
  const [quantity, setQuantity] = useState(1);
  const [chosen, setWishes] = useState<string[]>([]);
  const wishes = chosen.filter((id) => tiers.some((tier) => tier.id === id)); // some tiers may have gone on sale since
  const wanted = wishes.length > 0 ? tiers.filter(({ id }) => wishes.includes(id)) : tiers;
  const maxQuantity = Math.max(1, Math.min(event.purchase_limit, ...wanted.map((tier) => tier.per_user_limit)));
  const count = Math.min(quantity, maxQuantity);
  const choose = (rank: number, id: string) => setWishes(id ? [...wishes.slice(0, rank), id] : wishes.slice(0, rank));
  const submit = (submitted: SubmitEvent) => {
    submitted.preventDefault();
    run(async () => {
      const any = tiers.toSorted((a, b) => a.price_cents - b.price_cents).slice(0, MAX_WISHES);
      try {
        await joinWaitlist({ event_id: event.id, quantity: count, tier_ids: wishes.length > 0 ? wishes : any.map(({ id }) => id), token: place?.token });
      } catch (error) {
        if (error instanceof ApiFailure && [403, 410].includes(error.status)) place?.refused();
        throw error;
      }
      await joined();
    });
  };
  return (
    <form class="form waitlist" onSubmit={submit}>
      <label class="field">
        <span>{texts.quantity}</span>
        <select name="quantity" value={String(count)} onChange={({ currentTarget }) => setQuantity(Number(currentTarget.value))}>
          {Array.from({ length: maxQuantity }, (_, index) => (
            <option key={index} value={String(index + 1)}>
              {index + 1}
            </option>
          ))}
        </select>
      </label>
      {tiers.length > 1 &&
        Array.from({ length: Math.min(wishes.length + 1, tiers.length, MAX_WISHES) }, (_, rank) => (
          <label class="field" key={rank}>
            <span>{texts.wish(rank)}</span>
            <select name={`wish-${rank}`} value={wishes[rank] ?? ""} onChange={({ currentTarget }) => choose(rank, currentTarget.value)}>
              <option value="">{rank === 0 ? texts.any : texts.nothingElse}</option>
              {tiers
                .filter(({ id }) => !wishes.slice(0, rank).includes(id))
                .map((tier) => (
                  <option key={tier.id} value={tier.id}>
                    {tier.name} · {tier.price_cents === 0 ? t.free : money(tier.price_cents, tier.currency, locale)}
                    {tier.included_fee_cents > 0 && ` · ${t.event.fee(money(tier.included_fee_cents, tier.currency, locale))}`}
                  </option>
                ))}
            </select>
          </label>
        ))}
      {failure && <Failure failure={failure} />}
      <button type="submit" class="button" disabled={isWorking}>
        {isWorking ? t.checkout.working : (button ?? texts.join)}
      </button>
    </form>
  );
}

interface EntryProps {
  entry: WaitlistEntry;
  reload: () => Promise<void>;
  /** The event on whose page the entry is. Elsewhere, the heading is the name of the entry's event and leads there. */
  event?: EventWithTiers;
}

interface LeavingWords {
  title: string;
  text: string;
  button: string;
}

/** One entry of a waitlist or a ballot: its place, its offer, or how it ended. */
export function Entry({ entry, reload, event }: EntryProps) {
  const { t, locale } = useTexts();
  const texts = t.waitlist;
  const time = useNow();
  const seconds = entry.offer ? Date.parse(entry.offer.expires_at) / 1000 - time : 0;
  const status = entry.status === "offered" && seconds <= 0 ? "expired" : entry.status;
  const names = entry.tier_ids.flatMap((id) => event?.tiers.find((tier) => tier.id === id)?.name ?? []);
  const isRegistered = entry.has_number && entry.drawn_position === null; // for a draw that has not been made
  const lacksCard = isRegistered && entry.card?.status === "missing" && event?.ballot_cards !== "optional";
  const heading = !isRegistered ? texts.waiting : lacksCard ? texts.almost : texts.registered;
  const drawn = !lacksCard ? texts.drawn(entry.drawn_position) : event && texts.withoutCard; // elsewhere, nobody knows whether it needs the card
  return (
    <FailureTexts.Provider value={texts.failures}>
      {status === "offered" ? (
        <Outcome tone="good" title={event ? texts.offered(entry.quantity) : entry.event_name}>
          <p>
            {entry.offer!.items.map((item) => `${item.quantity} × ${item.tier_name}`).join(", ")} · {money(entry.offer!.total_price_cents, entry.offer!.currency, locale)}
          </p>
          {entry.offer!.included_fee_cents > 0 && <p class="small">{t.event.fee(money(entry.offer!.included_fee_cents, entry.offer!.currency, locale))}</p>}
          {entry.card && <p>{entry.card.status === "charging" ? texts.charging : texts.cardRefused}</p>}
          {entry.card?.status !== "charging" && (
            <>
              <p>{texts.until(entry.quantity, eventTime(entry.offer!.expires_at, entry.event_timezone, locale, t.event.bothTimes))}</p>
              <p>
                {texts.left}: <strong role="timer">{clock(seconds)}</strong>
              </p>
              <SpokenHold seconds={seconds} />
              <a class="button" href={`/events/${entry.event_id}/checkout`} onClick={() => noteReservation(entry.event_id, entry.event_name)}>
                {texts.takeUp}
              </a>
            </>
          )}
          <Leaving entry={entry} reload={reload} words={texts.decline} />
        </Outcome>
      ) : (
        <section class="panel">
          <h2>{event ? heading : <a href={`/events/${entry.event_id}`}>{entry.event_name}</a>}</h2>
          {status === "waiting" ? (
            <>
              <p>
                {isRegistered ? texts.wished(entry.quantity) : texts.asked(entry.quantity)}
                {names.length > 0 && `: ${names.join(", ")}`}
              </p>
              <p role="status">
                <strong>{entry.has_number ? drawn : texts.before(entry.people_before, entry.tickets_before)}</strong>
              </p>
              <p class="small">
                {entry.has_number ? texts.drawnNote : texts.waitingNote} {entry.quantity > 1 && texts.fewerFirst}
              </p>
              {ADDONS.messages && <MailNote />}
              <Leaving entry={entry} reload={reload} words={isRegistered ? texts.withdraw : texts.leave} />
            </>
          ) : (
            <p role="status">{texts.over[isRegistered && status === "left" ? "withdrawn" : status]}</p>
          )}
        </section>
      )}
    </FailureTexts.Provider>
  );
}

/** Says whether the offer also comes by email. Emails also go to unconfirmed addresses, but they may not arrive. */
function MailNote() {
  const { t } = useTexts();
  const texts = t.waitlist;
  const hasAddress = currentBuyer()?.kind === "account";
  const { value: me } = useLoaded(async () => (hasAddress ? getMe() : null), `mail ${hasAddress}`);
  if (!hasAddress) return <p class="small">{texts.noMail}</p>;
  if (!me?.email) return <p class="small">&nbsp;</p>;
  return (
    <p class="small">
      {texts.mail(me.email)}{" "}
      {!me.email_verified && (
        <>
          {texts.notConfirmed} <a href="/account">{t.nav.account}</a>
        </>
      )}
    </p>
  );
}

/** Leave the waitlist, withdraw from a ballot, or decline the offer, in two steps because the place is lost. */
function Leaving({ entry, reload, words }: { entry: WaitlistEntry; reload: () => Promise<void>; words: LeavingWords }) {
  const { isWorking, failure, run } = useAction();
  const leave = () =>
    run(async () => {
      await leaveWaitlist(entry.id);
      forgetReservation(entry.event_id);
      await reload();
    });
  return (
    <details class="two-steps">
      <summary>{words.title}</summary>
      <p>{words.text}</p>
      {failure && <Failure failure={failure} />}
      <button type="button" class="button button-quiet" onClick={leave} disabled={isWorking}>
        {words.button}
      </button>
    </details>
  );
}
