/** The start page: the events by date, with a search in the address, so that Back, reloads and links keep it. */

import { ErrorBoundary, lazy, useLocation } from "preact-iso";
import { useEffect } from "preact/hooks";
import { confirm, listEvents, saleStatus, type EventStatus, type EventSummary } from "../api";
import { dateFilters, monthStart } from "../event-dates";
import { dayAndTime, money, month, period } from "../formats";
import { EventPicture } from "../parts/event-picture";
import { Failure, Outcome } from "../parts/failure";
import { LoadFailed } from "../parts/load-failed";
import { useTitle, useTranslated } from "../parts/hooks";
import { now } from "../server-time";
import { useTexts } from "../texts";

const PromoterNote = lazy(() => import("../parts/seller-note").then((part) => part.PromoterNote, () => LoadFailed));
const REFRESH_SECONDS = 30;
const OVER: EventStatus[] = ["sold_out", "closed", "cancelled"];
const GROUPS = ["today", "weekend", "later", "cancelled"] as const;

export function Storefront() {
  const { t, locale } = useTexts();
  const { query, route } = useLocation();
  const { value: events, failure, reload } = useTranslated(listEvents, "events", REFRESH_SECONDS, "/");
  useTitle(t.store.title);
  useEffect(() => {
    const paid = query.checkout_id; // payment pages without a return address return here
    if (paid) void confirm(paid).catch(() => undefined).then(() => route("/tickets", true));
  }, []);

  const { q: search = "", available = "", promoter = "" } = query;
  const words = plain(search).split(/\s+/);
  const isPast = query.when === "past";
  const direction = isPast ? -1 : 1; // the last past event comes first
  const time = now();
  const all = events?.map((event) => ({ event, dates: dateFilters(event, time) })) ?? [];
  const listed = all
    .filter(({ event, dates }) => (dates[0] === "past") === isPast && (!promoter || event.promoter_id === promoter))
    .toSorted((a, b) => direction * (Date.parse(a.event.starts_at) - Date.parse(b.event.starts_at)));
  const cities = distinct(listed.map(({ event }) => event.city));
  const categories = distinct(listed.map(({ event }) => event.category));
  const dates = listed.flatMap((entry) => entry.dates);
  const whens = ["today", "weekend", ...distinct(dates.filter((date) => /^\d/.test(date)))].filter((date) => dates.includes(date));
  const city = cities.find((name) => name === query.city) ?? "";
  const category = categories.find((name) => name === query.category) ?? "";
  const when = isPast ? "past" : (whens.find((date) => date === query.when) ?? "");
  const shown = listed.filter(({ event, dates }) => {
    const text = plain(`${event.name} ${event.venue} ${event.city ?? ""} ${event.category ?? ""} ${event.description}`);
    const isWanted = (!city || event.city === city) && (!category || event.category === category) && (!when || dates.includes(when));
    return isWanted && words.every((word) => text.includes(word)) && (!available || saleStatus(event) === "on_sale");
  });
  const find = (changed: Record<string, string>) => {
    const wanted = Object.entries({ q: search, when, city, category, available, promoter, ...changed }).filter(([, text]) => text);
    route(wanted.length > 0 ? `/?${new URLSearchParams(wanted)}` : "/", true);
  };
  const select = (name: string, label: string, any: string, value: string, values: string[], text = (option: string) => option) =>
    values.length > 1 && (
      <select aria-label={label} value={value} onChange={({ currentTarget }) => find({ [name]: currentTarget.value })}>
        <option value="">{any}</option>
        {values.map((option) => (
          <option key={option} value={option}>
            {text(option)}
          </option>
        ))}
      </select>
    );
  const dateText = (date: string) => (date === "today" || date === "weekend" ? t.store.groups[date] : month(monthStart(date), locale));
  const groups = isPast ? (["past"] as const) : GROUPS.filter((group) => shown.some(({ dates }) => dates[0] === group));
  const pastCount = all.length - listed.length;
  return (
    <div class="page">
      {promoter ? (
        <ErrorBoundary>
          <PromoterNote id={promoter} />
        </ErrorBoundary>
      ) : (
        <div class="hero">
          <h1>{t.store.heading}</h1>
          <p class="lead">{t.store.lead}</p>
        </div>
      )}
      <search class="filters">
        <input
          type="search"
          aria-label={t.store.search}
          placeholder={t.store.search}
          maxLength={100}
          value={search}
          onInput={({ currentTarget }) => find({ q: currentTarget.value })}
        />
        {!isPast && select("when", t.store.date, t.store.anyDate, when, whens, dateText)}
        {select("city", t.store.city, t.store.anywhere, city, cities)}
        {select("category", t.store.category, t.store.anyCategory, category, categories)}
        <label class="check">
          <input type="checkbox" checked={Boolean(available)} onChange={({ currentTarget }) => find({ available: currentTarget.checked ? "now" : "" })} />
          {t.store.available}
        </label>
      </search>
      {failure && !events && <Failure failure={failure} retry={reload} />}
      {!events && !failure && <CardSkeletons />}
      {events && listed.length === 0 && (
        <Outcome tone="calm" title={t.store.empty}>
          <p>{t.store.emptyText}</p>
        </Outcome>
      )}
      {listed.length > 0 && shown.length === 0 && (
        <Outcome tone="calm" title={t.store.none}>
          <p>{t.store.noneText}</p>
          <button type="button" class="button button-quiet" onClick={() => route("/", true)}>
            {t.allEvents}
          </button>
        </Outcome>
      )}
      {shown.length > 0 &&
        groups.map((group) => (
          <section class="group" key={group} aria-labelledby={`group-${group}`}>
            <h2 id={`group-${group}`}>{group === "later" && groups.length === 1 ? t.store.upcoming : t.store.groups[group]}</h2>
            <ul class="cards">
              {shown.map(({ event, dates }) => dates[0] === group && <Card key={event.id} event={event} />)}
            </ul>
          </section>
        ))}
      {!promoter && (isPast || pastCount > 0) && <a href={isPast ? "/" : "/?when=past"}>{isPast ? t.store.upcoming : t.store.pastEvents(pastCount)}</a>}
    </div>
  );
}

