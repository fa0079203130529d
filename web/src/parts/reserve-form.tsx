/** The tiers of an event. If the buyer can buy now, each tier has a quantity, and a button reserves the tickets. */

import { useLocation } from "preact-iso";
import { useRef } from "preact/hooks";
import { ApiFailure, getAccessCodes, reserve, type Availability, type CustomOption, type EventWithTiers, type Pass, type Tier } from "../api";
import { eventTime, money, shortDayAndTime } from "../formats";
import { now } from "../server-time";
import { useTexts } from "../texts";
import { cancellationOf } from "./event-dates";
import { noteReservation } from "../reserved";
import { Picture } from "./event-picture";
import { Failure, FailureTexts } from "./failure";
import { Labelled } from "./form";
import { useAction, useKept, useLoaded } from "./hooks";
import { PlainText } from "./plain-text";

const OVER: EventWithTiers["status"][] = ["cancelled", "closed"]; // regardless of the tiers

interface Props {
  event: EventWithTiers;
  availability: Availability[];
  /** Whether the buyer can choose tickets here now. */
  canBuy: boolean;
  /** Whether an access code lets the buyer choose tickets here now. */
  canUseCode?: boolean;
  /** Whether this is a preview of a draft, in which nothing can be reserved. */
  isPreview?: boolean;
  pass?: Pass;
  onRefused?: (failure: ApiFailure) => void;
}

