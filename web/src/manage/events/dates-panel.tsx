/** The dates of an event that takes place several times, and the dates for which the tickets of a type are valid. */

import { useState } from "preact/hooks";
import { getAvailability } from "../../api";
import { shortDayAndTime } from "../../formats";
import { Form } from "../../parts/form";
import { useLoaded } from "../../parts/hooks";
import { useTexts } from "../../texts";
import { getEvent, type ManagedEvent } from "../api";
import { Confirmed } from "../parts/confirmed";
import { SelectField, TextField } from "../parts/fields";
import { OtherLanguages } from "../parts/other-languages";
import { toMap, toOtherTexts, type OtherTexts } from "../parts/other-texts";
import { changeTier, type Tier } from "../tickets/api";
import { useRoomTexts } from "../texts";
import { useManagedEvent, useMay } from "../who";
import { fromLocal, toLocal } from "../zoned-time";
import { addDates, cancelEvent, changeEvent } from "./api";
import { NO_REASON, ReasonFields, toReasons } from "./reason-fields";
import { CancellationEffects } from "./ticket-holders";

const MAX_DATES = 60;

/** A date as it is typed, in the time zone of the event. */
type Row = Record<"id" | "starts_at" | "ends_at" | "name" | "venue" | "capacity", string> & OtherTexts<"names">;

function toRows({ dates, timezone }: ManagedEvent): Row[] {
  return dates.map(({ id, starts_at, ends_at, name, venue, capacity, names }) => ({ id, starts_at: toLocal(starts_at, timezone), ends_at: toLocal(ends_at, timezone), name: name ?? "", venue: venue ?? "", capacity: capacity?.toString() ?? "", ...toOtherTexts({ names }) }));
}

/** The page must show a new panel when the dates of the event have changed. */
export function DatesPanel() {
  const own = useRoomTexts("events");
  const { event, replace } = useManagedEvent();
  const may = useMay();
  const [rows, setRows] = useState(() => toRows(event));
  const { value: stock } = useLoaded(async () => (event.status === "draft" ? null : getAvailability(event.id)), event.id);
  const save = async () => {
    const dates = rows.map((row) => ({
      id: row.id,
      starts_at: fromLocal(row.starts_at, event.timezone)!, // the field is required
      ends_at: fromLocal(row.ends_at, event.timezone),
      name: row.name.trim() || null,
      venue: row.venue.trim() || null,
      capacity: row.capacity ? Number(row.capacity) : null,
      names: toMap("names", row),
    }));
    replace(await changeEvent(event.id, { dates, version: event.version }));
  };
  const add = () => setRows([...rows, { id: crypto.randomUUID().slice(0, 8), starts_at: rows.length ? "" : toLocal(event.starts_at, event.timezone), ends_at: "", name: "", venue: "", capacity: "" }]);
  return (
    <section class="panel">
      <h2>{own.datesTitle}</h2>
      <p class="small">{own.datesNote}</p>
      <p class="small">{own.dateCapacityNote}</p>
      <Form class="question-form" onSubmit={save} button={own.datesSave} isQuiet>
        {(errorOf) => (
          <>
            {rows.map((row, place) => {
              const left = stock?.dates.find(({ date_id }) => date_id === row.id)?.available;
              // The names of the fields are the paths that refusals name.
              const path = `dates[${place}].`;
              const set = (changes: Partial<Record<string, string>>) => {
                const typed = Object.entries(changes).map(([name, value]) => [name.slice(path.length), value]);
                setRows(rows.map((other) => (other === row ? { ...row, ...Object.fromEntries(typed) } : other)));
              };
              const form = { errorOf, draft: { values: Object.fromEntries(Object.entries<string>(row).map(([key, value]) => [path + key, value])), set } };
              const typed = (key: keyof Row) => ({ ...form, name: path + key });
              return (
                <fieldset class="fields field" key={row.id}>
                  <legend>{own.date(place + 1)}</legend>
                  <div class="pair">
                    <TextField {...typed("starts_at")} label={own.dateStarts} type="datetime-local" required />
                    <TextField {...typed("ends_at")} label={own.dateEnds} type="datetime-local" />
                  </div>
                  <div class="pair">
                    <TextField {...typed("name")} label={own.dateName} maxLength={100} />
                    <TextField {...typed("venue")} label={own.dateVenue} maxLength={100} />
                  </div>
                  <OtherLanguages {...form} texts={{ [`${path}names`]: { label: own.dateName, maxLength: 100 } }} />
                  <TextField {...typed("capacity")} label={own.dateCapacity} note={left === undefined ? undefined : own.dateLeft(left)} type="number" min={1} />
                  {event.cancelled_dates.some(({ id }) => id === row.id) ? (
                    <p class="notice">{own.dateCancelled}</p>
                  ) : (
                  <button type="button" class="link" aria-label={`${own.dateRemove}: ${own.date(place + 1)}`} onClick={() => setRows(rows.filter((other) => other !== row))}>
                    {own.dateRemove}
                  </button>
                  )}
                </fieldset>
              );
            })}
            {rows.length < MAX_DATES && (
              <button type="button" class="link" onClick={add}>
                {own.dateAdd}
              </button>
            )}
          </>
        )}
      </Form>
      <Repeat />
      {event.managed_by === "api" && event.status !== "draft" && event.status !== "cancelled" && may("cancelEvent") && <CancelDates />}
    </section>
  );
}

