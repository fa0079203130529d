/** One event at a glance: its status, the next steps, and its sales. */

import { useLocation } from "preact-iso";
import { useRef, useState } from "preact/hooks";
import { dayAndTime, money } from "../../formats";
import { EventPicture } from "../../parts/event-picture";
import { Failure, Outcome } from "../../parts/failure";
import { Form } from "../../parts/form";
import { useAction } from "../../parts/hooks";
import { PlainText } from "../../parts/plain-text";
import { useTexts } from "../../texts";
import { getEvent } from "../api";
import { Confirmed } from "../parts/confirmed";
import { EventStatus } from "../parts/event-status";
import { TextField } from "../parts/fields";
import { TablePlace } from "../parts/table-place";
import { useRoomTexts } from "../texts";
import { useManagedEvent, useMay } from "../who";
import { cancelEvent, deleteEvent, duplicateEvent, publishEvent, unpublishEvent } from "./api";
import { NO_REASON, ReasonFields, toReasons } from "./reason-fields";
import { Tasks } from "./tasks";
import { CancellationEffects } from "./ticket-holders";

export function Overview() {
  const { locale } = useTexts();
  const own = useRoomTexts("events");
  const { event } = useManagedEvent();
  const may = useMay();
  const isShown = event.status !== "draft" && event.status !== "test";
  return (
    <div class="page">
      <div class="page-head">
        <div>
          <EventStatus event={event} as="p" />
          <h1>{event.name}</h1>
          <p class="small date-first">{[event.starts_at ? dayAndTime(event.starts_at, event.timezone, locale) : own.noDate, event.venue || own.noPlace].join(" · ")}</p>
        </div>
        <div class="head-picture">
          <EventPicture id={event.id} image={event.image} sizes="12rem" />
        </div>
      </div>
      <p>
        <a href={isShown ? `/events/${event.id}` : `/events/${event.id}?preview`}>{isShown ? own.seeInShop : own.seePreview}</a>
      </p>
      {event.managed_by === "bootstrap" && (
        <Outcome tone="calm" title={own.bootstrapTitle}>
          <p>{own.bootstrapText}</p>
        </Outcome>
      )}
      {event.managed_by === "api" && may("publishEvent") && <State />}
      {isShown && event.status !== "cancelled" && <Tasks />}
      {isShown && <WidgetCode />}
      {may("managePackages") && <Figures />}
      {event.managed_by === "api" && may("editEvent") && <MoreActions />}
    </div>
  );
}

/** The status of the event and the button for the next one. */
function State() {
  const own = useRoomTexts("events");
  const { t, locale } = useTexts();
  const { event, replace } = useManagedEvent();
  const { isWorking, failure, run } = useAction();
  if (event.status === "cancelled") return <Cancelled />;
  if (event.status !== "draft") {
    return (
      <Outcome tone="good" title={own.publishedTitle}>
        <p>{own.publishedText}</p>
      </Outcome>
    );
  }
  const problems = failure?.code === "event_incomplete" ? (failure.details.problems as Problem[]) : null;
  return (
    <section class="outcome">
      <h2>{own.draftTitle}</h2>
      <p>{own.draftText}</p>
      <p>{event.on_sale_at ? own.opensAt(dayAndTime(event.on_sale_at, event.timezone, locale)) : <strong>{own.opensAtOnce}</strong>}</p>
      {problems && <Problems problems={problems} />}
      {failure && !problems && <Failure failure={failure} />}
      <button type="button" class="button" disabled={isWorking} onClick={() => run(async () => replace(await publishEvent(event.id)))}>
        {isWorking ? t.checkout.working : own.publish}
      </button>
    </section>
  );
}

interface Problem {
  path: string;
  message: string;
}

