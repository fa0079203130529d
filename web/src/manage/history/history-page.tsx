/** The audit log of an event: who changed what, with the values before and after. */

import { useLocation } from "preact-iso";
import { content, type Schemas } from "../../client";
import { dayAndTime, money } from "../../formats";
import { useTexts } from "../../texts";
import { manager } from "../api";
import { PagedList } from "../parts/paged-list";
import { usePages } from "../parts/use-pages";
import { orderNumber } from "../orders/order-numbers";
import { useByWhom } from "../people/by-whom";
import { useRoomTexts, type RoomTexts } from "../texts";
import { useManagedEvent } from "../who";
import { changesOf } from "./changes";

type Entry = Schemas["EventAuditEntryView"];

const PAGE = 50;
const TIMES = ["starts_at", "ends_at", "on_sale_at", "sale_starts_at", "sale_ends_at", "expires_at", "guests_until", "refundable_until", "until"];
/** Maps the page's `show` parameter to the only action that is listed then. */
const PARTS = { scans: "ticket.checked_in", exits: "ticket.checked_out", undone: "ticket.check_in_undone", reads: "event.people_read" };
type Part = keyof typeof PARTS | "";
const load = (event_id: string, action?: string, cursor?: string) =>
  content(manager.GET("/events/{event_id}/audit", { params: { path: { event_id }, query: { action, limit: PAGE, cursor } } })) as Promise<Schemas["EventAuditLogView"]>;

export function HistoryPage() {
  const own = useRoomTexts("history");
  const { event } = useManagedEvent();
  const { query, path, route } = useLocation();
  const part = (query.show! in PARTS ? query.show : "") as Part;
  const action = part ? PARTS[part] : undefined;
  const found = usePages((cursor) => load(event.id, action, cursor), `${event.id} ${part}`);
  return (
    <div class="page page-narrow">
      <h1>{own.title}</h1>
      <p class="lead">{own.lead}</p>
      <div class="control-fields">
        <label class="field">
          {own.show}
          <select value={part} onChange={({ currentTarget }) => route(currentTarget.value ? `${path}?show=${currentTarget.value}` : path, true)}>
            <option value="">{own.everything}</option>
            <option value="scans">{own.scans}</option>
            <option value="undone">{own.undone}</option>
            <option value="reads">{own.reads}</option>
          </select>
        </label>
      </div>
      <PagedList
        found={found}
        itemsOf={(page) => page.entries}
        empty={part === "reads" ? { title: own.noReads, text: own.noReadsText } : part ? { title: own.noCheckIns, text: own.noCheckInsText } : { title: own.none, text: own.noneText }}
      >
        {(entries) => (
          <ol class="history">
            {entries.map((entry) => (
              <Row key={entry.id} entry={entry} />
            ))}
          </ol>
        )}
      </PagedList>
    </div>
  );
}

function Row({ entry }: { entry: Entry }) {
  const own = useRoomTexts("history");
  const { locale } = useTexts();
  const byWhom = useByWhom();
  const { event } = useManagedEvent();
  const [kind, id = ""] = entry.subject.split("#");
  const tier = event.tiers.find((candidate) => candidate.id === id);
  const what = kind === "event" ? null : (tier?.name ?? (typeof entry.details.name === "string" ? entry.details.name : orderNumber(id, event)));
  const order = kind === "order" ? id : typeof entry.details.order_id === "string" ? entry.details.order_id : null;
  const when = dayAndTime(entry.at, event.timezone, locale);
  const tiers = new Map(event.tiers.map(({ id, name }) => [id, name]));
  const currency = tier?.currency ?? event.tiers[0]?.currency ?? null;
  const show = (value: unknown, name: string) => shown(value, name, { own, locale, timezone: event.timezone, currency, tiers });
  const where = [
    [own.gate, entry.details.gate],
    [own.device, entry.details.device],
    [own.overridden, entry.details.override_reason],
    [own.seed, entry.details.seed],
    [own.list, own.values[String(entry.details.listed)]],
    [own.file, entry.details.format === "csv" ? "CSV" : null],
  ].flatMap(([label, place]) => (typeof place === "string" ? [`${String(label)}: ${place}`] : [])); // of scans, read lists and draws
  const changes = changesOf(entry.changes as Record<string, { before: unknown; after: unknown }>);
  const isRoleChange = entry.action === "member.invited" && changes.some(({ name, before }) => name === "role" && before !== null);
  const action = isRoleChange ? "member.role_changed" : entry.action;
  const facts = Object.entries(own.details).filter(([name]) => typeof entry.details[name] === "number");
  return (
    <li>
      <p>
        <strong>{own.actions[action] ?? action}</strong>
        {what && <>: {order ? <a href={`/manage/events/${event.id}/orders/${order}`}>{what}</a> : what}</>}
      </p>
      <p class="small">
        <time dateTime={entry.at}>{when}</time> · {byWhom({ id: entry.actor, name: entry.actor_name, role: entry.actor_role })}
      </p>
      {where.length > 0 && <p class="small">{where.join(" · ")}</p>}
      {changes.length === 0 && facts.length > 0 && <p class="small">{facts.map(([name, label]) => `${label}: ${show(entry.details[name], name)}`).join(" · ")}</p>}
      {changes.length > 0 && (
        <dl class="changes">
          {changes.map(({ name, before, after, isLong }) => (
            <div key={name}>
              <dt>{own.fields[name] ?? name}</dt>
              <dd>
                {isLong ? (
                  own.changed
                ) : (
                  <>
                    <del>{show(before, name)}</del> → <ins>{show(after, name)}</ins>
                  </>
                )}
              </dd>
            </div>
          ))}
        </dl>
      )}
    </li>
  );
}

interface Reader {
  own: RoomTexts["history"];
  locale: string;
  timezone: string;
  currency: string | null;
  /** Ticket names by tier id. */
  tiers: Map<string, string>;
}

/** Format a value for people. The log has times in epoch seconds and prices in the currency's smallest unit. */
function shown(value: unknown, name: string, { own, locale, timezone, currency, tiers }: Reader): string {
  if (value === null || value === undefined || value === "") return own.nothing;
  if (typeof value === "boolean") return value ? own.yes : own.no;
  if (typeof value === "string") return own.values[value] ?? value;
  if (Array.isArray(value)) return value.map((id) => tiers.get(id) ?? String(id)).join(", ") || own.nothing;
  if (typeof value !== "number") return JSON.stringify(value);
  if (name.endsWith("_cents") && currency) return money(value, currency, locale);
  const isTime = TIMES.includes(name);
  return isTime ? dayAndTime(new Date(1000 * value).toISOString(), timezone, locale) : value.toLocaleString(locale);
}