export function ReserveForm({ event, availability, canBuy: isOpen, canUseCode = false, isPreview = false, pass = {}, onRefused }: Props) {
  const { t, locale } = useTexts();
  const { route } = useLocation();
  const [chosen, setChosen] = useKept<Record<string, number>>(`fairgate.chosen.${event.id}`, {});
  const [code, setCode] = useKept(`fairgate.promo-code.${event.id}`, ""); // the checkout has the same field
  const { value: codes } = useLoaded(async () => (isPreview ? null : getAccessCodes(event.id)), event.id);
  const asksCode = (isOpen || canUseCode) && codes?.has_access_codes === true;
  const hasCode = asksCode && code.trim() !== "";
  const canBuy = isOpen || hasCode;
  const { isWorking, failure, run } = useAction();
  const key = useRef<{ content: string; key: string } | null>(null);

  const tiers = event.tiers.flatMap((tier) => [current(tier, availability, hasCode), ...forResale(tier, availability)]);
  const items = tiers.flatMap((tier) => (isForSale(tier) && chosen[tier.key] ? [{ tier, quantity: Math.min(chosen[tier.key]!, maxQuantity(tier, event)) }] : []));
  const total = items.reduce((sum, { tier, quantity }) => sum + tier.price_cents * quantity, 0);
  const count = items.reduce((sum, { quantity }) => sum + quantity, 0);
  const isTooMany = count > event.purchase_limit;
  const forSale = OVER.includes(event.status) ? [] : tiers.filter(isForSale);
  const ends = new Set(forSale.map((tier) => tier.sale_ends_at));
  const commonEnd = ends.size === 1 ? [...ends][0] : null;
  const isLimited = forSale.reduce((sum, tier) => sum + tier.per_user_limit, 0) >= event.purchase_limit; // the kinds do not limit the buyer further

  const submit = (submitted: SubmitEvent) => {
    submitted.preventDefault();
    run(async () => {
      const wanted = items.map(({ tier, quantity }) => ({ tier_id: tier.id, quantity, resale_price_cents: tier.isResale ? tier.price_cents : undefined }));
      const accessCode = hasCode ? code.trim() : null;
      const content = JSON.stringify([wanted, accessCode]);
      if (key.current?.content !== content) key.current = { content, key: crypto.randomUUID() };
      try {
        await reserve(event.id, wanted, pass, accessCode, key.current.key);
      } catch (error) {
        if (!(error instanceof ApiFailure) || error.code !== "active_reservation_exists") {
          const isDecided = error instanceof ApiFailure && error.status >= 400 && error.status < 500;
          if (isDecided) key.current = null; // the next attempt is a new request
          if (error instanceof ApiFailure) onRefused?.(error);
          throw error;
        }
      }
      noteReservation(event.id, event.name);
      route(`/events/${event.id}/checkout`);
    });
  };

  if (!event.tiers.length) return null;
  return (
    <form class="picker" onSubmit={submit} aria-labelledby="tickets-title">
      <h2 id="tickets-title">{t.event.tickets}</h2>
      {asksCode && (
        <Labelled label={t.checkout.optional(t.event.accessCode)} error={null}>
          {(attributes) => (
            <input {...attributes} name="access-code" autocomplete="off" maxLength={20} value={code} onInput={({ currentTarget }) => setCode(currentTarget.value)} />
          )}
        </Labelled>
      )}
      {commonEnd && <p class="small">{t.event.salesUntil(eventTime(commonEnd, event.timezone, locale, t.event.bothTimes))}</p>}
      <ul class="tiers">
        {tiers.map((tier) => (
          <li class={`tier ${isForSale(tier) && !OVER.includes(event.status) ? "" : "tier-gone"}`} key={tier.key}>
            {tier.image && <Picture class="tier-picture" image={tier.image} sizes="(min-width: 56rem) 40vw, 100vw" />}
            <div class="tier-text">
              <h3>{tier.name}</h3>
              {event.dates.length > 1 && <p class="small">{datesOf(tier, event, locale) ?? t.event.allDates}</p>}
              {tier.description && <PlainText text={tier.description} />}
              <QuestionPreview options={tier.options} />
              <p class="small" aria-live="polite">
                {tier.isResale && <span class="chip">{t.event.resale}</span>} {tier.admits > 1 && <span class="chip">{t.event.admits(tier.admits)}</span>} {tier.seating && <span class="chip">{t.event.seating[tier.seating]}</span>} {tier.requires_code && <span class="chip">{t.event.accessCode}</span>} <TierState tier={tier} event={event} canBuy={canBuy} hasEnd={!commonEnd} />
              </p>
            </div>
            <p class="tier-price">
              {tier.price_cents === 0 ? t.free : money(tier.price_cents, tier.currency, locale)}
              {tier.included_fee_cents > 0 && <span class="block small">{t.event.fee(money(tier.included_fee_cents, tier.currency, locale))}</span>}
            </p>
            {canBuy && isForSale(tier) && (
              <select
                aria-label={t.event.quantity(tier.isResale ? `${tier.name}, ${t.event.resale}` : tier.name)}
                name={tier.key}
                value={String(Math.min(chosen[tier.key] ?? 0, maxQuantity(tier, event)))}
                onChange={({ currentTarget }) => {
                  // Tickets for resale are bought alone. Only their keys have a space.
                  const others = tier.isResale || Object.keys(chosen).some((key) => key.includes(" ")) ? {} : chosen;
                  setChosen({ ...others, [tier.key]: Number(currentTarget.value) });
                }}
              >
                {Array.from({ length: maxQuantity(tier, event) + 1 }, (_, quantity) => (
                  <option key={quantity} value={String(quantity)}>
                    {quantity}
                  </option>
                ))}
              </select>
            )}
          </li>
        ))}
      </ul>
      {canBuy && tiers.some(isForSale) && (
        <div class="picker-end">
          {failure && (
            <FailureTexts.Provider value={failure.details.available === 0 ? { not_enough_tickets: t.event.noneLeft } : {}}>
              <Failure failure={failure} />
            </FailureTexts.Provider>
          )}
          {isLimited && <p class="small">{t.event.limit(event.purchase_limit)}</p>}
          <div class="total" aria-live="polite">
            <span>{t.event.total}</span>
            <strong>{count === 0 ? "–" : total === 0 ? t.free : money(total, items[0]!.tier.currency, locale)}</strong>
          </div>
          <button class="button" type="submit" disabled={count === 0 || isTooMany || isWorking || isPreview} aria-describedby="hold-note">
            {isWorking ? t.checkout.working : t.event.reserve}
          </button>
          <p class={isTooMany ? "field-error" : "small"} id="hold-note" role="status">
            {count === 0 ? t.event.choose : isTooMany ? t.event.tooMany(count, event.purchase_limit) : t.event.holdNote}
          </p>
        </div>
      )}
    </form>
  );
}

