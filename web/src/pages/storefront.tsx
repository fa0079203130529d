/** The start page: all events, with a search in the address, so that Back, reloads and links keep it. */

import { useLocation } from "preact-iso";
import { useEffect } from "preact/hooks";
import { confirm, listEvents, type EventStatus, type EventSummary } from "../api";
import { day, dayAndTime, money } from "../formats";
import { EventPicture } from "../parts/event-picture";
import { Failure, Outcome } from "../parts/failure";
import { useLoaded, useTitle } from "../parts/hooks";
import { useTexts } from "../texts";

const REFRESH_SECONDS = 30;
const OVER: EventStatus[] = ["sold_out", "closed", "cancelled"]; // listed last

export function Storefront() {
  const { t } = useTexts();
  const { query, route } = useLocation();
  const { value: events, failure, reload } = useLoaded(load, "events", REFRESH_SECONDS);
  useTitle(t.store.title);
  useEffect(() => {
    const paid = query.checkout_id; // payment pages without a return address return here
    if (paid) void confirm(paid).catch(() => undefined).then(() => route("/tickets", true));
  }, []);

  const { q: search = "", available = "" } = query;
  const words = plain(search).split(/\s+/);
  const cities = [...new Set(events?.flatMap((event) => event.city || []))].sort();
  const city = cities.find((name) => name === query.city) ?? "";
  const shown = events?.filter((event) => {
    const text = plain(`${event.name} ${event.venue} ${event.city ?? ""} ${event.category ?? ""} ${event.description}`);
    return words.every((word) => text.includes(word)) && (!available || event.status === "on_sale") && (!city || event.city === city);
  });
  const find = (changed: { q?: string; city?: string; available?: string }) => {
    const wanted = Object.entries({ q: search, city, available, ...changed }).filter(([, text]) => text);
    route(wanted.length > 0 ? `/?${new URLSearchParams(wanted)}` : "/", true);
  };
  return (
    <div class="page">
      <div class="hero">
        <h1>{t.store.heading}</h1>
        <p class="lead">{t.store.lead}</p>
      </div>
      <search class="filters">
        <input
          type="search"
          aria-label={t.store.search}
          placeholder={t.store.search}
          maxLength={100}
          value={search}
          onInput={({ currentTarget }) => find({ q: currentTarget.value })}
        />
        {cities.length > 1 && (
          <select aria-label={t.store.city} value={city} onChange={({ currentTarget }) => find({ city: currentTarget.value })}>
            <option value="">{t.store.anywhere}</option>
            {cities.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        )}
        <label class="check">
          <input type="checkbox" checked={Boolean(available)} onChange={({ currentTarget }) => find({ available: currentTarget.checked ? "now" : "" })} />
          {t.store.available}
        </label>
      </search>
      {failure && !events && <Failure failure={failure} retry={reload} />}
      {!events && !failure && <CardSkeletons />}
      {events?.length === 0 && (
        <Outcome tone="calm" title={t.store.empty}>
          <p>{t.store.emptyText}</p>
        </Outcome>
      )}
      {events && events.length > 0 && shown?.length === 0 && (
        <Outcome tone="calm" title={t.store.none}>
          <p>{t.store.noneText}</p>
          <button type="button" class="button button-quiet" onClick={() => route("/", true)}>
            {t.allEvents}
          </button>
        </Outcome>
      )}
      {shown && shown.length > 0 && (
        <ul class="cards">
          {shown.map((event) => (
            <Card key={event.id} event={event} />
          ))}
        </ul>
      )}
    </div>
  );
}

/** Load the events, with those no longer on sale last. */
async function load() {
  const isOver = (event: EventSummary) => Number(OVER.includes(event.status));
  return (await listEvents()).toSorted((a, b) => isOver(a) - isOver(b));
}

function Card({ event }: { event: EventSummary }) {
  const { t, locale } = useTexts();
  const { price_from_cents: cents, currency } = event;
  const isOver = OVER.includes(event.status);
  return (
    <li class={`card ${isOver ? "card-over" : ""}`}>
      <EventPicture id={event.id} image={event.image} sizes="(min-width: 44rem) 24rem, 100vw" />
      <div class="card-stub">
        <p class="card-date">
          <time dateTime={event.starts_at}>{day(event.starts_at, event.timezone, locale)}</time>
          <span class={`status status-${event.status}`}>{t.status[event.status]}</span>
        </p>
        <h2>
          <a href={`/events/${event.id}`}>{event.name}</a>
        </h2>
        <p class="small">{event.city && !event.venue.includes(event.city) ? `${event.venue}, ${event.city}` : event.venue}</p>
        {event.status === "scheduled" && event.on_sale_at && (
          <p class="small">{t.event.salesFrom(dayAndTime(event.on_sale_at, event.timezone, locale))}</p>
        )}
        {cents !== null && currency && !isOver && <p class="card-price">{cents === 0 ? t.free : t.store.from(money(cents, currency, locale))}</p>}
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

/** The text in lower case without accents, for searching. */
function plain(text: string): string {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}
