/** A promoter's webhook endpoints. */

import { useRoute } from "preact-iso";
import { useRef, useState } from "preact/hooks";
import { dayAndTime } from "../../formats";
import { Failure, Outcome, Skeleton } from "../../parts/failure";
import { Form } from "../../parts/form";
import { useAction, useLoaded } from "../../parts/hooks";
import { useTexts } from "../../texts";
import { Confirmed } from "../parts/confirmed";
import { CheckField, TextField } from "../parts/fields";
import { useRoomTexts } from "../texts";
import { useMe } from "../who";
import { createEndpoint, deleteEndpoint, listDeliveries, listEndpoints, replay, rotateSecret, sendTest, setEnabled, type Endpoint, type NewEndpoint } from "./api";
import { Attempts } from "./attempts";

type EventType = NonNullable<NewEndpoint["event_types"]>[number];
/** In the order of the form. A missing event type is a type error. */
const LISTED: Record<EventType, true> = {
  "order.paid": true,
  "order.refunded": true,
  "ticket.checked_in": true,
  "ticket.transferred": true,
  "event.changed": true,
  "waitlist.offered": true,
};
const TYPES = Object.keys(LISTED) as EventType[];

/** A new secret, shown until the user leaves the page and never again. */
interface Secret {
  url: string;
  secret: string;
}

export function WebhooksPage() {
  const own = useRoomTexts("webhooks");
  const me = useMe();
  const promoterId = useRoute().params.promoterId ?? me.id; // admins open the page of another promoter by its address
  const [secret, setSecret] = useState<Secret | null>(null);
  const { value: endpoints, failure, reload } = useLoaded(() => listEndpoints(promoterId), promoterId);
  const keep = async (endpoint: Endpoint) => {
    if (endpoint.secret) setSecret({ url: endpoint.url, secret: endpoint.secret });
    await reload();
  };
  return (
    <div class="page page-narrow">
      <h1>{own.title}</h1>
      <p class="lead">{promoterId === me.id ? own.lead : own.leadForOtherPromoter}</p>
      {promoterId !== me.id && <p class="code">{promoterId}</p>}
      {secret && (
        <Outcome tone="good" title={own.secretTitle}>
          <p>{own.secretText(secret.url)}</p>
          <p class="code">{secret.secret}</p>
        </Outcome>
      )}
      {failure && !endpoints && <Failure failure={failure} retry={reload} />}
      {!endpoints && !failure && <Skeleton lines={4} />}
      {endpoints && endpoints.length > 0 && (
        <ul class="rows">
          {endpoints.map((endpoint) => (
            <Row key={endpoint.id} endpoint={endpoint} onChanged={reload} onSecret={keep} />
          ))}
        </ul>
      )}
      {endpoints && <NewForm promoterId={promoterId} onCreated={keep} />}
    </div>
  );
}

type Values = { url: string; description: string; [type: `type-${string}`]: boolean };

function NewForm({ promoterId, onCreated }: { promoterId: string; onCreated: (endpoint: Endpoint) => Promise<void> }) {
  const own = useRoomTexts("webhooks");
  const empty: Values = { url: "", description: "", ...Object.fromEntries(TYPES.map((type) => [`type-${type}`, false])) };
  const [values, setValues] = useState(empty);
  const key = useRef({ content: "", key: "" });
  const draft = { values, set: (changes: Partial<Values>) => setValues({ ...values, ...changes } as Values) };
  const submit = async () => {
    const event_types = TYPES.filter((type) => values[`type-${type}`]);
    const body: NewEndpoint = { url: values.url.trim(), description: values.description.trim(), event_types };
    if (key.current.content !== JSON.stringify(body)) key.current = { content: JSON.stringify(body), key: crypto.randomUUID() };
    await onCreated(await createEndpoint(promoterId, body, key.current.key));
    key.current = { content: "", key: "" };
    setValues(empty);
  };
  return (
    <Form onSubmit={submit} button={own.create}>
      {(errorOf) => (
        <>
          <h2>{own.newTitle}</h2>
          <TextField name="url" label={own.url} note={own.urlNote} required maxLength={2000} placeholder="https://example.com/fairgate" draft={draft} errorOf={errorOf} />
          <TextField name="description" label={own.description} maxLength={200} draft={draft} errorOf={errorOf} />
          <fieldset>
            <legend class="small">{own.types}</legend>
            {TYPES.map((type) => (
              <CheckField key={type} name={`type-${type}`} label={own.typeNames[type]!} draft={draft} />
            ))}
          </fieldset>
        </>
      )}
    </Form>
  );
}

