/** The details of an event, for editing. */

import { Outcome } from "../../parts/failure";
import { getEvent } from "../api";
import { differences } from "../draft";
import { useSaved } from "../parts/save-note";
import { useDraft } from "../parts/use-draft";
import { useRoomTexts } from "../texts";
import { useManagedEvent } from "../who";
import { changeEvent } from "./api";
import { EventForm } from "./event-form";
import { toFields, toValues } from "./event-values";
import { ImagePanel } from "./image-panel";

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
        <Editor key={event.id} />
      )}
    </div>
  );
}

function Editor() {
  const own = useRoomTexts("events");
  const form = useRoomTexts("forms");
  const { event, replace } = useManagedEvent();
  const load = async () => {
    const present = await getEvent(event.id);
    replace(present);
    return { version: present.version, values: toValues(present) };
  };
  const draft = useDraft(`event.${event.id}`, { version: event.version, values: toValues(event) }, load);
  const [isSaved, setSaved] = useSaved(draft.isChanged);
  const save = () =>
    draft.save(async (values, base, version) => {
      const changes = differences(toFields(base), toFields(values));
      replace(await changeEvent(event.id, { ...changes, version }));
      setSaved();
    });
  return (
    <>
      <EventForm draft={draft} event={event} button={form.save} isSaved={isSaved} onSubmit={save} />
      {ADDONS.images && <ImagePanel title={own.picture} />}
    </>
  );
}
