/** The stock ledger of an event as a picture: where all tickets went, what has changed, and whether the list is whole. Above it is the report. */

import { stockLedgerUrl, type EventWithTiers, type StockEntry, type StockLine } from "../api";
import { dayAndTime, shortDayAndTime } from "../formats";
import { loadLedger } from "../stock-ledger";
import { useTexts } from "../texts";
import type { stockTexts as en } from "../texts/en-stock";
import { inEachLanguage } from "../texts/languages";
import { Failure, Outcome, Skeleton } from "./failure";
import { useLoaded } from "./hooks";
import "../styles/stock.css";

/** All languages are in this file, because they are smaller than a second request. */
const TEXTS = inEachLanguage(import.meta.glob<typeof en>("../texts/??-stock.ts", { eager: true, import: "stockTexts" }));

type Reason = keyof (typeof en)["reasons"];
const PARTS = ["sold", "held", "available", "back"] as const;

export function StockLedger({ event }: { event: EventWithTiers }) {
  const { language, locale } = useTexts();
  const s = TEXTS[language];
  const { value: ledger, failure, reload } = useLoaded(() => loadLedger(event.id), event.id);
  const { value: report } = useLoaded(async () => (event.publishes_report ? import("./drop-report") : undefined), String(event.publishes_report));
  if (!ledger) return failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={6} />;
  const { entries, isChained, isSigned, publicKey } = ledger;
  const last = entries.at(-1);
  const totals = entries.findLast(({ kind }) => kind === "totals");
  const changes = entries.filter(({ kind }) => kind !== "totals" && kind !== "figures");
  const isRight = isChained && isSigned !== false;
  return (
    <>
      {report && isRight && <report.DropReport event={event} ledger={entries} />}
      <h2>{s.title}</h2>
      <p>{s.intro}</p>
      {!last && <p>{s.none}</p>}
      {totals && <p class="small">{s.counted(dayAndTime(totals.at, event.timezone, locale))}</p>}
      {(totals ?? last)?.lines.map((line) => <Line key={line.tier_id} line={line} event={event} />)}
      {changes.length > 0 && (
        <details class="more">
          <summary>{s.changes(changes.length)}</summary>
          <ul class="small">
            {changes.map((entry) => (
              <li key={entry.number}>
                <time dateTime={entry.at}>{shortDayAndTime(entry.at, event.timezone, locale)}</time> · <Change entry={entry} before={entries.find(({ number }) => number === entry.number - 1)} event={event} />
              </li>
            ))}
          </ul>
        </details>
      )}
      {entries[0] && entries[0].number > 1 && <p>{s.later(entries[0].number.toLocaleString(locale))}</p>}
      {last &&
        (isRight ? (
          <p>{(isSigned ? s.right : s.unsigned)(entries.length)}</p>
        ) : (
          <Outcome tone="bad" title={s.wrong}>
            <p>{s.wrongNote}</p>
          </Outcome>
        ))}
      {last && (
        <p class="small">
          {s.key} <span class="code">{publicKey}</span> <a href={stockLedgerUrl(event.id)}>{s.download}</a>
        </p>
      )}
    </>
  );
}

/** The tickets of one kind as a bar, with the same in words. */
function Line({ line, event }: { line: StockLine; event: EventWithTiers }) {
  const { language, locale } = useTexts();
  const s = TEXTS[language];
  const back = sum(line.held_back);
  const counts = { sold: line.sold ?? 0, held: line.held ?? 0, available: line.available ?? 0, back };
  const whole = PARTS.reduce((total, part) => total + counts[part], 0);
  const number = (count: number) => count.toLocaleString(locale);
  let left = 0;
  return (
    <section class="stock-line">
      <h3>{nameOf(line, event, s)}</h3>
      <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        {PARTS.map((part) => {
          const width = whole > 0 ? (100 * counts[part]) / whole : 0;
          left += width;
          return <rect key={part} class={`stock-${part}`} x={left - width} width={width} height="6" />;
        })}
      </svg>
      <p class="small">
        {line.capacity == null ? s.noLimit : s.of(number(line.capacity))}
        {PARTS.filter((part) => counts[part] > 0).map((part) => (
          <span key={part} class={`stock-key stock-${part}`}>
            {number(counts[part])} {s.parts[part]}
            {part === "back" && ` (${backText(line, s, number)})`}
          </span>
        ))}
      </p>
      {!!line.returned && <p class="small">{s.returned(number(line.returned))}</p>}
    </section>
  );
}

function Change({ entry, before, event }: { entry: StockEntry; before?: StockEntry; event: EventWithTiers }) {
  const { language, locale } = useTexts();
  const s = TEXTS[language];
  const number = (count: number) => count.toLocaleString(locale);
  if (entry.issued) return <>{`${nameOf(entry.issued, event, s)}: ${s.given(number(entry.issued.quantity), s.reasons[entry.issued.reason])}`}</>;
  if (entry.revoked) return <>{`${nameOf(entry.revoked, event, s)}: ${s.revoked(number(entry.revoked.quantity), s.reasons[entry.revoked.reason])}`}</>;
  const known = new Map(before?.lines.map((line) => [line.tier_id, definition(line)]));
  const changed = entry.lines.filter((line) => known.get(line.tier_id) !== definition(line));
  const lines = changed.map((line) => {
    const size = line.capacity == null ? s.noLimit : s.of(number(line.capacity));
    return `${nameOf(line, event, s)}: ${size}${sum(line.held_back) > 0 ? `, ${number(sum(line.held_back))} ${s.parts.back} (${backText(line, s, number)})` : ""}`;
  });
  return <>{[before ? s.causes[entry.cause ?? "manager"] : s.published, ...lines].join(" · ")}</>;
}

const definition = ({ capacity, held_back }: StockLine) => JSON.stringify([capacity, held_back]);

const sum = (counts: StockLine["held_back"]) => Object.values(counts ?? {}).reduce((total, count) => total + count, 0);

/** The reasons, with how many tickets each has, and how many of them have been given out. */
function backText({ held_back, issued }: StockLine, s: typeof en, number: (count: number) => string): string {
  const given = sum(issued);
  const reasons = Object.entries(held_back ?? {}).map(([reason, count]) => `${s.reasons[reason as Reason]} ${number(count)}`);
  return [...reasons, ...(given > 0 ? [s.issued(number(given))] : [])].join(", ");
}

function nameOf({ tier_id }: { tier_id?: string | null }, event: EventWithTiers, s: typeof en): string {
  if (tier_id == null) return s.all;
  return event.tiers.find(({ id }) => id === tier_id)?.name ?? (tier_id.startsWith("hidden:") ? s.hidden : tier_id);
}
