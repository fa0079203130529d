/** A running sale: its figures, charts and sell-out forecast, and the controls. */

import { useEffect, useMemo } from "preact/hooks";
import { clock, money } from "../../formats";
import { Failure, Skeleton } from "../../parts/failure";
import { useNow } from "../../parts/hooks";
import { useTexts } from "../../texts";
import { Chart } from "../parts/chart";
import { EventStatus } from "../parts/event-status";
import { TablePlace } from "../parts/table-place";
import { useRoomTexts, type RoomTexts } from "../texts";
import { useManagedEvent, useMay } from "../who";
import { knownZone } from "../zoned-time";
import { Appeals } from "./appeals";
import { Controls } from "./controls";
import { mainTakings, sampleOf, useLiveSale, type LiveSale } from "./sale";
import { forecastSellOut, soldPerMinute, type Forecast, type Sample } from "./sample";

/** Figures older than this are marked as out of date. */
const OLD_SECONDS = 10;
const NOT_PUBLIC = ["draft", "test"];

export function LivePage() {
  const own = useRoomTexts("live");
  const { event, replace } = useManagedEvent();
  const may = useMay();
  const { sale: live, samples, failure, poll } = useLiveSale(event.id);
  const isDraft = event.status === "draft"; // nothing is on sale, and nobody is in line
  useEffect(() => {
    const now = live?.sale; // the navigation shows the same status as this page
    if (now && !NOT_PUBLIC.includes(event.status) && (now.status !== event.status || now.paused !== event.paused)) {
      replace({ ...event, status: now.status, paused: now.paused });
    }
  }, [live]);
  if (!live) return <div class="page">{failure ? <Failure failure={failure} retry={poll} /> : <Skeleton lines={8} />}</div>;
  return (
    <div class="page">
      <div class="page-head">
        <h1>{own.title}</h1>
        <EventStatus event={event} as="p" />
      </div>
      {isDraft && <p class="notice">{own.draft}</p>}
      <Age live={live} isLost={failure !== null} />
      <Figures live={live} samples={samples} />
      {!isDraft && may("steerSale") && <Controls eventId={event.id} sale={live.sale} poll={poll} />}
      {may("steerSale") && (live.sale.waiting_room?.entry ?? "open") !== "open" && <Appeals />}
      <Charts live={live} samples={samples} />
      <Tiers live={live} />
    </div>
  );
}

/** The time of the figures, and a warning when the connection is lost, because old figures look like new ones. */
function Age({ live, isLost }: { live: LiveSale; isLost: boolean }) {
  const own = useRoomTexts("live");
  const { locale } = useTexts();
  const now = useNow();
  const at = Date.parse(live.at) / 1000;
  const zone = knownZone(useManagedEvent().event.timezone);
  const time = new Date(live.at).toLocaleTimeString(locale, { timeZone: zone, timeZoneName: "short" });
  const isOld = isLost || now - at > OLD_SECONDS;
  return (
    <>
      <p class="small">{own.asOf(time)}</p>
      <div role="status">{isOld && <p class="notice notice-bad">{own.lost(time)}</p>}</div>
    </>
  );
}

function Figures({ live, samples }: { live: LiveSale; samples: Sample[] }) {
  const own = useRoomTexts("live");
  const { locale } = useTexts();
  const { sale, purchases } = live;
  const { has_ballot } = useManagedEvent().event;
  const room = sale.waiting_room;
  const takings = mainTakings(live);
  const rate = soldPerMinute(samples);
  const number = (value: number) => value.toLocaleString(locale);
  const figures: { name: string; value: string; note?: string }[] = [
    ...(room && has_ballot ? [{ name: own.inDraw, value: number(room.total), note: room.opened ? undefined : own.beforeDraw }] : []),
    ...(room && !has_ballot
      ? [
          { name: own.waiting, value: number(room.queue_length), note: room.opened ? own.joined(room.total) : own.beforeDraw },
          { name: own.admitted, value: number(room.admitted), note: own.passes(room.active_passes) },
        ]
      : []),
    { name: own.held, value: number(sale.total_active_holds), note: own.heldNote },
    {
      name: own.sold,
      value: number(sale.total_sold),
      note: sale.total_capacity === null ? own.noLimit : own.ofCapacity(sale.total_capacity, sale.total_available ?? 0),
    },
    { name: own.perMinute, value: rate === null ? "–" : number(Math.round(rate * 10) / 10), note: own.perMinuteNote },
    ...(live.takings
      ? [{ name: own.money, value: takings ? money(sampleOf(live).cents, takings.currency, locale) : "–", note: own.moneyNote(live.takings.length > 1) }]
      : []),
    ...(purchases
      ? [
          {
            name: own.failed,
            value: number(purchases.declined + purchases.expired + purchases.cancelled + purchases.rejected),
            note: own.failedNote(purchases.declined, purchases.expired, purchases.cancelled, purchases.rejected),
          },
        ]
      : []),
    { name: own.forecast, ...describeForecast(forecastSellOut(samples), own) },
  ];
  return (
    <dl class="figures" aria-label={own.figures}>
      {figures.map(({ name, value, note }) => (
        <div class="figure-card" key={name}>
          <dt>{name}</dt>
          <dd class="figure-value">{value}</dd>
          {note && <dd class="small">{note}</dd>}
        </div>
      ))}
    </dl>
  );
}

