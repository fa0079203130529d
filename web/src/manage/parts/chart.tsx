/** A chart of an event's series over time, in its time zone. It is only a picture: the page and the label say the same in words. */

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { useTexts } from "../../texts";
import { useManagedEvent } from "../who";
import { knownZone } from "../zoned-time";

export interface Series {
  name: string;
  values: (number | null)[];
}

interface Props {
  /** What the chart shows, for screen readers. */
  label: string;
  /** Epoch seconds, ascending. */
  times: number[];
  series: Series[];
  kind?: "lines" | "bars";
  /** Formats a value for the axis. */
  write?: (value: number) => string;
  /** In pixels. */
  height?: number;
}

/** Colors by their CSS variables, in the order of the series (styles/manage/charts.css). */
const SERIES_CLASSES = ["chart-0", "chart-1", "chart-2", "chart-3", "chart-4", "chart-5"];
export const MAX_SERIES = SERIES_CLASSES.length;
const HALF_HOUR = 1800; // in seconds
/** The possible distances between two marks of the value axis: whole numbers only. */
const STEPS = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000].flatMap((power) => [power, 2 * power, 5 * power]);

export function Chart({ label, times, series, kind = "lines", write, height = 180 }: Props) {
  const { locale } = useTexts();
  const zone = knownZone(useManagedEvent().event.timezone);
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(write);
  latest.current = write;
  const shape = series.map(({ name }) => name).join("\n");
  useEffect(() => {
    const element = place.current!;
    const color = (index: number) => getComputedStyle(element.parentElement!.querySelector(`.chart-${index}`)!).color;
    const soft = () => getComputedStyle(element).color;
    const line = () => getComputedStyle(element).borderTopColor;
    const axis = { stroke: soft, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: "12px system-ui, sans-serif" };
    const options: uPlot.Options = {
      width: Math.max(element.clientWidth, 200),
      height,
      padding: [null, 36, null, null], // the label of the last time is centered on its mark
      tzDate: (at) => uPlot.tzDate(new Date(1000 * at), zone),
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { range: (plot, first, last) => widen(plot.data[0], first, last, kind) }, y: { range: (_, __, highest) => [0, Math.max(1, 1.1 * highest)] } },
      axes: [
        { ...axis, space: 110, values: (_, splits, __, ___, step) => splits.map((at) => writeTime(at, step, zone, locale)) },
        { ...axis, size: 62, space: 34, incrs: STEPS, values: (_, splits) => splits.map((value) => (latest.current ?? String)(value)) },
      ],
      series: [
        {},
        ...series.map((_, index) => ({
          stroke: () => color(index),
          fill: kind === "bars" ? () => color(index) : undefined,
          width: 2,
          points: { show: times.length < 2 },
          paths: kind === "bars" ? uPlot.paths.bars!({ size: [0.7, 40] }) : undefined,
        })),
      ],
    };
    plot.current = new uPlot(options, [[], ...series.map(() => [])] as uPlot.AlignedData, element);
    const fit = new ResizeObserver(() => plot.current?.setSize({ width: Math.max(element.clientWidth, 200), height }));
    fit.observe(element);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const redraw = () => plot.current?.redraw(false, true);
    scheme.addEventListener("change", redraw);
    return () => {
      scheme.removeEventListener("change", redraw);
      fit.disconnect();
      plot.current?.destroy();
    };
  }, [shape, kind, height, zone, locale]);
  useEffect(() => {
    plot.current?.setData([times, ...series.map(({ values }) => values)] as uPlot.AlignedData);
  }, [times, series, shape, kind, height, zone, locale]);
  return (
    <figure class="chart">
      <div class="chart-place" role="img" aria-label={label} ref={place} />
      <figcaption>
        <ul class="chart-legend">
          {series.map(({ name }, index) => (
            <li key={name}>
              <span class={`chart-swatch ${SERIES_CLASSES[index]}`} aria-hidden="true" /> {name}
            </li>
          ))}
        </ul>
      </figcaption>
    </figure>
  );
}

/** Widen the time axis so that the first and last bars fit. A single moment gets an hour around it, because uPlot would show years. */
function widen(times: ArrayLike<number>, first: number, last: number, kind: Props["kind"]): [number, number] {
  if (times.length === 1) return [times[0]! - HALF_HOUR, times[0]! + HALF_HOUR];
  const margin = kind === "bars" && times.length > 1 ? (times[1]! - times[0]!) / 2 : 0;
  return [first - margin, last + margin];
}

/** `step`: the seconds between two marks. */
function writeTime(at: number, step: number, timeZone: string, locale: string): string {
  const options: Intl.DateTimeFormatOptions =
    step >= 86_400
      ? { day: "numeric", month: "short" }
      : step >= 3600
        ? { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" }
        : { hour: "numeric", minute: "2-digit", second: step < 60 ? "2-digit" : undefined };
  return new Intl.DateTimeFormat(locale, { ...options, timeZone }).format(new Date(1000 * at));
}
