/** The start page: all events, with a search. */

import { useLocation } from "preact-iso";
import { useEffect, useState } from "preact/hooks";
import { confirm, listEvents, listTicketTypes, type EventStatus, type EventSummary, type TicketType } from "../api";
import { day, money } from "../formats";
import { Artwork } from "../parts/artwork";
import { Failure } from "../parts/failure";
import { useLoaded, useTitle } from "../parts/hooks";
import { useTexts } from "../texts";

const REFRESH_SECONDS = 30;
const OVER: EventStatus[] = ["sold_out", "closed", "cancelled"]; // shown last

export function Storefront() {
  const { t } = useTexts();
  const { query, route } = useLocation();
  const [search, setSearch] = useState("");
  const [onlyAvailable, setOnlyAvailable] = useState(false);
  const { value, failure, reload } = useLoaded(load, "events", REFRESH_SECONDS);
  useTitle(t.store.title);
  useEffect(() => {
    const paid = query.checkout_id; // a payment page that was not told where to return to returns here
    if (paid) void confirm(paid).catch(() => undefined).then(() => route("/tickets", true));
  }, []);

  const words = plain(search).split(/\s+/);
  const shown = value?.events.filter((event) => {
    const text = plain(`${event.name} ${event.venue} ${event.description}`);
    return words.every((word) => text.includes(word)) && (!onlyAvailable || event.status === "on_sale");
  });
  return (
    <div class="page">
      <div class="hero">
        <h1>{t.store.heading}</h1>
        <p class="lead">{t.store.lead}</p>
      </div>
      <search class="filters">
        <input type="search" aria-label={t.store.search} placeholder={t.store.search} value={search} onInput={({ currentTarget }) => setSearch(currentTarget.value)} />
        <label class="check">
          <input type="checkbox" checked={onlyAvailable} onChange={({ currentTarget }) => setOnlyAvailable(currentTarget.checked)} />
          {t.store.available}
        </label>
      </search>
      {failure && !value && <Failure failure={failure} retry={reload} />}
      {!value && !failure && <CardSkeletons />}
      {shown?.length === 0 && <p class="lead">{value!.events.length === 0 ? t.store.empty : t.store.none}</p>}
      {shown && (
        <ul class="cards">
          {shown.map((event) => (
            <Card key={event.id} event={event} types={value!.types} />
          ))}
        </ul>
      )}
    </div>
  );
}

/** The events and, for their prices, all tiers: two answers that are the same for everybody. */
async function load() {
  const [events, types] = await Promise.all([listEvents(), listTicketTypes().catch(() => [])]);
  const isOver = (event: EventSummary) => Number(OVER.includes(event.status));
  return { events: events.toSorted((a, b) => isOver(a) - isOver(b)), types };
}

function Card({ event, types }: { event: EventSummary; types: TicketType[] }) {
  const { t, locale } = useTexts();
  const prices = types.filter((type) => type.event_id === event.id && type.status !== "closed");
  const cheapest = prices.reduce<TicketType | null>((least, type) => (least && least.price_cents <= type.price_cents ? least : type), null);
  const price = cheapest && (cheapest.price_cents === 0 ? t.free : money(cheapest.price_cents, cheapest.currency, locale));
  const isOver = OVER.includes(event.status);
  return (
    <li class={`card ${isOver ? "card-over" : ""}`}>
      <Artwork id={event.id} />
      <div class="card-stub">
        <p class="card-date">
          <time dateTime={event.starts_at}>{day(event.starts_at, event.timezone, locale)}</time>
          <span class={`status status-${event.status}`}>{t.status[event.status]}</span>
        </p>
        <h2>
          <a href={`/events/${event.id}`}>{event.name}</a>
        </h2>
        <p class="small">{event.venue}</p>
        {price && !isOver && <p class="card-price">{prices.length > 1 && cheapest.price_cents > 0 ? t.store.from(price) : price}</p>}
      </div>
    </li>
  );
}

function CardSkeletons() {
  const { t } = useTexts();
  return (
    <div class="cards" role="status">
      <span class="hidden">{t.loading}</span>
      {Array.from({ length: 6 }, (_, index) => (
        <div class="card card-skeleton" key={index} />
      ))}
    </div>
  );
}

/** Without accents and capitals, for searching. */
function plain(text: string): string {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}
