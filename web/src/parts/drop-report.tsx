/** The sale report on the draw page, if the promoter publishes it. */

import { getDrawProof, getRoom, type EventWithTiers, type StockEntry } from "../api";
import { save } from "../downloads";
import { makeReport, type Report } from "../drop-report";
import { clock } from "../formats";
import { now } from "../server-time";
import { useTexts } from "../texts";
import type { reportTexts as en } from "../texts/en-report";
import { inEachLanguage } from "../texts/languages";
import { Failure, Skeleton } from "./failure";
import { useLoaded } from "./hooks";

/** All languages are in this file, because they are smaller than a second request. */
const TEXTS = inEachLanguage(import.meta.glob<typeof en>("../texts/??-report.ts", { eager: true, import: "reportTexts" }));

/** The report; null before the opening, and `undefined` inside if the ledger is too long for a browser. */
async function loadReport(event: EventWithTiers, ledger: StockEntry[]): Promise<{ report?: Report } | null> {
  const [proof, state] = event.has_waiting_room ? await Promise.all([getDrawProof(event.id), getRoom(event.id)]) : [null, null];
  if (proof ? !proof.opened : Date.parse(event.on_sale_at ?? "") > 1000 * now()) return null;
  if (ledger[0]?.number !== 1) return ledger[0] ? {} : null;
  return { report: makeReport(event, proof, state, ledger, Math.floor(now())) };
}

/** `ledger` are the entries of the stock ledger, which the page has loaded. */
export function DropReport({ event, ledger }: { event: EventWithTiers; ledger: StockEntry[] }) {
  const { language } = useTexts();
  const s = TEXTS[language];
  const { value, failure, reload } = useLoaded(() => loadReport(event, ledger).then((found) => ({ found })), event.id);
  if (!value) return failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={6} />;
  if (!value.found) return null;
  const { report } = value.found;
  return (
    <section class="drop-report">
      <h2>{s.title}</h2>
      {report ? <Contents report={report} s={s} /> : <p>{s.tooLong}</p>}
    </section>
  );
}

function Contents({ report, s }: { report: Report; s: typeof en }) {
  const { locale } = useTexts();
  const number = (count: number | null | undefined) => (count == null ? s.unknownCount : count.toLocaleString(locale));
  const times = ([from, to]: [number, number]) => s.between(clock(from), clock(to));
  const held = (line: { held_back?: Record<string, number> } | null) => (line ? number(Object.values(line.held_back ?? {}).reduce((total, count) => total + count, 0)) : "–");
  const { entrants, waits, late_waits: late, figures } = report;
  const range = (name: "p50_ms" | "p95_ms") => {
    const known = figures!.buckets.map((bucket) => bucket[name]).filter((value) => value != null);
    return known.length > 0 ? s.between(`${number(Math.min(...known))} ms`, `${number(Math.max(...known))} ms`) : s.unknownCount;
  };
  return (
    <>
      <p>{s.intro}</p>
      {entrants?.ballot && <p>{s.ballot}</p>}
      {entrants && (
        <dl class="draw-facts">
          <Fact name={s.drawn}>{number(entrants.drawn)}</Fact>
          {entrants.by_weight?.map((count, index) => count > 0 && (
            <Fact key={index} name={s.withNumbers(index + 1)}>
              {number(count)}
            </Fact>
          ))}
          <Fact name={s.late}>{number(entrants.late)}</Fact>
          {Object.entries(entrants.excluded).map(([reason, count]) => (
            <Fact key={reason} name={s.excluded[reason as keyof typeof s.excluded]}>
              {number(count)}
            </Fact>
          ))}
        </dl>
      )}
      {[{ title: s.waits, list: waits }, { title: s.lateWaits, list: late?.places, p95: late?.p95_seconds }].map(
        ({ title, list, p95 }) =>
          list &&
          list.length > 0 && (
            <section key={title}>
              <h3>{title}</h3>
              <ul class="draw-limits">
                {list.map(({ place, seconds }) => (
                  <li key={place}>
                    {s.place(number(place))}: {seconds ? times(seconds) : s.notYet}
                  </li>
                ))}
                {p95 && (
                  <li>
                    {s.p95Wait}: {times(p95)}
                  </li>
                )}
              </ul>
            </section>
          ),
      )}
      {figures && (
        <>
          <h3>{s.figures}</h3>
          <dl class="draw-facts">
            <Fact name={s.requests}>{number(figures.requests)}</Fact>
            <Fact name={s.errors}>{number(figures.errors)}</Fact>
            <Fact name={s.p50}>{range("p50_ms")}</Fact>
            <Fact name={s.p95}>{range("p95_ms")}</Fact>
          </dl>
          <p class="small">{s.figuresNote}</p>
        </>
      )}
      {report.tickets.map(({ tier_id, name, at_opening, counted, sold_out_seconds }) => (
        <section key={tier_id}>
          <h3>{name ?? (tier_id === null ? s.all : s.hidden)}</h3>
          <dl class="draw-facts">
            <Fact name={s.sold}>{number(counted.sold)}</Fact>
            {sold_out_seconds && <Fact name={s.soldOut}>{times(sold_out_seconds)}</Fact>}
            <Fact name={s.held}>{s.counts(held(counted), held(at_opening))}</Fact>
            <Fact name={s.unpaid}>{number(counted.unpaid)}</Fact>
            <Fact name={s.returned}>{number(counted.returned)}</Fact>
          </dl>
        </section>
      ))}
      <p>
        {s.changes}: {number(report.changes_after_opening.length)}
      </p>
      <h3>{s.unknown}</h3>
      <ul class="draw-limits">
        {report.unknown.map((name) => (
          <li key={name}>{s.unknowns[name]}</li>
        ))}
      </ul>
      <p>
        <button type="button" class="button button-quiet" onClick={() => save(new Blob([JSON.stringify(report, null, 2)], { type: "application/json" }), `report-${report.event_id}.json`)}>
          {s.download}
        </button>
      </p>
    </>
  );
}

function Fact({ name, children }: { name: string; children: preact.ComponentChildren }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}