function Card({ event }: { event: EventSummary }) {
  const { t, locale } = useTexts();
  const { price_from_cents: cents, included_fee_cents: fee, currency } = event;
  const isOver = OVER.includes(event.status);
  const status = saleStatus(event);
  return (
    <li class={`card ${isOver ? "card-over" : ""}`}>
      <EventPicture id={event.id} image={event.image} sizes="(min-width: 44rem) 24rem, 100vw" />
      <div class="card-stub">
        <p class="card-date">
          <time dateTime={event.starts_at}>{period(event.starts_at, event.ends_at, event.timezone, locale, true)}</time>
          <span class={`status status-${status}`}>{t.status[status]}</span>
        </p>
        <h3>
          <a href={`/events/${event.id}`}>{event.name}</a>
        </h3>
        <p class="small">{event.city && !event.venue.includes(event.city) ? `${event.venue}, ${event.city}` : event.venue}</p>
        {event.category && <p class="small">{event.category}</p>}
        {event.status === "scheduled" && event.on_sale_at && Date.parse(event.on_sale_at) > 1000 * now() && (
          <p class="small">{t.event.salesFrom(dayAndTime(event.on_sale_at, event.timezone, locale))}</p>
        )}
        {cents !== null && currency && !isOver && (
          <p class="card-price">
            {cents === 0 ? t.free : t.store.from(money(cents, currency, locale))}
            {fee! > 0 && <span class="block small">{t.event.fee(money(fee!, currency, locale))}</span>}
          </p>
        )}
      </div>
    </li>
  );
}

function CardSkeletons() {
  const { t } = useTexts();
  return (
    <div class="group" role="status">
      <span class="hidden">{t.loading}</span>
      <h2 aria-hidden="true">&nbsp;</h2>
      <div class="cards">
        {Array.from({ length: 6 }, (_, index) => (
          <div class="card card-skeleton" key={index} />
        ))}
      </div>
    </div>
  );
}

/** The names without repetitions, in alphabetical order. */
function distinct(names: (string | null)[]): string[] {
  return [...new Set(names.flatMap((name) => name || []))].sort();
}

/** The text in lower case without accents, for searching. */
function plain(text: string): string {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}
