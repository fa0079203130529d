/** An event's sales and revenue: by provider, over time and by ticket type, the sales funnel, the check-ins, the statement, and the files. */

import { useMemo, useState } from "preact/hooks";
import { money } from "../../formats";
import { Failure, Skeleton } from "../../parts/failure";
import { useAction, useLoaded } from "../../parts/hooks";
import { now } from "../../server-time";
import { useTexts } from "../../texts";
import { save } from "../../downloads";
import { Chart, MAX_SERIES } from "../parts/chart";
import { Funnel, share, Takings } from "../parts/event-figures";
import { TablePlace } from "../parts/table-place";
import { useProviderName, useRoomTexts } from "../texts";
import { useManagedEvent, useMay } from "../who";
import { daysAgo, exportSales, exportStatement, getFigures, getStatementPages, type Figures } from "./figures";
import { checkInsOverTime, soldOverTime } from "./series";

const SPANS = [7, 31, 90, 366] as const;
const REFRESH_SECONDS = 60;

export function SalesPage() {
  const own = useRoomTexts("sales");
  const { event } = useManagedEvent();
  const may = useMay();
  const [span, setSpan] = useState<number>(31);
  const load = () => getFigures(event.id, daysAgo(span, now()));
  const { value, failure, reload } = useLoaded(load, `${event.id}/${span}`, REFRESH_SECONDS);
  const { isWorking, failure: exportFailure, run } = useAction();
  return (
    <div class="page">
      <div class="page-head">
        <h1>{own.title}</h1>
        {may("seeOrders") && (
          <button type="button" class="button button-quiet" disabled={isWorking} onClick={() => run(async () => save(await exportSales(event.id), `${event.id}-sales.csv`))}>
            {own.csv}
          </button>
        )}
      </div>
      {exportFailure && <Failure failure={exportFailure} />}
      <div class="control-fields">
        <label class="field">
          {own.span}
          <select value={span} onChange={({ currentTarget }) => setSpan(Number(currentTarget.value))}>
            {SPANS.map((days) => (
              <option key={days} value={days}>
                {own.days(days)}
              </option>
            ))}
          </select>
        </label>
      </div>
      {value ? <Shown figures={value} /> : failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={8} />}
      <Statement />
    </div>
  );
}

/** The files that say what the event's sales, refunds, disputes and fees add up to on each account. */
function Statement() {
  const own = useRoomTexts("sales");
  const { event } = useManagedEvent();
  const { language } = useTexts();
  const { isWorking, failure, run } = useAction();
  const csv = () => run(async () => save(await exportStatement(event.id), `${event.id}-statement.csv`));
  const pdf = () => run(async () => save(await getStatementPages(event.id, language), `${event.id}-statement.pdf`));
  return (
    <section class="panel">
      <h2>{own.statement}</h2>
      <p>{own.statementNote}</p>
      {failure && <Failure failure={failure} />}
      <p class="row-actions">
        <button type="button" class="button button-quiet" disabled={isWorking} onClick={csv}>
          {own.statementCsv}
        </button>
        {ADDONS.documents && (
          <button type="button" class="button button-quiet" disabled={isWorking} onClick={pdf}>
            {own.statementPdf}
          </button>
        )}
      </p>
    </section>
  );
}

function Shown({ figures }: { figures: Figures }) {
  const own = useRoomTexts("sales");
  const { locale } = useTexts();
  const number = (value: number) => value.toLocaleString(locale, { notation: "compact" });
  const series = useMemo(() => soldOverTime(figures.by_hour, figures.tiers, own.others, MAX_SERIES), [figures, own]);
  const total = useMemo(() => [{ name: own.sold, values: series.total }], [series, own]);
  const sold = figures.tickets_sold;
  return (
    <>
      <section class="panel">
        <h2>{own.money}</h2>
        <Takings revenue={figures.revenue} />
        <Included revenue={figures.revenue} />
        <p class="small">{own.moneyNote}</p>
      </section>
      <section class="panel">
        <h2>
          {own.overTime} <span class="small">({useManagedEvent().event.timezone.replaceAll("_", " ")})</span>
        </h2>
        {series.times.length === 0 ? (
          <p>{own.nothingSold}</p>
        ) : (
          <div class="charts">
            <Chart label={own.chartSold(sold)} times={series.times} series={total} kind="bars" write={number} />
            <Chart label={own.chartTiers(series.sold.map(({ name }) => name).join(", "))} times={series.times} series={series.sold} write={number} />
          </div>
        )}
      </section>
      <section class="panel">
        <h2>{own.byTier}</h2>
        <Tiers figures={figures} />
      </section>
      <section class="panel">
        <h2>{own.funnel}</h2>
        <Funnel funnel={figures.funnel} />
        <p>{own.endings(figures.funnel.expired, figures.funnel.cancelled, figures.funnel.declined, figures.funnel.rejected)}</p>
        <p>{own.payments(share(figures.payment_success_rate, locale))}</p>
      </section>
      <section class="panel">
        <h2>{own.door}</h2>
        <p>{own.checkedInSummary(figures.admission.people_admitted, figures.admission.people_expected, share(figures.admission.progress, locale))}</p>
        <Door figures={figures} write={number} />
      </section>
    </>
  );
}