function describeForecast(forecast: Forecast, own: RoomTexts["live"]): { value: string; note?: string } {
  return forecast.kind === "sells_out" ? { value: clock(forecast.seconds), note: own.forecastNote } : { value: "–", note: own.forecasts[forecast.kind] };
}

function Charts({ live, samples }: { live: LiveSale; samples: Sample[] }) {
  const own = useRoomTexts("live");
  const { locale } = useTexts();
  const { has_ballot } = useManagedEvent().event;
  const last = samples.at(-1)!;
  const currency = mainTakings(live)?.currency ?? "USD";
  const times = useMemo(() => samples.map(({ at }) => at), [samples]);
  const number = (value: number) => value.toLocaleString(locale, { notation: "compact" });
  const charts = useMemo(() => {
    const series = (name: string, read: (sample: Sample, index: number) => number | null) => ({ name, values: samples.map(read) });
    return {
      line: [series(own.waiting, ({ waiting }) => waiting), series(own.admitted, ({ admitted }) => admitted)],
      tickets: [series(own.sold, ({ sold }) => sold), series(own.held, ({ held }) => held)],
      rate: [series(own.perMinute, (_, index) => soldPerMinute(samples, index))],
      money: [series(own.money, ({ cents }) => cents / 100)],
      failed: [series(own.failed, ({ failed }) => failed)],
    };
  }, [samples, own]);
  return (
    <section class="charts" aria-label={own.charts}>
      {live.sale.waiting_room && !has_ballot && <Chart label={own.chartLine(last.waiting, last.admitted)} times={times} series={charts.line} write={number} />}
      <Chart label={own.chartTickets(last.sold, last.held)} times={times} series={charts.tickets} write={number} />
      <Chart label={own.chartRate} times={times} series={charts.rate} write={number} />
      {live.takings && <Chart label={own.chartMoney(currency)} times={times} series={charts.money} write={number} />}
      {live.purchases && <Chart label={own.chartFailed(last.failed)} times={times} series={charts.failed} write={number} />}
    </section>
  );
}

function Tiers({ live }: { live: LiveSale }) {
  const own = useRoomTexts("live");
  const { locale } = useTexts();
  const number = (value: number | null) => (value === null ? own.noLimit : value.toLocaleString(locale));
  return (
    <section class="panel">
      <h2>{own.tiers}</h2>
      <TablePlace label={own.tiers}>
        <table>
          <thead>
            <tr>
              <th scope="col">{own.tier}</th>
              <th scope="col" class="number">{own.sold}</th>
              <th scope="col" class="number">{own.held}</th>
              <th scope="col" class="number">{own.available}</th>
              <th scope="col" class="number">{own.capacity}</th>
            </tr>
          </thead>
          <tbody>
            {live.sale.tiers.map((tier) => (
              <tr key={tier.tier_id}>
                <th scope="row">{tier.tier_name}</th>
                <td class="number">{number(tier.sold)}</td>
                <td class="number">{number(tier.active_holds)}</td>
                <td class="number">{number(tier.available)}</td>
                <td class="number">{number(tier.capacity)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </TablePlace>
    </section>
  );
}
