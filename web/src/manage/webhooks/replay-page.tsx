/** Resends failed deliveries after an outage of the receiving server: all of them, or those of a period. */

import { useRoute } from "preact-iso";
import { useState } from "preact/hooks";
import { Failure, Skeleton } from "../../parts/failure";
import { Form } from "../../parts/form";
import { useLoaded } from "../../parts/hooks";
import { TextField } from "../parts/fields";
import { PagedList } from "../parts/paged-list";
import { usePages } from "../parts/use-pages";
import { useRoomTexts } from "../texts";
import { useMe } from "../who";
import { getEndpoint, listFailed, replayFailed, type Endpoint } from "./api";
import { Attempts } from "./attempts";

export function ReplayPage() {
  const own = useRoomTexts("webhooks");
  const me = useMe();
  const { promoterId, endpointId } = useRoute().params;
  const { value: endpoint, failure, reload } = useLoaded(() => getEndpoint(promoterId!, endpointId!), `${promoterId}/${endpointId}`);
  return (
    <div class="page page-narrow">
      <p>
        <a class="back" href={promoterId === me.id ? "/manage/webhooks" : `/manage/webhooks/${promoterId}`}>
          {own.title}
        </a>
      </p>
      <h1>{own.replayTitle}</h1>
      {failure && !endpoint && <Failure failure={failure} retry={reload} />}
      {!endpoint && !failure && <Skeleton lines={4} />}
      {endpoint && (
        <>
          <p class="lead code">{endpoint.url}</p>
          {!endpoint.enabled && <p class="notice notice-bad">{own.replayOff}</p>}
          <Replay endpoint={endpoint} />
        </>
      )}
    </div>
  );
}

/** Convert a field's time, in the browser's time zone, to the API's format. */
const asIso = (time: string) => (time ? new Date(time).toISOString() : null);

/** The progress of a resend. `cursor` continues a run that was interrupted. */
interface Sent {
  count: number;
  range: string;
  cursor: string | null;
}

function Replay({ endpoint }: { endpoint: Endpoint }) {
  const own = useRoomTexts("webhooks");
  const [values, setValues] = useState({ since: "", until: "" });
  const [sent, setSent] = useState<Sent | null>(null);
  const [isDone, setDone] = useState(false);
  const failed = usePages((cursor) => listFailed(endpoint, cursor), endpoint.id);
  const draft = { values, set: (changes: Partial<typeof values>) => setValues({ ...values, ...changes }) };
  const submit = async () => {
    setDone(false);
    const range = JSON.stringify(values);
    const isSame = sent?.range === range && sent.cursor !== null;
    let { count, cursor } = isSame ? sent : { count: 0, cursor: null as string | null };
    do {
      const page = await replayFailed(endpoint, { since: asIso(values.since), until: asIso(values.until), cursor }, crypto.randomUUID());
      count += page.replayed;
      cursor = page.next_cursor;
      setSent({ count, range, cursor });
    } while (cursor !== null);
    setDone(true);
    await failed.reload();
  };
  return (
    <>
      <Form onSubmit={submit} button={own.replayAll}>
        {(errorOf) => (
          <>
            <p>{own.replayText}</p>
            <TextField name="since" label={own.since} note={own.sinceNote} type="datetime-local" draft={draft} errorOf={errorOf} />
            <TextField name="until" label={own.until} type="datetime-local" draft={draft} errorOf={errorOf} />
          </>
        )}
      </Form>
      <div role="status">{sent && <p class="notice">{isDone ? own.replayed(sent.count) : own.replayedSoFar(sent.count)}</p>}</div>
      <Failed found={failed} />
    </>
  );
}

function Failed({ found }: { found: ReturnType<typeof usePages<Awaited<ReturnType<typeof listFailed>>>> }) {
  const own = useRoomTexts("webhooks");
  return (
    <section class="group">
      <h2>{own.failedTitle}</h2>
      <PagedList found={found} itemsOf={(page) => page.deliveries} empty={{ title: own.noneFailed, text: own.noneFailedText }}>
        {(deliveries) => (
          <ul class="questions">
            {deliveries.map((delivery) => (
              <li key={delivery.id}>
                <p>
                  <strong>{own.typeNames[delivery.type] ?? delivery.type}</strong>
                </p>
                <Attempts delivery={delivery} />
              </li>
            ))}
          </ul>
        )}
      </PagedList>
    </section>
  );
}