/** The questions that the package will ask buyers or their guests, so that they can prepare the answers. */
function QuestionPreview({ options }: { options: CustomOption[] }) {
  const { t } = useTexts();
  if (options.length === 0) return null;
  return (
    <div class="small">
      <p>{t.event.asked}</p>
      <ul class="asked">
        {options.map((option) => (
          <li key={option.id}>
            {option.is_required ? option.label : t.checkout.optional(option.label)}
            {option.choices && option.choices.length > 0 && `: ${option.choices.join(", ")}`}
          </li>
        ))}
      </ul>
    </div>
  );
}

interface CurrentTier extends Tier {
  key: string;
  isResale?: boolean;
  available: number; // Infinity without a limit
  paying: number; // on hold for other buyers
  setAside: number; // for the waitlist
}

/** The tier with the latest availability. A code may sell tickets that are held back, so only the shop knows how many are left. */
function current(tier: Tier, availability: Availability[], hasCode: boolean): CurrentTier {
  const figures = availability.find((line) => line.tier_id === tier.id);
  const { reserved = 0, reserved_for_waitlist: setAside = 0 } = figures ?? {};
  return { ...tier, key: tier.id, available: (hasCode ? null : (figures ?? tier).available) ?? Infinity, paying: reserved - setAside, setAside };
}

/** The tickets of a tier that other buyers offer for resale: like a tier of its own for each price. */
function forResale(tier: Tier, availability: Availability[]): CurrentTier[] {
  const { resale } = availability.find((line) => line.tier_id === tier.id) ?? tier;
  return resale
    .filter(({ available }) => available > 0)
    .map((offer) => ({ ...tier, ...offer, key: `${tier.id} ${offer.price_cents}`, isResale: true, status: "available", paying: 0, setAside: 0, description: "", options: [], image: null, sale_ends_at: null }));
}

/** The dates for which tickets of a tier are valid, or null if they are valid for all. */
function datesOf({ date_ids }: CurrentTier, { dates, timezone }: EventWithTiers, locale: string): string | null {
  const own = dates.filter(({ id }) => date_ids.includes(id));
  return own.map(({ name, starts_at }) => [name, shortDayAndTime(starts_at, timezone, locale)].filter(Boolean).join(" · ")).join("; ") || null;
}

function isForSale(tier: CurrentTier): boolean {
  return (tier.status === "available" || tier.status === "sold-out") && tier.available > 0;
}

function maxQuantity(tier: CurrentTier, event: EventWithTiers): number {
  return Math.min(tier.available, tier.per_user_limit, event.purchase_limit);
}

function TierState({ tier, event, canBuy, hasEnd }: { tier: CurrentTier; event: EventWithTiers; canBuy: boolean; hasEnd: boolean }) {
  const { t, locale } = useTexts();
  if (OVER.includes(event.status)) return <>{t.event.closed}</>;
  if (event.status === "scheduled" && !canBuy && tier.status === "available") return <>{t.event.comingSoon}</>;
  if (isForSale(tier)) {
    const limit = tier.per_user_limit < event.purchase_limit && t.event.tierLimit(tier.per_user_limit);
    const until = hasEnd && tier.sale_ends_at && t.event.salesUntil(eventTime(tier.sale_ends_at, event.timezone, locale, t.event.bothTimes));
    return <>{[t.event.left(tier.available), limit, until].filter(Boolean).join(" · ")}</>;
  }
  if (tier.status === "coming-soon") {
    return <>{tier.sale_starts_at && Date.parse(tier.sale_starts_at) / 1000 > now() ? t.event.salesFrom(eventTime(tier.sale_starts_at, event.timezone, locale, t.event.bothTimes)) : t.event.comingSoon}</>;
  }
  if (tier.status === "closed") return <>{tier.date_ids[0] && tier.date_ids.every((id) => cancellationOf(event, id)) ? t.event.dateCancelled : t.event.closed}</>;
  const isHeld = tier.paying > 0 ? t.event.held(tier.paying) : t.event.soldOut;
  return <>{tier.setAside > 0 ? `${isHeld} · ${t.event.setAside(tier.setAside)}` : isHeld}</>;
}
