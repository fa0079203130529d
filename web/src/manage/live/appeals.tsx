/** The appeals of people whom the waiting room has refused, and the answers to them. */

import { useState } from "preact/hooks";
import { content, type Schemas } from "../../client";
import { dayAndTime } from "../../formats";
import { Failure } from "../../parts/failure";
import { useAction } from "../../parts/hooks";
import { useTexts } from "../../texts";
import { manager } from "../api";
import { AreaField } from "../parts/fields";
import { PagedList } from "../parts/paged-list";
import { usePages } from "../parts/use-pages";
import { useRoomTexts } from "../texts";
import { useManagedEvent } from "../who";

type Appeal = Schemas["AppealView"];

const listAppeals = (event_id: string, cursor?: string) =>
  content(manager.GET("/admin/events/{event_id}/waiting-room/appeals", { params: { path: { event_id }, query: { status: "open", limit: 50, cursor } } }));
const answerAppeal = (event_id: string, appeal_id: string, status: "granted" | "denied", answer: string) =>
  content(manager.POST("/admin/events/{event_id}/waiting-room/appeals/{appeal_id}/answer", { params: { path: { event_id, appeal_id } }, body: { status, answer } }));

export function Appeals() {
  const own = useRoomTexts("live");
  const { event } = useManagedEvent();
  const [done, setDone] = useState("");
  const found = usePages((cursor) => listAppeals(event.id, cursor), event.id);
  const answer = async (appeal: Appeal, status: "granted" | "denied", text: string) => {
    await answerAppeal(event.id, appeal.id, status, text);
    setDone(own.appealDone[status]);
    await found.reload();
  };
  return (
    <section class="group">
      <h2>{own.appeals}</h2>
      <p class="small">{own.appealsNote}</p>
      <PagedList found={found} itemsOf={(page) => page.appeals.filter(({ status }) => status === "open")} status={done} empty={{ title: own.noAppeals, text: own.noAppealsText }}>
        {(appeals) => (
          <ul class="rows">
            {appeals.map((appeal) => (
              <Row key={appeal.id} appeal={appeal} answer={answer} />
            ))}
          </ul>
        )}
      </PagedList>
    </section>
  );
}

function Row({ appeal, answer }: { appeal: Appeal; answer: (appeal: Appeal, status: "granted" | "denied", text: string) => Promise<void> }) {
  const own = useRoomTexts("live");
  const { locale } = useTexts();
  const { event } = useManagedEvent();
  const [values, setValues] = useState({ answer: "" });
  const { isWorking, failure, run } = useAction();
  const draft = { values, set: (changes: Partial<typeof values>) => setValues({ ...values, ...changes }) };
  return (
    <li class="row-card">
      <div class="row-text">
        <p class="small">
          {own.refusals[appeal.reason]} · {dayAndTime(appeal.created_at, event.timezone, locale)}
        </p>
        <p>{appeal.text}</p>
        <AreaField draft={draft} errorOf={() => null} name="answer" label={own.appealAnswer} maxLength={1000} rows={2} />
        {failure && <Failure failure={failure} />}
        <p class="row">
          <button type="button" class="button" disabled={isWorking} onClick={() => run(() => answer(appeal, "granted", values.answer))}>
            {own.grant}
          </button>
          <button type="button" class="button button-quiet" disabled={isWorking} onClick={() => run(() => answer(appeal, "denied", values.answer))}>
            {own.deny}
          </button>
        </p>
      </div>
    </li>
  );
}
