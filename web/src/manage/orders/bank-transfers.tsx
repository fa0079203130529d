/** An event's orders that are paid by bank transfer: what has arrived and is to be sent back, and the bank statement as a CSV file. */

import { useState } from "preact/hooks";
import { content, type Schemas } from "../../client";
import { dayAndTime, digitsOf, money } from "../../formats";
import { Failure } from "../../parts/failure";
import { Form } from "../../parts/form";
import { useAction } from "../../parts/hooks";
import { useTexts } from "../../texts";
import { toCents } from "../amounts";
import { manager } from "../api";
import { Confirmed } from "../parts/confirmed";
import { readLines } from "../parts/csv-file";
import { TextField } from "../parts/fields";
import { PagedList } from "../parts/paged-list";
import { usePages } from "../parts/use-pages";
import { useRoomTexts } from "../texts";
import { useManagedEvent } from "../who";

type Row = Schemas["StatementRowBody"];
type Result = Schemas["AppliedRowView"]["result"];

const ROWS_AT_ONCE = 100;
const NO_ROW = { "rows[0].reference": "", "rows[0].amount_cents": "", "rows[0].date": "" };

export function BankTransfers() {
  const own = useRoomTexts("bankTransfers");
  const { t, locale } = useTexts();
  const { event } = useManagedEvent();
  const { isWorking, failure, run } = useAction();
  const [values, setValues] = useState(NO_ROW);
  const [results, setResults] = useState<Result[]>([]);
  const params = { path: { event_id: event.id } };
  const found = usePages((cursor) => content(manager.GET("/events/{event_id}/bank-transfers", { params: { ...params, query: { cursor } } })), event.id);
  const currency = event.tiers[0]?.currency ?? "";
  const record = async (rows: Row[]) => {
    const recorded: Result[] = [];
    setResults([]);
    for (let start = 0, end; start < rows.length; start = end) {
      end = endOf(rows, start);
      const reply = await content(manager.POST("/events/{event_id}/bank-transfers", { params, body: { rows: rows.slice(start, end) } }));
      recorded.push(...reply.rows.map(({ result }) => result));
    }
    setResults(recorded);
    await found.reload();
  };
  const recordOne = async () => {
    await record([toRow(values["rows[0].reference"], values["rows[0].amount_cents"], values["rows[0].date"], currency)]);
    setValues(NO_ROW);
  };
  const cancel = async (orderId: string) => {
    await content(manager.POST("/events/{event_id}/bank-transfers/{order_id}/cancel", { params: { path: { event_id: event.id, order_id: orderId } } }));
    await found.reload();
  };
  const draft = { values, set: (changes: Partial<typeof values>) => setValues({ ...values, ...changes }) };
  const amount = (cents: number, code: string) => money(cents, code, locale);
  return (
    <div class="page">
      <h1>{own.title}</h1>
      <p class="lead">{own.lead}</p>
      <Form onSubmit={recordOne} button={own.record} isQuiet>
        {(errorOf) => (
          <>
            <TextField name="rows[0].reference" label={own.reference} maxLength={500} required draft={draft} errorOf={errorOf} />
            <div class="pair">
              <TextField name="rows[0].amount_cents" label={own.amount(currency)} note={own.amountNote} maxLength={14} required draft={draft} errorOf={errorOf} />
              <TextField name="rows[0].date" label={own.date} note={own.dateNote} type="date" required draft={draft} errorOf={errorOf} />
            </div>
          </>
        )}
      </Form>
      <p class="small">{own.fileNote}</p>
      <label class={`button button-quiet file-button ${isWorking ? "is-working" : ""}`}>
        {isWorking ? t.checkout.working : own.file}
        <input
          type="file"
          accept=".csv,text/csv"
          disabled={isWorking}
          onChange={({ currentTarget }) => {
            const file = currentTarget.files?.[0];
            if (file) run(async () => record(readStatement(await file.text(), currency)));
            currentTarget.value = ""; // so that the same file can be chosen again
          }}
        />
      </label>
      {failure && <Failure failure={failure} />}
      <div role="status">
        {[...new Set(results)].map((result) => (
          <p key={result}>{own.results[result](results.filter((other) => other === result).length)}</p>
        ))}
      </div>
      <PagedList found={found} itemsOf={(page) => page.orders} empty={{ title: own.none, text: own.noneText }}>
        {(orders) => (
          <ul class="rows">
            {orders.map((order) => (
              <li key={order.order_id} class="row-card">
                <h2>
                  <a class="code" href={`/manage/events/${event.id}/orders/${order.order_id}`}>
                    {order.number}
                  </a>
                </h2>
                <p>
                  {t.orders.states[order.status] ?? order.status} · {own.received(amount(order.received_cents, order.currency), amount(order.total_price_cents, order.currency))}
                  {order.expires_at && <> · {own.until(dayAndTime(order.expires_at, event.timezone, locale))}</>}
                </p>
                {order.to_return_cents.map((cents, index) => (
                  <p class="notice" key={index}>
                    {own.toReturn(amount(cents, order.currency))}
                  </p>
                ))}
                {order.status === "pending" && (
                  <Confirmed label={own.cancel} subject={order.number} confirm={own.cancel} act={() => cancel(order.order_id)}>
                    <p>{own.cancelText}</p>
                  </Confirmed>
                )}
              </li>
            ))}
          </ul>
        )}
      </PagedList>
    </div>
  );
}

/** A row as the API takes it. An amount that cannot be read becomes NaN, which the API refuses. Banks write negative amounts as -5, −5, 5- or (5). */
function toRow(reference: string, amount: string, date: string, currency: string): Row {
  // In currencies with three decimals, such as KWD, the last sign is always the decimal sign.
  const separators = digitsOf(currency) === 3 ? /[^\d.,]|[.,](?=.*[.,])/g : /[^\d.,]|[.,](?=\d{3}(?!\d))/g;
  const cents = toCents(amount.replace(separators, ""), currency) ?? Number.NaN;
  return { reference: reference.slice(0, 500), amount_cents: /[-−(]/.test(amount) ? -cents : cents, date: date.trim().replace(/^(\d\d?)[./](\d\d?)[./](\d{4})$/, (_, day, month, year) => `${year}-${month.padStart(2, "0")}-${day.padStart(2, "0")}`) };
}

/** Return the rows of a bank statement whose first line names the columns `reference`, `amount` and `date`, sorted by day, with incoming money first. */
function readStatement(text: string, currency: string): Row[] {
  const [header = [], ...lines] = readLines(text.replace(/^\uFEFF/, ""));
  const [reference, amount, date] = ["reference", "amount", "date"].map((name) => header.findIndex((column) => column.trim().toLowerCase() === name)) as [number, number, number];
  return lines.map((cells) => toRow(cells[reference] ?? "", cells[amount] ?? "", cells[date] ?? "", currency)).sort((a, b) => a.date.localeCompare(b.date) || b.amount_cents - a.amount_cents);
}

/** Return the end of the sorted rows from `start` that are sent at once. Equal transfers of a day stay together, because the API counts them. */
function endOf(rows: Row[], start: number): number {
  const isSplit = (at: number) => rows[at]?.date === rows[at - 1]?.date && rows[at]?.amount_cents === rows[at - 1]?.amount_cents;
  let end = start + ROWS_AT_ONCE;
  while (end > start && end < rows.length && isSplit(end)) end--;
  return end > start ? end : start + ROWS_AT_ONCE;
}
