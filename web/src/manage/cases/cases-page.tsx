/** Open money cases for admins, each with advice, and the last reconciliation with the provider's books. */

import { useState } from "preact/hooks";
import { content, type Schemas } from "../../client";
import { dayAndTime, money } from "../../formats";
import { Failure } from "../../parts/failure";
import { useAction } from "../../parts/hooks";
import { useTexts } from "../../texts";
import { manager } from "../api";
import { orderNumber } from "../orders/order-numbers";
import { retryRefund } from "../orders/orders";
import { Confirm } from "../parts/confirm";
import { PagedList } from "../parts/paged-list";
import { usePages } from "../parts/use-pages";
import { useRoomTexts } from "../texts";
import { referenceOf, suggestionFor } from "./suggestions";

type Cases = Schemas["OpenCasesView"];
/** The details depend on the kind of case; these are the ones that the page shows. */
type OpenCase = Cases["open"][number] & { event_id?: string; status?: string; amount_cents?: number; kept_cents?: number; currency?: string; reason?: string };

const listCases = (cursor?: string) => content(manager.GET("/admin/reconciliation", { params: { query: { limit: 50, cursor } } }));
const closeCase = (order_id: string, finding: string) =>
  content(manager.DELETE("/admin/reconciliation/{order_id}/{finding}", { params: { path: { order_id, finding } } }));

export function CasesPage() {
  const own = useRoomTexts("cases");
  const found = usePages(listCases, "cases");
  return (
    <div class="page">
      <h1>{own.title}</h1>
      <p class="lead">{own.lead}</p>
      <PagedList
        found={found}
        itemsOf={(page) => page.open as OpenCase[]}
        empty={{ title: own.none, text: own.noneText }}
        header={(first) => <LastRun run={first.last_run} />}
      >
        {(open) => (
          <ul class="cases">
            {open.map((openCase) => (
              <Case key={`${openCase.order_id}/${openCase.kind}/${openCase.id}`} openCase={openCase} reload={found.reload} />
            ))}
          </ul>
        )}
      </PagedList>
    </div>
  );
}

function Case({ openCase, reload }: { openCase: OpenCase; reload: () => Promise<void> }) {
  const own = useRoomTexts("cases");
  const { locale } = useTexts();
  const { isWorking, failure, run } = useAction();
  const [isConfirming, setConfirming] = useState(false);
  const cents = openCase.amount_cents ?? openCase.kept_cents;
  const suggestion = suggestionFor(openCase);
  const isByHand = openCase.next_try_at === null && openCase.kind !== "dispute";
  const retry = () =>
    run(async () => {
      await retryRefund(openCase.order_id, openCase.id);
      await reload();
    });
  return (
    <li class="panel">
      <h2>{own.names[suggestion]}</h2>
      <p class="order-end">
        <span class="small">{own.since(dayAndTime(openCase.since, undefined, locale))}</span>
        {cents !== undefined && openCase.currency && <strong class="numbers">{money(cents, openCase.currency, locale)}</strong>}
      </p>
      <p>
        {openCase.event_id ? (
          <a class="code" href={`/manage/events/${openCase.event_id}/orders/${openCase.order_id}`}>
            {own.order(orderNumber(openCase.order_id))}
          </a>
        ) : (
          <span class="code">{own.order(orderNumber(openCase.order_id))}</span>
        )}{" "}
        <span class="small">
          {own.reference} <span class="code">{referenceOf(openCase)}</span>
        </span>
      </p>
      <p>
        <strong>{own.suggestion}</strong> {own.suggestions[suggestion]}
      </p>
      {openCase.next_try_at && <p class="small">{own.nextTry(dayAndTime(openCase.next_try_at, undefined, locale))}</p>}
      {failure && <Failure failure={failure} />}
      <div class="row">
        {suggestion === "refund_failed" && (
          <button type="button" class="button button-quiet" disabled={isWorking} onClick={retry}>
            {own.retry}
          </button>
        )}
        {isByHand && (
          <button type="button" class="button button-quiet" onClick={() => setConfirming(true)}>
            {own.close}
          </button>
        )}
      </div>
      <Confirm
        title={own.closeQuestion}
        action={own.close}
        back={own.back}
        isOpen={isConfirming}
        close={() => setConfirming(false)}
        onConfirm={async () => {
          await closeCase(openCase.order_id, openCase.id);
          await reload();
        }}
      >
        <p>{own.closeText}</p>
      </Confirm>
    </li>
  );
}

function LastRun({ run }: { run: Cases["last_run"] }) {
  const own = useRoomTexts("cases");
  const { locale } = useTexts();
  if (!run) return <p class="small">{own.noRun}</p>;
  const sum = (counts: Record<string, number>) => Object.values(counts).reduce((total, count) => total + count, 0);
  return (
    <section class="panel">
      <h2>{own.lastRun}</h2>
      <p>{own.compared(dayAndTime(run.at, undefined, locale), run.payments, run.refunds, run.disputes)}</p>
      <p>{own.result(sum(run.repaired), sum(run.findings))}</p>
      {run.unheard > 0 && <p class="notice">{own.withoutWebhook(run.unheard)}</p>}
    </section>
  );
}
