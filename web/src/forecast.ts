/**
 * The chance that the tickets of a tier are gone before a buyer's turn, and the range of times of the turn, as a waiting browser can estimate
 * them from the public documents that it has fetched.
 *
 * Each person ahead is taken to buy nothing, or any quantity up to the limit with the same probability. How many buy follows from what the
 * people let in since this page was opened have bought, so it has an error of its own, which counts too. By the central limit theorem, the
 * sum of all that the people ahead buy is close to a normal distribution.
 */

import { admittedCount, type State, type Status } from "../waiting-room.js";

const CHOOSING_SECONDS = 45; // between a buyer's admission and the reservation
const MIN_BUYERS = 20; // with fewer, nothing can be said
const MIN_OPEN_SECONDS = 120; // before that, the pace of the line is not known
const USUAL_LIMIT = 4; // few people buy more tickets than this, even if they may
const MIN_DISPERSION = 0.3; // the variance of what one person buys, divided by its mean

/** What the page first saw of a tier: how many people had chosen, and how many tickets were taken. */
interface Sight {
  decided: number;
  taken: number;
}

/** How many people have been let in long enough ago to have chosen their tickets. */
const decidedAt = (room: State, now: number) => admittedCount(room.segments, now - CHOOSING_SECONDS);

export class Forecast {
  #room = 0;
  #first: Record<string, Sight> = {};

  /** Take the figures of a document that was fetched at `now` (epoch seconds). */
  observe(room: State, now: number): void {
    if (room.room !== this.#room) [this.#room, this.#first] = [room.room, {}];
    const decided = decidedAt(room, now);
    for (const [tier, { taken }] of Object.entries(room.tickets ?? {})) {
      const first = (this.#first[tier] ??= { decided, taken });
      if (taken < first.taken) first.taken = taken; // tickets were returned
    }
  }

  /**
   * The chance, from 0 to 1, that a tier's tickets are gone when `position` is let in. `limit` is the number of tickets that one person may
   * buy. Null: too few people were let in since this page was opened, or the tickets never run out.
   */
  chanceGone(room: State, tier: string, position: number, limit: number, now: number): number | null {
    const [figures, first] = [room.tickets?.[tier], this.#first[tier]];
    if (!figures || !first || figures.available === null) return null;
    if (figures.available === 0) return 1;
    const decided = decidedAt(room, now);
    const observed = decided - first.decided;
    const ahead = Math.max(0, position - 1 - decided);
    if (ahead === 0) return 0;
    if (observed < MIN_BUYERS) return null;
    const mean = (figures.taken - first.taken + 0.5) / observed;
    const squares = (2 * Math.min(limit, USUAL_LIMIT) + 1) / 3; // the mean square of a purchase's quantity, divided by its mean
    const variance = mean * Math.max(MIN_DISPERSION, squares - mean);
    return normal((ahead * mean - figures.available + 0.5) / Math.sqrt(variance * ahead * (1 + ahead / observed)));
  }
}

/**
 * The earliest and the latest time of the turn, in seconds from `now`: the line may move as fast as it is planned to, or as fast as it has
 * moved since the opening, with all its pauses and smaller waves. Null while one of the two is unknown, or if they hardly differ.
 */
export function turnRange(room: State, { ahead, eta_seconds: planned, paused }: Status, now: number): [number, number] | null {
  const first = room.segments[0]!;
  const [seconds, admitted] = [now - first.since, admittedCount(room.segments, now) - first.wave_size];
  if (ahead === null || planned === null || paused || seconds < MIN_OPEN_SECONDS || admitted <= 0) return null;
  const atPace = ((ahead + 1) * seconds) / admitted;
  const [early, late] = [Math.min(planned, atPace), Math.max(planned, atPace)];
  return late - early < Math.max(60, early / 10) ? null : [early, late];
}

/** The normal distribution function, with an error below 1e-7 (M. Abramowitz and I. Stegun, Handbook of Mathematical Functions, 26.2.17). */
function normal(x: number): number {
  if (x < 0) return 1 - normal(-x);
  const t = 1 / (1 + 0.2316419 * x);
  const sum = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return 1 - (Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)) * sum;
}
