/**
 * A buyer's place in a waiting room, without a page around it. The position, the countdown and the time left are computed here, from the
 * token and from the public document that is the same for everybody; the API is asked by this buyer alone only to join. This module alone
 * decides when the document is fetched: docs/web.md has the rates, and a test runs a thousand buyers with it.
 */

import { LATE, PositionError, readToken, trackPosition, type State, type Status } from "../waiting-room.js";
import type { ApiFailure } from "./api";

type Tracker = Awaited<ReturnType<typeof trackPosition>>;

/** What a browser gives, and what tests replace. Times are epoch seconds of the server. Refusals are rejected as ApiFailure. */
export interface Surroundings {
  /** The public document; null if the event has no waiting room. */
  fetchRoom: () => Promise<State | null>;
  /** Join, and return the token; null if the event has no waiting room. */
  join: () => Promise<string | null>;
  /** What this browser keeps for all its tabs: the token, and the fingerprint that was shown before the opening. */
  memory: { read: (name: Kept) => string | null; write: (name: Kept, value: string | null) => void };
  now: () => number;
  /** From 0 to 1. */
  random: () => number;
  isHidden: () => boolean;
  /** Do something later, once; returns how to prevent it. */
  later: (seconds: number, action: () => void) => () => void;
  /** What is shown may have changed. */
  changed: () => void;
}

export type Kept = "token" | "fingerprint";

export interface PlaceView {
  /** `none`: not in line; `open`: this event has no line; `working`: joining. */
  stage: "loading" | "none" | "working" | "waiting" | "open";
  status: Status | null;
  room: State | null;
  token: string | null;
  draw: DrawResult | null;
  /** Whether the last attempt to get the document failed; what is shown goes on from the one before. */
  isOffline: boolean;
  failure: ApiFailure | null;
  /** The line was cleared, so that the buyer has to join again. */
  wasCleared: boolean;
}

/** What this browser has found out about the draw. */
export interface DrawResult {
  /** Whether the revealed key fits the fingerprint. */
  isKept: boolean;
  /** Whether this browser saw that fingerprint before the opening. */
  wasNoted: boolean;
  /** This buyer's number among those who were drawn, from 1; null for arrivals after the opening. */
  arrival: number | null;
}

// How many seconds the document is good for on average, for a page that is looked at, and for one that is hidden.
const FAR = { seen: 30, hidden: 60 };
const NEAR = { seen: 8, hidden: 20 };
const DRAWING = { seen: 1.5, hidden: 1.5 }; // the opening takes the shop a moment
const MOVING = { seen: 4, hidden: 20 };
const OVER = { seen: 30, hidden: 60 };
const FAR_SECONDS = 90; // before the opening
const MAX_DOUBLINGS = 3; // of the pause, while the API does not answer
const TICK_SECONDS = 1;
const ASLEEP_SECONDS = 10; // so long without a tick, the device was asleep

export class Place {
  #world: Surroundings;
  #tracker: Tracker | null = null;
  #token: string | null;
  #room: State | null = null;
  #isOpen = false;
  #isJoining = false;
  #isOffline = false;
  #wasCleared = false;
  #failure: ApiFailure | null = null;
  #failures = 0;
  #isRunning = false;
  #fetching: Promise<void> | null = null;
  #cancelFetch = () => {};
  #cancelTick = () => {};
  #tickedAt = 0;

  constructor(world: Surroundings) {
    this.#world = world;
    this.#token = readableToken(world.memory.read("token"));
  }

