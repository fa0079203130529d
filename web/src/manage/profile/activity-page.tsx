/** The audit log of a promoter: who changed the account, the profile, the payment account or the API keys. */

import { content, type Schemas } from "../../client";
import { dayAndTime } from "../../formats";
import { useTexts } from "../../texts";
import { manager } from "../api";
import { PagedList } from "../parts/paged-list";
import { usePages } from "../parts/use-pages";
import { useRoomTexts } from "../texts";
import { useMe } from "../who";

type Entry = Schemas["AuditEntryView"];

const PAGE = 50;
const load = (promoter_id: string, cursor?: string) =>
  content(manager.GET("/promoters/{promoter_id}/audit", { params: { path: { promoter_id }, query: { limit: PAGE, cursor } } })) as Promise<Schemas["AuditLogView"]>;

export function ActivityPage() {
  const own = useRoomTexts("activity");
  const me = useMe();
  const found = usePages((cursor) => load(me.id, cursor), me.id);
  return (
    <div class="page page-narrow">
      <h1>{own.title}</h1>
      <p class="lead">{own.lead}</p>
      <PagedList found={found} itemsOf={(page) => page.entries} empty={{ title: own.none, text: own.noneText }}>
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
  const own = useRoomTexts("activity");
  const people = useRoomTexts("people");
  const { roles } = useRoomTexts("shell");
  const { locale } = useTexts();
  const me = useMe();
  const { name, role, fields } = entry.details;
  const facts = [
    typeof role === "string" && (roles[role as keyof typeof roles] ?? role),
    ...(Array.isArray(fields) ? fields : Object.keys(entry.changes)).map((field) => own.fields[String(field)]),
  ].filter(Boolean);
  return (
    <li>
      <p>
        <strong>{own.actions[entry.action] ?? entry.action}</strong>
        {typeof name === "string" && <>: {name}</>}
      </p>
      <p class="small">
        <time dateTime={entry.at}>{dayAndTime(entry.at, undefined, locale)}</time> · {entry.actor === me.id ? people.you : own.byTheShop}
      </p>
      {facts.length > 0 && <p class="small">{facts.join(", ")}</p>}
    </li>
  );
}