/** What prevents a draft from being published, each with a link to the page that fixes it. */
function Problems({ problems }: { problems: Problem[] }) {
  const own = useRoomTexts("events");
  const { event } = useManagedEvent();
  return (
    <div class="notice notice-bad" role="alert">
      <p class="notice-title">{own.problemsTitle}</p>
      <ul class="problems">
        {problems.map(({ path, message }) => (
          <li key={path}>
            {own.problems[path] ?? message}{" "}
            <a href={path === "$.promoter_id" ? "/manage/profile" : `/manage/events/${event.id}/${path === "$.tiers" ? "tickets" : "facts"}`} aria-label={`${own.fix}: ${own.problems[path] ?? message}`}>
              {own.fix}
            </a>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Cancelled() {
  const own = useRoomTexts("events");
  const { event } = useManagedEvent();
  const may = useMay();
  const { isWorking, failure, run } = useAction();
  const [state, setState] = useState<Awaited<ReturnType<typeof cancelEvent>> | null>(null);
  return (
    <Outcome tone="bad" title={own.cancelledTitle}>
      {event.cancellation_reason && <PlainText text={event.cancellation_reason} />}
      {state && <p>{own.cancelledText(state.refunded_orders, state.status === "finished")}</p>}
      {state && state.disputed_orders > 0 && <p>{own.disputed(state.disputed_orders)}</p>}
      {state && state.unknown_payments > 0 && <p>{own.unknownPayments(state.unknown_payments)}</p>}
      {failure && <Failure failure={failure} />}
      {may("cancelEvent") && (
        // The API answers a repeated cancellation with the progress of the first one.
        <button type="button" class="button button-quiet" disabled={isWorking} onClick={() => run(async () => setState(await cancelEvent(event.id)))}>
          {own.checkRefunds}
        </button>
      )}
    </Outcome>
  );
}

function Figures() {
  const own = useRoomTexts("events");
  const { locale } = useTexts();
  const { event } = useManagedEvent();
  const may = useMay();
  const tiers = event.tiers.toSorted((a, b) => a.position - b.position);
  return (
    <section class="panel">
      <h2>{own.figures}</h2>
      {tiers.length === 0 ? (
        <p>{own.noTickets}</p>
      ) : (
        <TablePlace label={own.figures}>
        <table>
          <thead>
            <tr>
              <th scope="col">{own.ticket}</th>
              <th scope="col" class="number">
                {own.sold}
              </th>
              <th scope="col" class="number">
                {own.held}
              </th>
              <th scope="col" class="number">
                {own.left}
              </th>
            </tr>
          </thead>
          <tbody>
            {tiers.map((tier) => (
              <tr key={tier.id}>
                <th scope="row">
                  {tier.name} <span class="small">{money(tier.price_cents, tier.currency, locale)}</span>
                </th>
                <td class="number">{tier.sold.toLocaleString(locale)}</td>
                <td class="number">{tier.reserved.toLocaleString(locale)}</td>
                <td class="number">{tier.available === null ? own.unlimited : tier.available.toLocaleString(locale)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        </TablePlace>
      )}
      {tiers.length === 0 && may("managePackages") && event.managed_by === "api" && (
        <a class="button button-quiet" href={`/manage/events/${event.id}/tickets`}>
          {own.addTickets}
        </a>
      )}
    </section>
  );
}

/** The HTML that shows the event on another website (src/widget.ts). */
function WidgetCode() {
  const own = useRoomTexts("events");
  const { event } = useManagedEvent();
  const html = `<script async src="${location.origin}/widget.js"></script>\n<fairgate-tickets event="${event.id}"></fairgate-tickets>`;
  return (
    <details>
      <summary>{own.websiteTitle}</summary>
      <label>
        {own.websiteNote}
        <textarea readOnly rows={3} value={html} onFocus={({ currentTarget }) => currentTarget.select()} />
      </label>
    </details>
  );
}

/** Rare actions, each with an explanation of its effects. */
function MoreActions() {
  const own = useRoomTexts("events");
  const { event, replace } = useManagedEvent();
  const may = useMay();
  const { route } = useLocation();
  const sold = event.tiers.reduce((sum, tier) => sum + tier.sold, 0);
  const isDraft = event.status === "draft";
  const [values, setValues] = useState(NO_REASON);
  const cancel = async () => {
    await cancelEvent(event.id, toReasons(values));
    replace(await getEvent(event.id));
  };
  const remove = async () => {
    await deleteEvent(event);
    route("/manage", true);
  };
  return (
    <section class="further">
      {may("createEvents") && <Duplicate />}
      {!isDraft && event.status !== "cancelled" && sold === 0 && (
        <Confirmed label={own.unpublish} confirm={own.unpublishNow} act={async () => replace(await unpublishEvent(event.id))}>
          <p>{own.unpublishText}</p>
        </Confirmed>
      )}
      {!isDraft && event.status !== "cancelled" && may("cancelEvent") && (
        <Confirmed label={own.cancel} confirm={own.cancelNow} act={cancel} typed={{ words: event.name, label: own.cancelTyped(event.name) }}>
          <p>{own.cancelText(sold > 0)}</p>
          <CancellationEffects />
          <ReasonFields values={values} setValues={setValues} />
          <p>
            <strong>{own.cancelFinal}</strong>
          </p>
        </Confirmed>
      )}
      {isDraft && may("deleteEvent") && (
        <Confirmed label={own.delete} confirm={own.deleteNow} act={remove}>
          <p>{own.deleteText}</p>
        </Confirmed>
      )}
    </section>
  );
}

function Duplicate() {
  const own = useRoomTexts("events");
  const { event } = useManagedEvent();
  const { route } = useLocation();
  const [isOpen, setOpen] = useState(false);
  const [values, setValues] = useState({ name: own.copyOf(event.name).slice(0, 200) });
  const key = useRef({ content: "", key: "" });
  const copy = async () => {
    if (key.current.content !== values.name) key.current = { content: values.name, key: crypto.randomUUID() };
    const { id } = await duplicateEvent(event, values.name.trim(), key.current.key);
    route(`/manage/events/${id}`);
  };
  return (
    <>
      <button type="button" class="button button-quiet" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        {own.duplicate}
      </button>
      {isOpen && (
        <Form onSubmit={copy} button={own.duplicateNow}>
          {(errorOf) => (
            <TextField
              name="name"
              label={own.duplicateName}
              note={own.duplicateNote}
              draft={{ values, set: (changes) => setValues({ ...values, ...changes }) }}
              errorOf={errorOf}
              required
              maxLength={200}
            />
          )}
        </Form>
      )}
    </>
  );
}
