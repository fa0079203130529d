/** The form for an event's details, beside a preview of the event in the shop. */

import { useState } from "preact/hooks";
import { saleStatus } from "../../api";
import { day } from "../../formats";
import { EventPicture } from "../../parts/event-picture";
import { Form } from "../../parts/form";
import { useTexts } from "../../texts";
import type { ManagedEvent } from "../api";
import { timezones } from "../parts/choices";
import { labels } from "../parts/field-table";
import { otherLabels, OtherLanguages } from "../parts/other-languages";
import { SaveNote } from "../parts/save-note";
import { TableFields, type RowChanges } from "../parts/table-fields";
import { TheirChanges } from "../parts/their-changes";
import type { Draft } from "../parts/use-draft";
import { useRoomTexts } from "../texts";
import { fromLocal } from "../zoned-time";
import { EVENT_FIELDS, LINE_FIELDS, RETURN_FIELDS } from "./event-fields";
import type { EventValues } from "./event-values";

interface Props {
  draft: Draft<EventValues>;
  event: ManagedEvent | null;
  button: string;
  isSaved?: boolean;
  onSubmit: () => Promise<void>;
}

const FOLLOWS: RowChanges = { place: "dates" }; // nowhere in this form

export function EventForm({ draft, event, button, isSaved = false, onSubmit }: Props) {
  const own = useRoomTexts("events");
  const texts = useRoomTexts("fields");
  const [zones] = useState(() => timezones(draft.values.timezone));
  const { name, description } = EVENT_FIELDS;
  const others = { names: { ...name, ...texts.event.name }, descriptions: { ...description, ...texts.event.description } };
  const isDraft = event === null || event.status === "draft";
  const changes: Record<string, RowChanges> = { timezone: { options: zones }, ...(!isDraft && { capacity: { note: own.capacityLater } }), ...(event?.dates.length && { starts_at: FOLLOWS, ends_at: FOLLOWS }) };
  return (
    <div class="editor">
      <Form onSubmit={onSubmit} button={button}>
        {(errorOf) => {
          const common = { table: EVENT_FIELDS, texts: texts.event, draft, errorOf, changes };
          const choices = { entry: { options: own.entry }, ballot_cards: { options: own.ballotCards }, randomness: { options: own.randomness }, pass_algorithm: { options: own.passAlgorithms } };
          const line = { table: LINE_FIELDS, texts: texts.line, draft, errorOf, changes: choices };
          const returns = { table: RETURN_FIELDS, texts: texts.returns, draft, errorOf, changes: { policy: { options: own.returnPolicies } } };
          return (
            <>
              <TheirChanges draft={draft} labels={{ ...labels(texts.event, texts.line, texts.returns), ...otherLabels(others) }} />
              <fieldset class="fields">
                <legend>{own.what}</legend>
                <TableFields {...common} place="what" />
                <OtherLanguages texts={others} draft={draft} errorOf={errorOf} />
              </fieldset>
              <fieldset class="fields">
                <legend>{own.when}</legend>
                <TableFields {...common} place="when" />
                {!isDraft && <TableFields {...common} place="returns" />}
              </fieldset>
              <fieldset class="fields">
                <legend>{own.sale}</legend>
                <TableFields {...common} place="sale" />
                <details class="more" open={["purchase_limit", "hold_seconds", "until", "fee_percent"].some((name) => errorOf(name) !== null)}>
                  <summary>{own.more}</summary>
                  <div class="fields">
                    <TableFields {...common} place="more" />
                    <TableFields {...line} place="more" />
                    {draft.values.has_line && <TableFields {...line} place="line" />}
                    <TableFields {...returns} place="rules" />
                    {["refund", "resale"].includes(draft.values.policy) && <TableFields {...returns} place="refund" />}
                    {draft.values.policy === "refund" && <TableFields {...returns} place="approval" />}
                  </div>
                </details>
              </fieldset>
              <SaveNote draft={draft} isSaved={isSaved} />
            </>
          );
        }}
      </Form>
      <Preview values={draft.values} event={event} />
    </div>
  );
}

/** The event's card as it appears in the shop. */
function Preview({ values, event }: { values: EventValues; event: ManagedEvent | null }) {
  const { t, locale } = useTexts();
  const own = useRoomTexts("events");
  const starts = fromLocal(values.starts_at, values.timezone);
  const place = [values.venue.trim(), values.city.trim()].filter(Boolean).join(", ");
  const status = event ? saleStatus<ManagedEvent["status"]>(event) : "draft";
  return (
    <section class="preview" aria-label={own.preview}>
      <h2 class="small">{own.preview}</h2>
      <div class="card">
        <EventPicture id={event?.id ?? "new"} image={event?.image ?? null} sizes="24rem" />
        <div class="card-stub">
          <p class="card-date">
            {starts ? <time dateTime={starts}>{day(starts, values.timezone, locale)}</time> : <span>{own.noDate}</span>}
            <span class={`status status-${status}`}>{t.status[status]}</span>
          </p>
          <h3>{values.name.trim() || own.noName}</h3>
          <p class="small">{place || own.noPlace}</p>
          {values.description.trim() && <p class="preview-text">{values.description.trim()}</p>}
        </div>
      </div>
    </section>
  );
}
