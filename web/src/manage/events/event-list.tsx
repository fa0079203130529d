/** The events that the user sells or works at; admins see all events. */

import { useState } from "preact/hooks";
import { day, money } from "../../formats";
import { EventPicture } from "../../parts/event-picture";
import { Failure, Outcome, Skeleton } from "../../parts/failure";
import { useLoaded } from "../../parts/hooks";
import { useTexts } from "../../texts";
import type { ListedEvent } from "../api";
import { Confirmed } from "../parts/confirmed";
import { EventStatus } from "../parts/event-status";
import { leaveEvent } from "../people/api";
import { mayAnywhere } from "../rights";
import { getEventFigures, type EventFigures } from "../sales/figures";
import { useRoomTexts } from "../texts";
import { useMay, useMe } from "../who";
import { listEvents } from "./own-events";

const OVER: ListedEvent["status"][] = ["closed", "cancelled"];

export function EventList() {
  const own = useRoomTexts("eventList");
  const me = useMe();
  const mayDo = useMay();
  const [words, setWords] = useState("");
  const { value: events, failure, reload } = useLoaded(() => listEvents(me), me.id);
  const ids = mayAnywhere("seeFigures", me) ? (events ?? []).map(({ id }) => id) : [];
  const { value: figures } = useLoaded(async () => (ADDONS.reports ? getEventFigures(ids) : null), ids.join()); // the list is useful without them
  const shown = events?.filter((event) => event.name.toLowerCase().includes(words.trim().toLowerCase()));
  const groups = [
    { title: own.drafts, events: shown?.filter(({ status }) => status === "draft" || status === "test") },
    { title: own.upcoming, events: shown?.filter(({ status }) => status !== "draft" && status !== "test" && !OVER.includes(status)) },
    { title: own.past, events: shown?.filter(({ status }) => OVER.includes(status)) },
  ];
  return (
    <div class="page">
      <div class="page-head">
        <h1>{mayDo("listAllEvents") ? own.all : own.title}</h1>
        {mayDo("createEvents") && events && (
          <a class="button" href="/manage/events/new">
            {own.create}
          </a>
        )}
      </div>
      {failure && !events && <Failure failure={failure} retry={reload} />}
      {!events && !failure && <Skeleton lines={6} />}
      {events?.length === 0 && (
        <Outcome tone="calm" title={own.none}>
          <p>{own.noneText}</p>
        </Outcome>
      )}
      {events && events.length > 5 && (
        <input type="search" aria-label={own.search} placeholder={own.search} value={words} onInput={({ currentTarget }) => setWords(currentTarget.value)} />
      )}
      {events && events.length > 0 && shown?.length === 0 && <p role="status">{own.noMatch}</p>}
      {groups.map(
        ({ title, events: listed }) =>
          listed &&
          listed.length > 0 && (
            <section class="group" key={title}>
              <h2>{title}</h2>
              <ul class="rows">
                {listed.map((event) => (
                  <Row key={event.id} event={event} figures={figures?.get(event.id)} />
                ))}
              </ul>
            </section>
          ),
      )}
    </div>
  );
}

function Row({ event, figures }: { event: ListedEvent; figures?: EventFigures }) {
  const { locale } = useTexts();
  const own = useRoomTexts("eventList");
  const me = useMe();
  return (
    <li class="row-card">
      <div class="row-picture">
        <EventPicture id={event.id} image={event.image} sizes="8rem" />
      </div>
      <div class="row-text">
        <h3>
          <a href={`/manage/events/${event.id}`}>{event.name}</a>
        </h3>
        <p class="small date-first">{[event.starts_at ? day(event.starts_at, event.timezone, locale) : own.noDate, event.venue].filter(Boolean).join(" · ")}</p>
        {figures && (figures.tickets_kept > 0 || event.status !== "draft") && (
          <p class="numbers">
            {[own.sold(figures.tickets_kept, figures.capacity), ...Object.entries(figures.balance_cents).map(([currency, cents]) => money(cents, currency, locale))].join(" · ")}
          </p>
        )}
      </div>
      {me.events[event.id] && (
        <div class="row-actions">
          <Confirmed label={own.leave} subject={event.name} confirm={own.leaveNow} class="link" act={async () => (await leaveEvent(event.id), location.reload())}>
            <p>{own.leaveText}</p>
          </Confirmed>
        </div>
      )}
      <EventStatus event={event} as="span" />
    </li>
  );
}
