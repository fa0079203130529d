/** The people whom an event's tickets admit: found by name, filtered, and as a CSV file. */

import { useState } from "preact/hooks";
import { save } from "../../downloads";
import { shortDayAndTime } from "../../formats";
import { Failure } from "../../parts/failure";
import { useAction } from "../../parts/hooks";
import { useTexts } from "../../texts";
import { UnreachedPeople } from "../events/ticket-holders";
import { PagedList } from "../parts/paged-list";
import { TablePlace } from "../parts/table-place";
import { usePages } from "../parts/use-pages";
import { useRoomTexts } from "../texts";
import { useManagedEvent } from "../who";
import { exportAttendees, listAttendees, type PeopleFilters, type Person } from "./orders";

const SHOWN = ["", "in", "out", "frozen", "void"] as const;

export function AttendeeList() {
  const own = useRoomTexts("attendees");
  const { event } = useManagedEvent();
  const [filters, setFilters] = useState<PeopleFilters>({ search: "", tier_id: "", show: "" });
  const [words, setWords] = useState("");
  const { isWorking, failure, run } = useAction();
  const search = (submitted: SubmitEvent) => {
    submitted.preventDefault();
    setFilters({ ...filters, search: words.trim() });
  };
  return (
    <div class="page">
      <div class="page-head">
        <h1>{own.title}</h1>
        <button type="button" class="button button-quiet" disabled={isWorking} onClick={() => run(async () => save(await exportAttendees(event.id, filters), `${event.id}-attendees.csv`))}>
          {own.csv}
        </button>
      </div>
      {failure && <Failure failure={failure} />}
      <form class="control-fields" role="search" onSubmit={search}>
        <label class="field">
          {own.search}
          <input type="search" value={words} maxLength={254} onInput={({ currentTarget }) => setWords(currentTarget.value)} />
        </label>
        <button type="submit" class="button button-quiet">
          {own.find}
        </button>
        <label class="field">
          {own.kind}
          <select value={filters.tier_id} onChange={({ currentTarget }) => setFilters({ ...filters, tier_id: currentTarget.value })}>
            <option value="">{own.allKinds}</option>
            {event.tiers.map(({ id, name }) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          {own.show}
          <select value={filters.show} onChange={({ currentTarget }) => setFilters({ ...filters, show: currentTarget.value as PeopleFilters["show"] })}>
            {SHOWN.map((show) => (
              <option key={show} value={show}>
                {own.shown[show || "expected"]}
              </option>
            ))}
          </select>
        </label>
      </form>
      <p class="small">{own.note}</p>
      {ADDONS.messages && <UnreachedPeople />}
      <People key={JSON.stringify(filters)} filters={filters} />
    </div>
  );
}

function People({ filters }: { filters: PeopleFilters }) {
  const own = useRoomTexts("attendees");
  const { event } = useManagedEvent();
  const found = usePages((cursor) => listAttendees(event.id, filters, cursor), event.id);
  const isFiltered = filters.search || filters.tier_id || filters.show;
  return (
    <PagedList found={found} itemsOf={(page) => page.attendees} empty={{ title: own.none, text: isFiltered ? own.noMatch : own.noneText }}>
      {(people) => (
        <TablePlace label={own.title}>
          <table class="people">
            <thead>
              <tr>
                <th scope="col">{own.person}</th>
                <th scope="col">{own.ticket}</th>
                <th scope="col">{own.door}</th>
                <th scope="col">{own.order}</th>
                {hasAnswers(people) && <th scope="col">{own.answers}</th>}
              </tr>
            </thead>
            <tbody>
              {people.map((person) => (
                <Row key={`${person.ticket_id}.${person.seat}`} person={person} hasAnswers={hasAnswers(people)} />
              ))}
            </tbody>
          </table>
        </TablePlace>
      )}
    </PagedList>
  );
}

const hasAnswers = (people: Person[]) => people.some(({ answers }) => answers.length > 0);

function Row({ person, hasAnswers }: { person: Person; hasAnswers: boolean }) {
  const own = useRoomTexts("attendees");
  const { locale } = useTexts();
  const { event } = useManagedEvent();
  const { email, came_in_at } = person;
  const owner = person.owner_name ?? email;
  const name = person.name ?? (owner && person.seat > 1 ? own.guestOf(owner) : owner) ?? own.noName;
  return (
    <tr>
      <th scope="row">
        {name}
        {email && !name.includes(email) && <span class="small">{email}</span>}
      </th>
      <td>
        {person.tier_name}
        {person.number && <span class="small code second-line">{person.number}</span>}
      </td>
      <td>
        <span class={came_in_at ? "status status-delivered" : "status"}>{came_in_at ? own.shown.in : own.doorStates[person.state]}</span>
        {came_in_at && <span class="small second-line">{own.cameIn(shortDayAndTime(came_in_at, event.timezone, locale), person.gate)}</span>}
      </td>
      <td>
        <a class="code" href={`/manage/events/${event.id}/orders/${person.order_id}`}>
          {person.order_number}
        </a>
      </td>
      {hasAnswers && (
        <td>
          {person.answers.map(({ label, answer }, index) => (
            <span class="answer" key={index}>
              <span class="small">{label}:</span> {answer}
            </span>
          ))}
        </td>
      )}
    </tr>
  );
}
