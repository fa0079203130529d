/** Samples of a running sale for the charts and the forecast. Pure, so that tests run it without a browser. */

/** The figures at one moment, `at` in epoch seconds. `capacity` is null without a limit. */
export interface Sample {
  at: number;
  waiting: number;
  admitted: number;
  held: number;
  sold: number;
  capacity: number | null;
  cents: number;
  /** Purchases that ended without tickets: declined, expired, abandoned or paid too late. */
  failed: number;
  isPaused: boolean;
}

/** Half an hour of samples, one every two seconds. */
export const MAX_SAMPLES = 900;

/** Append a sample. A sample of the same moment replaces the last one; an older sample is dropped. */
export function withSample(samples: Sample[], sample: Sample): Sample[] {
  const last = samples.at(-1);
  if (last && sample.at < last.at) return samples;
  const before = last?.at === sample.at ? samples.slice(0, -1) : samples;
  return [...before, sample].slice(-MAX_SAMPLES);
}

/** The period over which rates are measured: long enough for waves of half a minute, short enough to follow a new rate. */
export const RATE_SECONDS = 120;
/** The shortest period that gives a rate. */
const MIN_SECONDS = 10;

/** Tickets sold per minute over the last two minutes without a pause; null if the samples cover too little time. */
export function soldPerMinute(samples: Sample[], end = samples.length - 1): number | null {
  let seconds = 0;
  let sold = 0;
  for (let index = end; index > 0 && seconds < RATE_SECONDS; index--) {
    const [before, after] = [samples[index - 1]!, samples[index]!];
    if (before.isPaused) continue;
    seconds += after.at - before.at;
    sold += after.sold - before.sold;
  }
  return seconds < MIN_SECONDS ? null : Math.max(0, (60 * sold) / seconds);
}

export type Forecast =
  | { kind: "nothing" | "sold_out" | "unlimited" | "paused" | "too_early" | "not_selling" }
  /** The sale sells out in `seconds` at the rate of the last two minutes. */
  | { kind: "sells_out"; seconds: number };

/** Forecast when the event sells out. Held tickets count as unsold, because some of them come back. */
export function forecastSellOut(samples: Sample[]): Forecast {
  const last = samples.at(-1);
  if (!last) return { kind: "too_early" };
  if (last.capacity === null) return { kind: "unlimited" };
  if (last.capacity === 0) return { kind: "nothing" };
  if (last.sold >= last.capacity) return { kind: "sold_out" };
  if (last.isPaused) return { kind: "paused" };
  const rate = soldPerMinute(samples);
  if (rate === null) return { kind: "too_early" };
  if (rate === 0) return { kind: "not_selling" };
  return { kind: "sells_out", seconds: Math.ceil((60 * (last.capacity - last.sold)) / rate) };
}
