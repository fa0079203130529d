/**
 * Computes a buyer's status in the waiting room in the buyer's browser: the public state document and the buyer's token contain
 * everything that the status call returns. No dependencies; for browsers (on https or localhost, for WebCrypto) and Node 20.
 *
 *   const tracker = await trackPosition(await (await fetch(`.../waiting-room/state`)).json(), token);
 *   setInterval(() => render(tracker.statusAt(Date.now() / 1000)), 1000);   // countdown, position, ETA: no request
 *   await tracker.update(newerState);                                       // each time the document has been fetched again
 *
 * Computes the same results as chalicelib/waiting_room/{admission_plan,draw,model,views}.py; a test compares 10,000 cases.
 * All numbers are integers below 2^53, which JavaScript adds and multiplies exactly. Numbers above 2^31 are used in no 32-bit operation.
 */

/**
 * @typedef {{since: number, base: number, wave_size: number, interval: number, waited?: number, paused?: boolean}} Segment
 *   From the second `since`, `base` buyers are admitted, and `wave_size` more every `interval` seconds; no more while paused.
 * @typedef {{event_id: string, room: number, on_sale_at: number, commitment: string, closes_at?: number | null, root?: string | null, key: string | null, n: number | null,
 *   offsets: number[], late_counters?: number, segments: Segment[], total: number, pass_seconds: number, longer_pass_seconds?: number, grace_seconds?: number, groups_until?: number, better_odds?: boolean, stopped: string | null,
 *   may_return: number | null, entry?: "open" | "verified_address" | "account" | "access_code" | "payment_card", beacon?: Beacon, tickets?: Record<string, {available: number | null, taken: number}> | null}} State
 *   The public state document; times are epoch seconds.
 * @typedef {{chain: string, round: number | null, round_at: number | null, randomness: string | null}} Beacon
 *   The round of the public beacon from which the order also follows. Missing if the order follows from the key alone.
 * @typedef {{eventId: string, room: number, counter: number, number: number, joinedAt: number, until: number, user: string, group?: string, isLonger: boolean, weight: number}} Arrival
 *   The content of a token. `user` is the name in the list of entries, a digest. The members of a `group` share a number. `counter` is
 *   negative for arrivals after the draw has closed. `isLonger`: the holder has asked for a longer turn. `number` is the first of `weight`
 *   numbers.
 * @typedef {{state: "waiting" | "sale_open", on_sale_at: string, seconds_until_on_sale: number, paused: boolean,
 *   position: number | null, ahead: number | null, total: number, can_enter: boolean, eta_seconds: number | null,
 *   pass_seconds_left: number | null, turn_seconds_left: number | null, pass_expired: boolean, stopped: string | null, may_return: number | null}} Status
 *   The response of the status call.
 */

const MIN_ROUNDS = 10;
const TRACE_BITS = 32;
const SEED_DOMAIN = "fairgate draw, key and beacon, 1";

/** Why a token has no position in this document. `code` is the server's error code, or `state_outdated`: fetch the document again. */
export class PositionError extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/**
 * Track the position of a token's holder. Reads the token without checking its signature, which the server does, and computes the
 * position once the sale has opened.
 * @param {State} state
 * @param {string} token
 * @returns {Promise<PositionTracker>}
 * @throws {PositionError} token_unknown, waiting_room_cleared, state_outdated
 */
export async function trackPosition(state, token) {
  const tracker = new PositionTracker(readToken(token));
  await tracker.update(state);
  return tracker;
}

class PositionTracker {
  /** @type {State} */ #state;
  /** @type {number | null} */ #position = null;

  /** @param {Arrival} arrival */
  constructor(arrival) {
    this.arrival = arrival;
  }

  /** The position from 1, which never changes; null until the draw. */
  get position() {
    return this.#position;
  }

