/** The details of an event, for editing. A change that ticket holders will notice is confirmed first. */

import { useRef, useState } from "preact/hooks";
import { Outcome } from "../../parts/failure";
import { now } from "../../server-time";
import { getEvent } from "../api";
import { differences } from "../draft";
import { Confirm } from "../parts/confirm";
import { AreaField } from "../parts/fields";
import { TableFields } from "../parts/table-fields";
import { useSaved } from "../parts/save-note";
import { useDraft } from "../parts/use-draft";
import { useRoomTexts } from "../texts";
import { useManagedEvent } from "../who";
import { changeEvent } from "./api";
import { DatesPanel } from "./dates-panel";
import { EVENT_FIELDS } from "./event-fields";
import { EventForm } from "./event-form";
import { toFields, toValues } from "./event-values";
import { GatePanel } from "./gate-panel";
import { ImagePanel } from "./image-panel";
import { ReachedPeople } from "./ticket-holders";

/** Ticket holders get an email if one of these changes. */
const NOTICED = ["name", "venue", "address", "city", "starts_at", "timezone"] as const;
/** How long the email about a change may wait. Until then, the form offers its note again. */
const WAITING_SECONDS = 300;

export function EditEvent() {
  const own = useRoomTexts("events");
  const { event } = useManagedEvent();
  return (
    <div class="page">
      <h1>{own.editTitle}</h1>
      {event.managed_by === "bootstrap" ? (
        <Outcome tone="calm" title={own.bootstrapTitle}>
          <p>{own.bootstrapText}</p>
        </Outcome>
      ) : (
        <Editor key={`${event.id} ${JSON.stringify([event.dates, event.cancelled_dates])}`} />
      )}
      {event.shop_url !== null && <GatePanel event={event} />}
    </div>
  );
}

function Editor() {
  const own = useRoomTexts("events");
  const texts = useRoomTexts("fields");
  const form = useRoomTexts("forms");
  const { event, replace } = useManagedEvent();
  const load = async () => {
    const present = await getEvent(event.id);
    replace(present);
    return { version: present.version, values: toValues(present) };
  };
  const draft = useDraft(`event.${event.id}`, { version: event.version, values: toValues(event) }, load);
  const [isSaved, setSaved] = useSaved(draft.isChanged);
  const isWaiting = Date.parse(event.updated_at) > 1000 * (now() - WAITING_SECONDS);
  const [note, setNote] = useState({ change_note: (isWaiting && event.change_note) || "" });
  const [isConfirming, setConfirming] = useState(false);
  const isConfirmed = useRef(false);
  const place = useRef<HTMLDivElement>(null);
  const saved = toValues(event);
  const changed = NOTICED.filter((name) => draft.values[name] !== saved[name]);
  const isOver = Date.parse(event.ends_at ?? event.starts_at ?? "") < 1000 * now(); // then only a new start is announced
  const isSilent = event.status === "cancelled" || (isOver && !changed.includes("starts_at"));
  const isNoticed = changed.length > 0 && !isSilent && event.tiers.some(({ sold }) => sold > 0);
  const save = async () => {
    if (isNoticed && !isConfirmed.current) return setConfirming(true);
    isConfirmed.current = false;
    await draft.save(async (values, base, version) => {
      const changes = differences(toFields(base), toFields(values));
      const change_note = note.change_note.trim() || null;
      replace(await changeEvent(event.id, { ...changes, ...(isNoticed && { change_note }), version }));
      setSaved();
    });
  };
  // Submitted again, so that the form shows a refusal at its field.
  const confirm = async () => {
    isConfirmed.current = true;
    place.current!.querySelector("form")!.requestSubmit();
  };
  return (
    <div class="event-facts" ref={place}>
      <EventForm draft={draft} event={event} button={form.save} isSaved={isSaved} onSubmit={save} />
      <Confirm title={own.noticedTitle} action={own.noticedSave} back={form.back} isOpen={isConfirming} close={() => setConfirming(false)} onConfirm={confirm}>
        <ReachedPeople
          note={
            <AreaField
              name="change_note"
              label={own.changeNote}
              note={own.changeNoteNote}
              draft={{ values: note, set: (changes) => setNote({ ...note, ...changes }) }}
              errorOf={() => null}
              rows={3}
              maxLength={500}
            />
          }
        />
        <TableFields table={EVENT_FIELDS} texts={texts.event} place="returns" draft={draft} errorOf={() => null} />
      </Confirm>
      <DatesPanel />
      {ADDONS.images && <ImagePanel title={own.picture} />}
    </div>
  );
}