/** Cancel single dates for good, with the same confirmation as for the event. */
function CancelDates() {
  const own = useRoomTexts("events");
  const { locale } = useTexts();
  const { event, replace } = useManagedEvent();
  const [values, setValues] = useState(NO_REASON);
  const left = event.dates.filter(({ id }) => !event.cancelled_dates.some((cancelled) => cancelled.id === id));
  if (left.length === 0) return null;
  return (
    <details class="more">
      <summary>{own.cancelDate}</summary>
      <ul class="plain-list">
        {left.map(({ id, name, starts_at }) => {
          const title = [shortDayAndTime(starts_at, event.timezone, locale), name].filter(Boolean).join(" · ");
          const cancel = async () => {
            await cancelEvent(event.id, toReasons(values), id);
            replace(await getEvent(event.id));
          };
          return (
            <li class="row" key={id}>
              <span>{title}</span>
              <Confirmed label={own.cancelDate} subject={title} confirm={own.cancelDateNow} act={cancel} typed={{ words: event.name, label: own.cancelTyped(event.name) }} class="link">
                <p>{own.cancelDateText}</p>
                <CancellationEffects dateId={id} />
                <p>{left.length > 1 ? own.cancelDatePasses : own.cancelDateLast}</p>
                <ReasonFields values={values} setValues={setValues} />
                <p>
                  <strong>{own.cancelDateFinal}</strong>
                </p>
              </Confirmed>
            </li>
          );
        })}
      </ul>
    </details>
  );
}

/** Add dates that repeat every day or week. */
function Repeat() {
  const own = useRoomTexts("events");
  const { locale } = useTexts();
  const { event, replace } = useManagedEvent();
  const [values, setValues] = useState({ starts_at: toLocal(event.starts_at, event.timezone), rule: "WEEKLY", count: "4", tiers_of: "" });
  const draft = { values, set: (changes: Partial<typeof values>) => setValues({ ...values, ...changes }) };
  const add = async () => {
    const starts_at = fromLocal(values.starts_at, event.timezone)!; // the field is required
    const tiers_of = values.tiers_of || null;
    replace(await addDates(event.id, { rule: `FREQ=${values.rule};COUNT=${values.count}`, starts_at, tiers_of, version: event.version }));
  };
  const withTiers = event.dates.filter(({ id }) => event.tiers.some(({ date_ids }) => date_ids.length === 1 && date_ids[0] === id));
  const copied = withTiers.map(({ id, name, starts_at }): [string, string] => [id, [shortDayAndTime(starts_at, event.timezone, locale), name].filter(Boolean).join(" · ")]);
  return (
    <details class="more">
      <summary>{own.repeatTitle}</summary>
      <Form class="question-form" onSubmit={add} button={own.repeatAdd} isQuiet>
        {(errorOf) => (
          <>
            <TextField name="starts_at" label={own.repeatFirst} draft={draft} errorOf={errorOf} type="datetime-local" required />
            <div class="pair">
              <SelectField name="rule" label={own.repeatEvery} draft={draft} errorOf={errorOf} options={own.repeats} />
              <TextField name="count" label={own.repeatCount} draft={draft} errorOf={errorOf} type="number" required min={1} max={MAX_DATES} />
            </div>
            {copied.length > 0 && <SelectField name="tiers_of" label={own.repeatTiers} draft={draft} errorOf={errorOf} options={[["", own.repeatNoTiers], ...copied]} />}
          </>
        )}
      </Form>
    </details>
  );
}

export function TierDates({ tier, onChanged }: { tier: Tier; onChanged: () => Promise<unknown> }) {
  const own = useRoomTexts("events");
  const { locale } = useTexts();
  const { event } = useManagedEvent();
  const [chosen, setChosen] = useState(tier.date_ids);
  const save = async () => {
    await changeTier(tier.id, { date_ids: event.dates.flatMap(({ id }) => (chosen.includes(id) ? [id] : [])), version: tier.version });
    await onChanged();
  };
  return (
    <section class="panel">
      <h2>{own.tierDatesTitle}</h2>
      <p class="small">{own.tierDatesNote}</p>
      <Form class="question-form" onSubmit={save} button={own.datesSave} isQuiet>
        {() =>
          event.dates.map(({ id, name, starts_at }, place) => (
            <label class="check" key={id}>
              <input
                type="checkbox"
                name={`date_ids[${place}]`}
                checked={chosen.includes(id)}
                onChange={({ currentTarget }) => setChosen(currentTarget.checked ? [...chosen, id] : chosen.filter((other) => other !== id))}
              />
              {[shortDayAndTime(starts_at, event.timezone, locale), name].filter(Boolean).join(" · ")}
            </label>
          ))
        }
      </Form>
    </section>
  );
}
