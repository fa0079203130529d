/** The form for an event's details, beside a preview of the event in the shop. */

import { useState } from "preact/hooks";
import { day } from "../../formats";
import { EventPicture } from "../../parts/event-picture";
import { Form } from "../../parts/form";
import { useTexts } from "../../texts";
import type { ManagedEvent } from "../api";
import { AreaField, CheckField, SelectField, TextField } from "../parts/fields";
import { SaveNote } from "../parts/save-note";
import { TheirChanges } from "../parts/their-changes";
import type { Draft } from "../parts/use-draft";
import { useRoomTexts } from "../texts";
import { fromLocal } from "../zoned-time";
import type { EventValues } from "./event-values";

interface Props {
  draft: Draft<EventValues>;
  event: ManagedEvent | null;
  button: string;
  isSaved?: boolean;
  onSubmit: () => Promise<void>;
}

export function EventForm({ draft, event, button, isSaved = false, onSubmit }: Props) {
  const own = useRoomTexts("events");
  const form = useRoomTexts("forms");
  const f = own.fields;
  const [zones] = useState(() => timezones(draft.values.timezone));
  const isDraft = event === null || event.status === "draft";
  return (
    <div class="editor">
      <Form onSubmit={onSubmit} button={button}>
        {(errorOf) => {
          const common = { draft, errorOf };
          return (
            <>
              <TheirChanges draft={draft} labels={f} />
              <fieldset class="fields">
                <legend>{own.what}</legend>
                <TextField {...common} name="name" label={f.name} required maxLength={200} />
                <TextField {...common} name="venue" label={f.venue} maxLength={200} />
                <TextField {...common} name="address" label={form.optional(f.address)} maxLength={200} />
                <div class="pair">
                  <TextField {...common} name="city" label={form.optional(f.city)} maxLength={100} />
                  <TextField {...common} name="category" label={form.optional(f.category)} maxLength={100} />
                </div>
                <AreaField {...common} name="description" label={form.optional(f.description)} maxLength={10_000} rows={5} />
              </fieldset>
              <fieldset class="fields">
                <legend>{own.when}</legend>
                <div class="pair">
                  <TextField {...common} name="starts_at" label={f.starts_at} type="datetime-local" />
                  <TextField {...common} name="ends_at" label={form.optional(f.ends_at)} type="datetime-local" />
                </div>
                <SelectField {...common} name="timezone" label={f.timezone} note={own.timezoneNote} options={zones} />
              </fieldset>
              <fieldset class="fields">
                <legend>{own.sale}</legend>
                <TextField {...common} name="on_sale_at" label={form.optional(f.on_sale_at)} note={own.onSaleNote} type="datetime-local" />
                <TextField {...common} name="capacity" label={form.optional(f.capacity)} note={isDraft ? own.capacityNote : own.capacityLater} type="number" min={1} max={1_000_000} />
                <details class="more" open={errorOf("purchase_limit") !== null || errorOf("hold_seconds") !== null}>
                  <summary>{own.more}</summary>
                  <div class="fields">
                    <TextField {...common} name="purchase_limit" label={form.optional(f.purchase_limit)} note={own.limitNote} type="number" min={1} max={1000} />
                    <TextField {...common} name="hold_seconds" label={form.optional(f.hold_seconds)} note={own.holdNote} type="number" min={30} max={3600} />
                    <CheckField {...common} name="has_line" label={f.has_line} note={own.lineNote} />
                    {draft.values.has_line && (
                      <>
                        <div class="pair">
                          <TextField {...common} name="wave_size" label={form.optional(f.wave_size)} type="number" min={1} max={100_000} />
                          <TextField {...common} name="wave_seconds" label={form.optional(f.wave_seconds)} type="number" min={1} max={86_400} />
                        </div>
                        <TextField {...common} name="pass_seconds" label={form.optional(f.pass_seconds)} type="number" min={1} max={86_400} />
                        <CheckField {...common} name="follow_stock" label={f.follow_stock} note={own.followNote} />
                      </>
                    )}
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
  const status = event?.status ?? "draft";
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

/** The time zones that the browser knows, and the chosen one even if the browser does not know it. */
function timezones(chosen: string): [string, string][] {
  const known = ["UTC", ...Intl.supportedValuesOf("timeZone")];
  return (known.includes(chosen) ? known : [chosen, ...known]).map((zone) => [zone, zone.replaceAll("_", " ")]);
}
