/** What is kept of each look at a running sale, for the charts and the forecast: pure, so that tests run it without a browser. */

/** Numbers of one moment, at `at` in epoch seconds. `capacity` is null without a limit. */
export interface Sample {
  at: number;
  waiting: number;
  admitted: number;
  held: number;
  sold: number;
  capacity: number | null;
  cents: number;
  /** Attempts to buy that ended without tickets: declined, expired, given up, paid too late. */
  failed: number;
  isPaused: boolean;
}

/** So many are kept: half an hour at one in two seconds. */
export const MAX_SAMPLES = 900;

/** The samples with another one. One of the same moment takes the place of the last, and one that is older is left out. */
export function withSample(samples: Sample[], sample: Sample): Sample[] {
  const last = samples.at(-1);
  if (last && sample.at < last.at) return samples;
  const before = last?.at === sample.at ? samples.slice(0, -1) : samples;
  return [...before, sample].slice(-MAX_SAMPLES);
}

/** Over so many seconds a rate is measured: long enough for waves of half a minute, short enough to follow a new rate. */
export const RATE_SECONDS = 120;
/** Before so many seconds were seen there is no rate. */
const MIN_SECONDS = 10;

/** Tickets that were sold in a minute, measured over the last two minutes in which the sale was not paused; null if too little was seen. */
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
  /** In `seconds` all is sold, if it goes on as in the last two minutes. */
  | { kind: "sells_out"; seconds: number };

/** When everything is sold. What is held counts as unsold: some of it comes back. */
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