  /**
   * Use a newer document.
   * @param {State} state
   */
  async update(state) {
    assertFits(state, this.arrival);
    if (this.#position === null) this.#position = await positionOf(state, this.arrival);
    this.#state = state;
  }

  /**
   * The response of the status call at `now` (epoch seconds; a fraction is cut off, as on the server).
   * @param {number} now
   * @returns {Status}
   */
  statusAt(now) {
    return statusView(this.#state, this.arrival, this.#position, Math.floor(now));
  }
}

/**
 * Throws a PositionError if the token belongs to another event or room, or is newer than the document.
 * @param {State} state
 * @param {Arrival} arrival
 */
function assertFits(state, arrival) {
  if (arrival.eventId !== state.event_id) {
    throw new PositionError("token_unknown", "This token belongs to another waiting room. Join this one.");
  }
  if (arrival.room < state.room) throw new PositionError("waiting_room_cleared", "The waiting room was reset, so your earlier place no longer counts. Join again.");
  if (arrival.room > state.room || (arrival.counter < 0 && state.n === null)) {
    throw new PositionError("state_outdated", "The document is older than the token. Fetch it again.");
  }
}

/**
 * Read the arrival from a token.
 * @param {string} token
 * @returns {Arrival}
 * @throws {PositionError} token_unknown
 */
export function readToken(token) {
  try {
    const binary = atob(token.split(".")[0].replaceAll("-", "+").replaceAll("_", "/"));
    const json = new TextDecoder().decode(Uint8Array.from(binary, (char) => char.charCodeAt(0)));
    const { e: eventId, r: room, u: user, g: group, s: counter, c: number, t: joinedAt, x: until, l: isLonger = false, w: weight = 1 } = JSON.parse(json);
    if (typeof eventId !== "string" || ![room, counter, number, joinedAt, until, weight].every(Number.isSafeInteger)) throw new TypeError();
    return { eventId, room, counter, number, joinedAt, until, user, group, isLonger, weight };
  } catch {
    throw new PositionError("token_unknown", "This is not a token of a waiting room. Join again to get one.");
  }
}

/**
 * Whether the revealed key matches the document's commitment, and the commitment that was noted before the opening, if there is one.
 * Until the key is revealed, only the commitments are compared.
 * @param {State} state
 * @param {string | null} notedCommitment
 * @returns {Promise<boolean>}
 */
export async function isCommitmentKept({ key, commitment }, notedCommitment) {
  if (notedCommitment !== null && notedCommitment !== commitment) return false;
  return key === null || toHex(await sha256(fromHex(key))) === commitment;
}

/**
 * An arrival's position from 1, null until the draw. Arrivals after the opening follow the draw; their counters -1, -2, ... take turns. The
 * best number counts.
 * @param {State} state
 * @param {Pick<Arrival, "counter" | "number"> & {weight?: number}} arrival
 * @returns {Promise<number | null>}
 */
export async function positionOf(state, { counter, number, weight = 1 }) {
  if (state.n === null || state.key === null) return null;
  if (counter < 0) return state.n + (number - 1) * (state.late_counters ?? 1) - counter;
  const seed = await seedOf(state);
  const first = state.offsets[counter] + number - 1;
  return 1 + Math.min(...(await Promise.all(Array.from({ length: weight }, (_, more) => permute(seed, state.n, first + more)))));
}

/**
 * The key of the permutation: the revealed key, or a hash of it and the beacon's randomness.
 * @param {State} state
 */
async function seedOf({ key, beacon }) {
  const bytes = fromHex(key ?? "");
  if (!beacon?.randomness) return bytes;
  return sha256(Uint8Array.from([...new TextEncoder().encode(SEED_DOMAIN), ...bytes, ...fromHex(beacon.randomness)]));
}

/**
 * The draw: a keyed permutation of 0..n-1 (a Feistel network over two radices, with cycle walking; see draw.py).
 * @param {Uint8Array} key
 * @param {number} n at most 2^40
 * @param {number} number
 * @returns {Promise<number>}
 */
export async function permute(key, n, number) {
  const a = rootAbove(n);
  const b = quotientUp(n, a);
  const rounds = Math.max(MIN_ROUNDS, 2 * quotientUp(TRACE_BITS, Math.max(1, 31 - Math.clz32(b)))); // b is at most 2^20
  let value = number;
  do {
    let left = quotient(value, b);
    let right = value % b;
    for (let turn = 0; turn < rounds; turn += 2) {
      left = (left + (await round(key, turn, right))) % a;
      right = (right + (await round(key, turn + 1, left))) % b;
    }
    value = left * b + right;
  } while (value >= n);
  return value;
}

/**
 * The first 48 bits of SHA-256(key, turn, half).
 * @param {Uint8Array} key
 * @param {number} turn
 * @param {number} half
 */
async function round(key, turn, half) {
  const message = new Uint8Array(key.length + 9);
  message.set(key);
  message[key.length] = turn;
  new DataView(message.buffer).setBigUint64(key.length + 1, BigInt(half));
  const digest = new DataView((await sha256(message)).buffer);
  return digest.getUint16(0) * 2 ** 32 + digest.getUint32(2);
}

/**
 * Compute the status from only the document, the arrival, its position and the time.
 * @param {State} state
 * @param {Arrival} arrival
 * @param {number | null} position from positionOf
 * @param {number} now whole epoch seconds
 * @returns {Status}
 */
export function statusView(state, arrival, position, now) {
  const queueStatus = computeQueueStatus(state, arrival, position, now);
  return {
    state: now >= state.on_sale_at ? "sale_open" : "waiting",
    on_sale_at: new Date(state.on_sale_at * 1000).toISOString().replace(".000Z", "Z"),
    seconds_until_on_sale: Math.max(0, state.on_sale_at - now),
    paused: queueStatus.paused,
    position: queueStatus.position,
    ahead: queueStatus.ahead,
    total: Math.max(state.total, queueStatus.position ?? 0),
    can_enter: queueStatus.canEnter && state.stopped === null,
    eta_seconds: queueStatus.etaSeconds,
    pass_seconds_left: queueStatus.passSecondsLeft,
    turn_seconds_left: queueStatus.turnSecondsLeft,
    pass_expired: queueStatus.passExpired,
    stopped: state.stopped,
    may_return: state.may_return,
  };
}

/**
 * How long the pass of an arrival is valid: the turn and the grace period after it.
 * @param {Pick<State, "pass_seconds" | "longer_pass_seconds">} state
 * @param {Pick<Arrival, "isLonger">} arrival
 */
export function passSecondsOf({ pass_seconds: seconds, longer_pass_seconds: longer = 0 }, { isLonger }) {
  return isLonger ? Math.max(seconds, longer) : seconds;
}

/**
 * @param {State} state
 * @param {Arrival} arrival
 * @param {number | null} position
 * @param {number} now
 */
function computeQueueStatus(state, arrival, position, now) {
  const { segments, on_sale_at: opensAt, grace_seconds: grace = 0 } = state;
  const paused = (activeSegment(segments, Math.max(now, opensAt)) ?? segments[0]).paused ?? false;
  const waiting = { position, paused, ahead: null, passSecondsLeft: null, turnSecondsLeft: null, canEnter: false, passExpired: false };
  if (position === null || now < opensAt) {
    return { ...waiting, position: null, etaSeconds: paused ? null : Math.max(0, opensAt - now) };
  }
  const admittedAt = admissionTime(segments, position, arrival.joinedAt);
  if (admittedAt === null || admittedAt > now) {
    const ahead = Math.max(0, position - 1 - admittedCount(segments, now));
    return { ...waiting, ahead, etaSeconds: admittedAt === null ? null : admittedAt - now };
  }
  const left = passSecondsOf(state, arrival) - runningSeconds(segments, admittedAt, now);
  const timeLeft = { passSecondsLeft: Math.max(0, left), turnSecondsLeft: Math.max(0, left - grace) };
  return { ...waiting, ...timeLeft, ahead: 0, canEnter: left > 0 && !paused, passExpired: left <= 0, etaSeconds: 0 };
}

/**
 * How many buyers are admitted at `now`; 0 before the opening.
 * @param {Segment[]} segments
 * @param {number} now
 */
export function admittedCount(segments, now) {
  const segment = activeSegment(segments, now);
  if (!segment) return 0;
  const { since, base, wave_size: size, interval, waited = 0, paused } = segment;
  return paused ? base : base + size * quotient(Math.max(0, now - since + waited), interval);
}

/**
 * The second in which `position`, which joined at `joinedAt`, was or will be admitted; null if no planned wave reaches it.
 * @param {Segment[]} segments
 * @param {number} position
 * @param {number} joinedAt
 * @returns {number | null}
 */
export function admissionTime(segments, position, joinedAt) {
  for (const [number, segment] of segments.entries()) {
    const reached = timeReached(segment, position);
    if (reached === null) continue;
    const admittedAt = Math.max(reached, joinedAt);
    if (admittedAt < (segments[number + 1]?.since ?? Infinity)) return admittedAt;
  }
  return null;
}

/** @param {Segment} segment @param {number} position */
function timeReached({ since, base, wave_size: size, interval, waited = 0, paused }, position) {
  const missing = position - base;
  if (missing <= 0) return since;
  if (paused || size === 0) return null;
  return since + interval * quotientUp(missing, size) - waited;
}

/**
 * How many seconds between `start` and `now` the room was not paused.
 * @param {Segment[]} segments
 * @param {number} start
 * @param {number} now
 */
export function runningSeconds(segments, start, now) {
  return segments.reduce((total, { since, paused }, number) => {
    const end = Math.min(segments[number + 1]?.since ?? now, now);
    return paused ? total : total + Math.max(0, end - Math.max(since, start));
  }, 0);
}

/** @param {Segment[]} segments @param {number} now */
function activeSegment(segments, now) {
  return segments.findLast(({ since }) => since <= now);
}

/** The whole quotient, exact where a floating-point division would round. @param {number} dividend @param {number} divisor */
function quotient(dividend, divisor) {
  return (dividend - (dividend % divisor)) / divisor;
}

/** @param {number} dividend @param {number} divisor */
function quotientUp(dividend, divisor) {
  return quotient(dividend + divisor - 1, divisor);
}

/** The smallest a with a * a >= n. @param {number} n */
function rootAbove(n) {
  let root = Math.ceil(Math.sqrt(n));
  while (root * root < n) root += 1;
  while ((root - 1) * (root - 1) >= n) root -= 1;
  return root;
}

/** @param {Uint8Array} bytes */
export async function sha256(bytes) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** @param {string} hex */
export function fromHex(hex) {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** @param {Uint8Array} bytes */
export function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