/** The fee and the taxes in the prices of the sales, less refunds and disputes: a row for each rate. Nothing is shown if there is neither. */
function Included({ revenue }: { revenue: Figures["revenue"] }) {
  const own = useRoomTexts("sales");
  const providerName = useProviderName();
  const { locale } = useTexts();
  const rows = revenue.flatMap(({ provider, currency, included_fee_cents, taxes }) => {
    const from = `${providerName(provider)}, ${currency}`;
    const amount = (cents: number) => money(cents, currency, locale);
    const fee = included_fee_cents === 0 ? [] : [[from, own.includedFee, "", amount(included_fee_cents)]];
    return [...fee, ...taxes.map((share) => [from, own.tax(Number(share.percent).toLocaleString(locale)), amount(share.gross_cents), amount(share.tax_cents)])];
  });
  if (rows.length === 0) return null;
  return (
    <>
      <h3>{own.included}</h3>
      <TablePlace label={own.included}>
        <table>
          <thead>
            <tr>
              <th scope="col">{own.provider}</th>
              <th scope="col">{own.what}</th>
              <th scope="col" class="number">{own.inSales}</th>
              <th scope="col" class="number">{own.amount}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(([from, what, gross, cents]) => (
              <tr key={`${from} ${what}`}>
                <th scope="row">{from}</th>
                <td>{what}</td>
                <td class="number">{gross}</td>
                <td class="number">{cents}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </TablePlace>
    </>
  );
}

/** Check-ins over time and by gate; empty before the first one. */
function Door({ figures, write }: { figures: Figures; write: (value: number) => string }) {
  const own = useRoomTexts("sales");
  const { locale } = useTexts();
  const { times, people } = useMemo(() => checkInsOverTime(figures.by_hour), [figures]);
  const series = useMemo(() => [{ name: own.peopleCheckedIn, values: people }], [people, own]);
  return (
    <>
      {times.length > 0 && <Chart label={own.chartDoor(people.at(-1)!)} times={times} series={series} write={write} />}
      {figures.gates.length > 0 && (
        <TablePlace label={own.byGate}>
          <table>
            <thead>
              <tr>
                <th scope="col">{own.gate}</th>
                <th scope="col" class="number">{own.checkedIn}</th>
              </tr>
            </thead>
            <tbody>
              {figures.gates.map(({ gate, people_admitted }) => (
                <tr key={gate}>
                  <th scope="row">{gate ?? own.noGate}</th>
                  <td class="number">{people_admitted.toLocaleString(locale)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </TablePlace>
      )}
    </>
  );
}

function Tiers({ figures }: { figures: Figures }) {
  const own = useRoomTexts("sales");
  const { locale } = useTexts();
  const hasComplimentary = figures.tiers.some(({ complimentary }) => complimentary > 0);
  return (
    <TablePlace label={own.byTier}>
      <table>
        <thead>
          <tr>
            <th scope="col">{own.tier}</th>
            <th scope="col" class="number">{own.sold}</th>
            <th scope="col" class="number">{own.returned}</th>
            <th scope="col" class="number">{own.kept}</th>
            {hasComplimentary && <th scope="col" class="number">{own.complimentary}</th>}
            <th scope="col" class="number">{own.capacity}</th>
            <th scope="col" class="number">{own.gross}</th>
            <th scope="col" class="number">{own.checkedIn}</th>
          </tr>
        </thead>
        <tbody>
          {figures.tiers.map((tier) => (
            <tr key={tier.tier_id}>
              <th scope="row">{tier.tier_name ?? tier.tier_id}</th>
              <td class="number">{tier.sold.toLocaleString(locale)}</td>
              <td class="number">{tier.returned.toLocaleString(locale)}</td>
              <td class="number">{tier.kept.toLocaleString(locale)}</td>
              {hasComplimentary && <td class="number">{tier.complimentary.toLocaleString(locale)}</td>}
              <td class="number">{tier.capacity?.toLocaleString(locale) ?? "–"}</td>
              <td class="number">
                {Object.entries(tier.gross_cents)
                  .map(([currency, cents]) => money(cents, currency, locale))
                  .join(", ") || "–"}
              </td>
              <td class="number">{own.checkedInCount(tier.people_admitted, tier.people_expected)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </TablePlace>
  );
}
