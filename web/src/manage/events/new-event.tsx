/** A new event, which is a draft until it is published. */

import { useLocation } from "preact-iso";
import { useState } from "preact/hooks";
import { useDraft } from "../parts/use-draft";
import { useRoomTexts } from "../texts";
import { createEvent } from "./api";
import { EventForm } from "./event-form";
import { emptyValues, toFields } from "./event-values";

export function NewEvent() {
  const own = useRoomTexts("events");
  const { route } = useLocation();
  const [loaded] = useState(() => ({ version: 0, values: emptyValues() }));
  const draft = useDraft("new-event", loaded, async () => loaded);
  const [key, setKey] = useState<{ content: string; key: string } | null>(null);
  const create = () =>
    draft.save(async (values) => {
      const fields = toFields(values);
      const content = JSON.stringify(fields);
      const attempt = key?.content === content ? key : { content, key: crypto.randomUUID() };
      setKey(attempt);
      const { id } = await createEvent(fields, attempt.key);
      route(`/manage/events/${id}/tickets`);
    });
  return (
    <div class="page">
      <h1>{own.newTitle}</h1>
      <p class="lead">{own.newLead}</p>
      <EventForm draft={draft} event={null} button={own.create} onSubmit={create} />
    </div>
  );
}
