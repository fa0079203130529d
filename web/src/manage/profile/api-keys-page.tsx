/** The API keys with which a promoter's own software uses the API. */

import { useState } from "preact/hooks";
import { content, type Schemas } from "../../client";
import { day, dayAndTime } from "../../formats";
import { Failure, Outcome, Skeleton } from "../../parts/failure";
import { Field, Form, PasswordField } from "../../parts/form";
import { useLoaded } from "../../parts/hooks";
import { useTexts } from "../../texts";
import { manager } from "../api";
import { Confirmed } from "../parts/confirmed";
import { SelectField, TextField } from "../parts/fields";
import { useRoomTexts } from "../texts";
import { useMe } from "../who";

type ApiKey = Schemas["ApiKeyView"];
type Role = ApiKey["role"];

const ROLES: Role[] = ["staff", "cashier", "accountant", "coordinator"];
const DAYS = [30, 90, 365];
const EMPTY = { name: "", role: "accountant", event: "", days: "90" };

/** The promoter's keys, and the names of the promoter's events by id. */
async function load(promoter_id: string) {
  const path = { promoter_id };
  const [{ api_keys }, { events }] = await Promise.all([
    content(manager.GET("/promoters/{promoter_id}/api-keys", { params: { path } })),
    content(manager.GET("/promoters/{promoter_id}/events", { params: { path, query: { limit: 200 } } })),
  ]);
  return { keys: api_keys, names: new Map(events.map(({ id, name }) => [id, name])) };
}

export function ApiKeysPage() {
  const own = useRoomTexts("apiKeys");
  const me = useMe();
  const { value, failure, reload } = useLoaded(() => load(me.id), me.id);
  const [created, setCreated] = useState<Schemas["NewApiKeyView"] | null>(null);
  const keep = async (key: Schemas["NewApiKeyView"]) => (setCreated(key), await reload());
  return (
    <div class="page page-narrow">
      <h1>{own.title}</h1>
      <p class="lead">{own.lead}</p>
      {created && (
        <Outcome tone="good" title={own.createdTitle}>
          <p>{own.createdText(created.api_key.name)}</p>
          <p class="code">{created.key}</p>
        </Outcome>
      )}
      {failure && !value && <Failure failure={failure} retry={reload} />}
      {!value && !failure && <Skeleton lines={4} />}
      {value && value.keys.length > 0 && (
        <ul class="rows">
          {value.keys.map((key) => (
            <Row key={key.id} shown={key} names={value.names} onDeleted={reload} />
          ))}
        </ul>
      )}
      {value && <NewForm key={created?.api_key.id} names={value.names} onCreated={keep} />}
    </div>
  );
}

function NewForm({ names, onCreated }: { names: Map<string, string>; onCreated: (key: Schemas["NewApiKeyView"]) => Promise<void> }) {
  const own = useRoomTexts("apiKeys");
  const { roleNotes } = useRoomTexts("people");
  const { roles } = useRoomTexts("shell");
  const me = useMe();
  const [values, setValues] = useState(EMPTY);
  const draft = { values, set: (changes: Partial<typeof EMPTY>) => setValues({ ...values, ...changes }) };
  const submit = async ({ current_password: password = "", code }: Record<string, string>) => {
    const { name, role, event, days } = values;
    const body = { name: name.trim(), role: role as Role, events: event ? [event] : [], expires_in_days: Number(days), password, code };
    await onCreated(await content(manager.POST("/promoters/{promoter_id}/api-keys", { params: { path: { promoter_id: me.id } }, body })));
  };
  return (
    <Form onSubmit={submit} button={own.create}>
      {(errorOf) => (
        <>
          <h2>{own.newTitle}</h2>
          <TextField name="name" label={own.name} note={own.nameNote} required maxLength={100} draft={draft} errorOf={errorOf} />
          <SelectField
            name="role"
            label={own.role}
            note={roleNotes[values.role as Role]}
            options={ROLES.map((role) => [role, roles[role]] as const)}
            draft={draft}
            errorOf={errorOf}
          />
          <SelectField name="event" label={own.event} options={[["", own.allEvents], ...names]} draft={draft} errorOf={(name) => errorOf(name === "event" ? "events" : name)} />
          <SelectField name="days" label={own.days} options={DAYS.map((days) => [String(days), own.inDays(days)] as const)} draft={draft} errorOf={errorOf} />
          <PasswordField name="current_password" label={own.password} error={errorOf("current_password")} />
          {me.second_factor && <Field name="code" label={own.code} note={own.codeNote} error={errorOf("code")} type="text" autocomplete="one-time-code" maxLength={40} required />}
        </>
      )}
    </Form>
  );
}

function Row({ shown, names, onDeleted }: { shown: ApiKey; names: Map<string, string>; onDeleted: () => Promise<void> }) {
  const own = useRoomTexts("apiKeys");
  const { roles } = useRoomTexts("shell");
  const { locale } = useTexts();
  const me = useMe();
  const where = shown.events.length > 0 ? shown.events.map((id) => names.get(id) ?? id).join(", ") : own.allEvents;
  const isOver = Date.parse(shown.expires_at) <= Date.now();
  const remove = async () => {
    await content(manager.DELETE("/promoters/{promoter_id}/api-keys/{key_id}", { params: { path: { promoter_id: me.id, key_id: shown.id } } }));
    await onDeleted();
  };
  return (
    <li class="row-card tier-row">
      <div class="row-text">
        <h2>{shown.name}</h2>
        <p>
          {roles[shown.role]} · {where}
        </p>
        <p class="small">
          {(isOver ? own.expired : own.expires)(day(shown.expires_at, undefined, locale))} · {shown.used_at ? own.used(dayAndTime(shown.used_at, undefined, locale)) : own.unused}
        </p>
      </div>
      <div class="row-actions">
        <Confirmed label={own.delete} subject={shown.name} confirm={own.deleteNow} class="link" act={remove}>
          <p>{own.deleteText}</p>
        </Confirmed>
      </div>
    </li>
  );
}