function Row({ endpoint, onChanged, onSecret }: { endpoint: Endpoint; onChanged: () => Promise<void>; onSecret: (endpoint: Endpoint) => Promise<void> }) {
  const own = useRoomTexts("webhooks");
  const { locale } = useTexts();
  const { isWorking, failure, run } = useAction();
  const [isOpen, setOpen] = useState(false);
  const [tests, setTests] = useState(0);
  const named = (label: string) => `${label}: ${endpoint.url}`;
  return (
    <li class="row-card tier-row">
      <div class="row-text">
        <h2 class="code">{endpoint.url}</h2>
        {endpoint.description && <p>{endpoint.description}</p>}
        <p class="small">{endpoint.event_types.length > 0 ? endpoint.event_types.map((type) => own.typeNames[type] ?? type).join(", ") : own.allTypes}</p>
        <p class="chips">
          {!endpoint.enabled && <span class="chip chip-bad">{own.off[endpoint.disabled_reason ?? "by_promoter"]}</span>}
          {endpoint.failing_since && <span class="chip chip-bad">{own.failing(dayAndTime(endpoint.failing_since, undefined, locale))}</span>}
        </p>
      </div>
      <div class="row-actions">
        <button type="button" class="link" aria-label={named(own.deliveries)} aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          {own.deliveries}
        </button>
        {endpoint.enabled && (
          <button
            type="button"
            class="link"
            aria-label={named(own.test)}
            disabled={isWorking}
            onClick={() => run(async () => (await sendTest(endpoint), setTests(tests + 1), setOpen(true)))}
          >
            {own.test}
          </button>
        )}
        <button
          type="button"
          class="link"
          aria-label={named(endpoint.enabled ? own.stop : own.start)}
          disabled={isWorking}
          onClick={() => run(async () => void (await setEnabled(endpoint, !endpoint.enabled), await onChanged()))}
        >
          {endpoint.enabled ? own.stop : own.start}
        </button>
        <a class="link" href={`/manage/webhooks/${endpoint.promoter_id}/${endpoint.id}/failed`} aria-label={named(own.replayLink)}>
          {own.replayLink}
        </a>
        <Confirmed label={own.rotate} subject={endpoint.url} confirm={own.rotateNow} class="link" act={async () => onSecret(await rotateSecret(endpoint))}>
          <p>{own.rotateText}</p>
        </Confirmed>
        <Confirmed label={own.delete} subject={endpoint.url} confirm={own.deleteNow} class="link" act={async () => void (await deleteEndpoint(endpoint), await onChanged())}>
          <p>{own.deleteText}</p>
        </Confirmed>
      </div>
      {failure && <Failure failure={failure} />}
      {isOpen && <Deliveries key={tests} endpoint={endpoint} />}
    </li>
  );
}

const DELIVERIES_SECONDS = 5;

function Deliveries({ endpoint }: { endpoint: Endpoint }) {
  const own = useRoomTexts("webhooks");
  const { locale } = useTexts();
  const { value: deliveries, failure, reload } = useLoaded(() => listDeliveries(endpoint), endpoint.id, DELIVERIES_SECONDS);
  const { isWorking, failure: refusal, run } = useAction();
  if (!deliveries) return failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={3} />;
  if (deliveries.length === 0) return <p class="small">{own.noDeliveries}</p>;
  return (
    <ul class="questions">
      {refusal && <Failure failure={refusal} />}
      {deliveries.map((delivery) => (
        <li key={delivery.id} class="row">
          <div class="row-text">
            <p>
              <strong>{own.typeNames[delivery.type] ?? delivery.type}</strong> <span class={`status status-${delivery.state}`}>{own.states[delivery.state]}</span>
            </p>
            <Attempts delivery={delivery} />
          </div>
          {delivery.state !== "pending" && (
            <button
              type="button"
              class="link"
              aria-label={`${own.replay}: ${own.typeNames[delivery.type] ?? delivery.type}, ${dayAndTime(delivery.created_at, undefined, locale)}`}
              disabled={isWorking}
              onClick={() => run(async () => void (await replay(endpoint, delivery), await reload()))}
            >
              {own.replay}
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}