  view(): PlaceView {
    const status = this.#tracker?.statusAt(this.#world.now()) ?? null;
    const known = { room: this.#room, token: this.#token, draw: this.#draw() };
    return { stage: this.#stage(status), status, ...known, isOffline: this.#isOffline, failure: this.#failure, wasCleared: this.#wasCleared };
  }

  /** Begin to keep what is shown fresh. */
  start(): void {
    this.#isRunning = true;
    this.#tick();
    void this.lookAgain();
  }

  stop(): void {
    this.#isRunning = false;
    this.#cancelFetch();
    this.#cancelTick();
  }

  /** Fetch the document now: at the start, when its time is over, and when the buyer, the network or the device comes back. */
  lookAgain(): Promise<void> {
    if (this.#isOpen) return Promise.resolve();
    this.#cancelFetch();
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = null;
      this.#cancelFetch();
      if (this.#isRunning && !this.#isOpen) this.#cancelFetch = this.#world.later(this.#pauseSeconds(), () => void this.lookAgain());
      this.#world.changed();
    });
    return this.#fetching;
  }

  /** Join, or join again at the end. Repeated while it works, it does nothing. */
  async enter(): Promise<void> {
    if (this.#isJoining) return;
    this.#isJoining = true;
    this.#failure = null;
    this.#world.changed();
    try {
      const token = await this.#world.join();
      this.#wasCleared = false;
      if (token === null) this.#isOpen = true;
      else this.#world.memory.write("token", token);
      this.#useToken(token);
    } catch (error) {
      this.#failure = asFailure(error);
    } finally {
      this.#isJoining = false;
      this.#world.changed();
    }
    await this.#fetching; // it may have begun without the token
    await this.lookAgain();
  }

  /** Another tab has joined, or given the place up. */
  async tokenChanged(): Promise<void> {
    this.#useToken(readableToken(this.#world.memory.read("token")));
    await this.#fetching;
    await this.lookAgain();
  }

  async #fetch(): Promise<void> {
    try {
      const newest = await this.#world.fetchRoom();
      this.#isOffline = false;
      this.#failures = 0;
      this.#failure = null;
      if (newest === null) this.#isOpen = true;
      else await this.#follow(newest);
    } catch (error) {
      if (error instanceof PositionError) {
        if (error.code !== "state_outdated") this.#forgetToken(error.code === "waiting_room_cleared");
      } else {
        this.#failure = asFailure(error);
        this.#isOffline = true;
        this.#failures += 1;
      }
    }
  }

  async #follow(newest: State): Promise<void> {
    this.#room = newest;
    if (newest.key === null) this.#world.memory.write("fingerprint", `${newest.room} ${newest.commitment}`);
    if (this.#token === null) return;
    if (readToken(this.#token).until <= this.#world.now()) return this.#forgetToken(false); // only now, because the answer has told the time
    if (this.#tracker === null) this.#tracker = await trackPosition(newest, this.#token, this.#notedFingerprint());
    else await this.#tracker.update(newest);
  }

  #useToken(token: string | null): void {
    this.#token = token;
    this.#tracker = null;
  }

  #forgetToken(wasCleared: boolean): void {
    this.#world.memory.write("token", null);
    this.#wasCleared = wasCleared;
    this.#useToken(null);
  }

  /** The fingerprint of this room that this browser saw before the opening. */
  #notedFingerprint(): string | null {
    const [room, fingerprint] = (this.#world.memory.read("fingerprint") ?? "").split(" ");
    return fingerprint && Number(room) === this.#room?.room ? fingerprint : null;
  }

  #draw(): DrawResult | null {
    const isKept = this.#tracker?.commitmentKept ?? null;
    if (isKept === null || !this.#tracker || !this.#room) return null;
    const { counter, number } = this.#tracker.arrival;
    const arrival = counter === LATE ? null : this.#room.offsets[counter]! + number;
    return { isKept, wasNoted: this.#notedFingerprint() !== null, arrival };
  }

  #stage(status: Status | null): PlaceView["stage"] {
    if (this.#isOpen) return "open";
    if (this.#isJoining) return "working";
    if (this.#token !== null) return status ? "waiting" : "loading";
    return this.#room || this.#failure ? "none" : "loading";
  }

  /** Once a second: count down, and notice that the device was asleep. */
  #tick(): void {
    const now = this.#world.now();
    const wasAsleep = this.#tickedAt > 0 && now - this.#tickedAt > ASLEEP_SECONDS;
    this.#tickedAt = now;
    this.#world.changed();
    this.#cancelTick = this.#world.later(TICK_SECONDS, () => this.#tick());
    if (wasAsleep) void this.lookAgain();
  }

  /** How long the document is good for. Random, so that a crowd does not ask in step; just after the opening, so that the draw is there. */
  #pauseSeconds(): number {
    const { now, random, isHidden } = this.#world;
    const untilOpening = (this.#room?.on_sale_at ?? 0) - now();
    const isDrawing = this.#room?.key === null && untilOpening <= 0;
    const pace = this.#room?.stopped ? OVER : isDrawing ? DRAWING : untilOpening > FAR_SECONDS ? FAR : untilOpening > 0 ? NEAR : MOVING;
    const pause = (isHidden() ? pace.hidden : pace.seen) * (0.5 + random()) * 2 ** Math.min(this.#failures, MAX_DOUBLINGS);
    return untilOpening > 0 ? Math.min(pause, untilOpening + 0.5 + 2 * random()) : pause;
  }
}

function readableToken(token: string | null): string | null {
  try {
    return token !== null && readToken(token) ? token : null;
  } catch {
    return null;
  }
}

/** Throws what is no refusal, because it is a mistake in these pages. */
function asFailure(error: unknown): ApiFailure {
  if (error instanceof Error && "status" in error) return error as ApiFailure;
  throw error;
}
