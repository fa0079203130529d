/**
 * A buyer's place in a waiting room, independent of any page. The position, the countdown and the time left are calculated here, from the
 * token and the public document, which is the same for everyone. Joining is the only API call made for this buyer alone. Only this module
 * decides when to fetch the document: docs/web.md has the rates, and a test runs a thousand buyers with it.
 */

import { isCommitmentKept, PositionError, readToken, trackPosition, type State, type Status } from "../waiting-room.js";
import type { EntryProof } from "./api";
import type { ApiFailure } from "./client";

type Tracker = Awaited<ReturnType<typeof trackPosition>>;

/** The browser's part, which tests replace. Times are epoch seconds of the server. Promises reject with ApiFailure. */
export interface Surroundings {
  /** The public document; null if the event has no waiting room. */
  fetchRoom: () => Promise<State | null>;
  /** Join, and return the token; null if the event has no waiting room. */
  join: () => Promise<string | null>;
  /** Fetch the proof that the published list of entries has the token's number, and check it. Null: the list does not have it. */
  proveEntry: (room: State, token: string) => Promise<EntryProof | null>;
  /** Storage shared by all tabs: the token, the proof of its entry, and what was published before the sale opened: the fingerprint, the root, and what decides the order. */
  memory: { read: (name: Kept) => string | null; write: (name: Kept, value: string | null) => void };
  now: () => number;
  /** From 0 to 1. */
  random: () => number;
  isHidden: () => boolean;
  /** Run an action once, later. Returns a function that cancels it. */
  later: (seconds: number, action: () => void) => () => void;
  /** Called when the view may have changed. */
  changed: () => void;
}

export type Kept = "token" | "fingerprint" | "root" | "randomness" | "entry" | "longer";

export interface PlaceView {
  /** `none`: not in line; `open`: the event has no line; `working`: joining. */
  stage: "loading" | "none" | "working" | "waiting" | "open";
  status: Status | null;
  room: State | null;
  token: string | null;
  /** To send with a reservation, so that the shop need not read the list of entries. */
  entryProof: EntryProof | null;
  /** Null until the document has been fetched. */
  draw: DrawResult | null;
  /** Whether the last fetch of the document failed. The view then continues from the previous document. */
  isOffline: boolean;
  failure: ApiFailure | null;
  /** The waiting room was reset, so the buyer has to join again. */
  wasCleared: boolean;
  /** Whether the buyer has asked for a longer turn. */
  isLonger: boolean;
  /** Whether a group shares the place. */
  isMember: boolean;
  /** How many numbers the place has in the draw. */
  weight: number;
}

/** The result of this browser's check of the draw, with or without a place in it. */
export interface DrawResult {
  /** Whether the fingerprint, the root and the round are still the noted ones and, once the key is published, whether the key matches its fingerprint. */
  isKept: boolean;
  /** The first fingerprint of this waiting room that this browser saw before the key was published; null if it saw none. */
  noted: string | null;
  /** The first fingerprint of the list of numbers that this browser saw before the key was published; null if it saw none. */
  notedRoot: string | null;
  /** What decides the order besides the key, as `randomnessOf` says, when this browser first saw the list before the key was published; null if it did not see it. */
  notedRandomness: string | null;
  /** This buyer's (first) number in the draw, from 1; null before the draw, without a place, and for arrivals after the sale opened. */
  arrival: number | null;
  /** Whether this buyer joined after the draw had closed. */
  isLate: boolean;
  /** Whether the list of entries, which was published before the key, has this buyer's number; null if that is not known. */
  isListed: boolean | null;
  /** Whether the key does not match the fingerprint, or the list does not have the buyer's number, which buyers should know before they buy. */
  isBroken: boolean;
}

// How many seconds the document stays fresh on average, for visible and hidden pages.
const FAR = { seen: 30, hidden: 60 };
const NEAR = { seen: 8, hidden: 20 };
const DRAWING = { seen: 1.5, hidden: 1.5 }; // opening the sale takes the shop a moment
const DRAWING_SECONDS = 30; // after them, the shop is waiting for the public random number
const MOVING = { seen: 1.8, hidden: 20 }; // so that no page shows tickets that were gone five seconds ago
const OVER = { seen: 30, hidden: 60 };
const FAR_SECONDS = 90; // before the opening
const PROOFS_PER_SECOND = 1000; // of a whole crowd: unlike the document, no cache has a buyer's proof
const MAX_DOUBLINGS = 3; // of the pause, while the API does not respond
const TICK_SECONDS = 1;
const ASLEEP_SECONDS = 10; // without a tick for this long, the device was asleep

export class Place {
  #world: Surroundings;
  #tracker: Tracker | null = null;
  #token: string | null;
  #room: State | null = null;
  #isKept = true;
  #entryProof: EntryProof | null | undefined; // undefined: not known
  #provesAt: number | null = null;
  #isOpen = false;
  #isJoining = false;
  #isOffline = false;
  #wasCleared = false;
  #failure: ApiFailure | null = null; // of the last fetch
  #refusal: ApiFailure | null = null; // of the last join
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
    const known = { room: this.#room, token: this.#token, draw: this.#draw(), entryProof: this.#entryProof ?? null };
    const { isLonger, group, weight } = this.#tracker?.arrival ?? { isLonger: this.#world.memory.read("longer") !== null, weight: 1 };
    return { stage: this.#stage(status), status, ...known, isLonger, isMember: !!group, weight, isOffline: this.#isOffline, failure: this.#refusal ?? this.#failure, wasCleared: this.#wasCleared };
  }

  /** Start refreshing the view. */
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

  /** Fetch the document now: at the start, when it is stale, and when the buyer, the network or the device comes back. */
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

  /** Join, or join again at the end. Does nothing while a join is in progress. */
  async enter(): Promise<void> {
    if (this.#isJoining) return;
    this.#isJoining = true;
    this.#refusal = null;
    this.#world.changed();
    try {
      const token = await this.#world.join();
      this.#wasCleared = false;
      if (token === null) this.#isOpen = true;
      else this.#world.memory.write("token", token);
      this.#useToken(token);
    } catch (error) {
      this.#refusal = asFailure(error);
    } finally {
      this.#isJoining = false;
      this.#world.changed();
    }
    await this.#fetching; // the fetch may have started without the token
    await this.lookAgain();
  }

  /** Store a token that replaces the current one; null removes it. */
  keep(token: string | null): Promise<void> {
    this.#world.memory.write("token", token);
    return this.tokenChanged();
  }

  /** Another tab has joined or given up the place. */
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
    if (newest.key === null && this.#noted("fingerprint", newest) === null) this.#world.memory.write("fingerprint", `${newest.room} ${newest.commitment}`);
    if (newest.key === null && newest.root && this.#noted("root", newest) === null) {
      this.#world.memory.write("root", `${newest.room} ${newest.root}`);
      this.#world.memory.write("randomness", `${newest.room} ${randomnessOf(newest)}`);
    }
    const [root, randomness] = [this.#noted("root", newest), this.#noted("randomness", newest)];
    const isListKept = (root === null || root === newest.root) && (randomness === null || randomness === randomnessOf(newest));
    this.#isKept = isListKept && (await isCommitmentKept(newest, this.#noted("fingerprint", newest)));
    this.#room = newest;
    if (this.#token === null) return;
    if (readToken(this.#token).until <= this.#world.now()) return this.#forgetToken(false); // checked only now, because the reply has set the clock
    if (this.#tracker === null) this.#tracker = await trackPosition(newest, this.#token);
    else await this.#tracker.update(newest);
    if (newest.root && this.#entryProof === undefined && this.#tracker.arrival.counter >= 0 && this.#mayProve(newest)) {
      this.#entryProof = await this.#world.proveEntry(newest, this.#token).catch(() => undefined); // a later fetch tries again
      if (this.#entryProof === undefined) this.#provesAt = null;
      if (this.#entryProof) this.#world.memory.write("entry", JSON.stringify({ room: newest.room, root: newest.root, ...this.#entryProof }));
    }
  }

  /** Whether it is this browser's turn to fetch its proof. The larger the draw, the longer the time over which its browsers spread. */
  #mayProve({ n }: State): boolean {
    this.#provesAt ??= this.#world.now() + Math.floor((this.#world.random() * (n ?? 0)) / PROOFS_PER_SECOND);
    return this.#world.now() >= this.#provesAt;
  }

  #useToken(token: string | null): void {
    this.#token = token;
    this.#refusal = null;
    this.#tracker = null;
    this.#entryProof = undefined;
    this.#provesAt = null;
  }

  #forgetToken(wasCleared: boolean): void {
    this.#world.memory.write("token", null);
    this.#wasCleared = wasCleared;
    this.#useToken(null);
  }

  /** What this browser first saved of this waiting room, before the key was published. */
  #noted(name: "fingerprint" | "root" | "randomness", { room }: State): string | null {
    const [noted, hash] = (this.#world.memory.read(name) ?? "").split(" ");
    return hash && Number(noted) === room ? hash : null;
  }

  #draw(): DrawResult | null {
    const room = this.#room;
    if (room === null) return null;
    const { counter, number } = this.#tracker?.arrival ?? { counter: null, number: 0 };
    const isDrawn = room.key !== null && counter !== null && counter >= 0;
    const arrival = isDrawn ? room.offsets[counter]! + number : null;
    const isListed = this.#entryProof === undefined ? null : this.#entryProof !== null;
    const [noted, notedRoot, notedRandomness] = [this.#noted("fingerprint", room), this.#noted("root", room), this.#noted("randomness", room)];
    return { isKept: this.#isKept, noted, notedRoot, notedRandomness, arrival, isLate: counter !== null && counter < 0, isListed, isBroken: !this.#isKept || isListed === false };
  }

  #stage(status: Status | null): PlaceView["stage"] {
    if (this.#isOpen) return "open";
    if (this.#isJoining) return "working";
    if (this.#token !== null) return status ? "waiting" : "loading";
    return this.#room || this.#failure || this.#refusal ? "none" : "loading";
  }

  /** Every second: count down, and notice that the device was asleep. */
  #tick(): void {
    const now = this.#world.now();
    const wasAsleep = this.#tickedAt > 0 && now - this.#tickedAt > ASLEEP_SECONDS;
    this.#tickedAt = now;
    this.#world.changed();
    this.#cancelTick = this.#world.later(TICK_SECONDS, () => this.#tick());
    if (wasAsleep) void this.lookAgain();
  }

  /** How long to wait before the next fetch. Random, so that a crowd does not fetch in step, and never past the opening by more than seconds. */
  #pauseSeconds(): number {
    const { now, random, isHidden } = this.#world;
    const untilOpening = (this.#room?.on_sale_at ?? 0) - now();
    const isDrawing = this.#room?.key === null && untilOpening <= 0 && untilOpening > -DRAWING_SECONDS;
    const pace = this.#room?.stopped ? OVER : isDrawing ? DRAWING : untilOpening > FAR_SECONDS ? FAR : untilOpening > 0 ? NEAR : MOVING;
    const pause = (isHidden() ? pace.hidden : pace.seen) * (0.9 + 0.2 * random()) * 2 ** Math.min(this.#failures, MAX_DOUBLINGS);
    return untilOpening > 0 ? Math.min(pause, untilOpening + 0.5 + 2 * random()) : pause;
  }
}

/** What decides the order of a room whose list is published: the key alone, or also a round of a chain. */
export const randomnessOf = ({ beacon }: State) => (beacon ? `${beacon.chain}/${beacon.round}` : "key");

function readableToken(token: string | null): string | null {
  try {
    return token !== null && readToken(token) ? token : null;
  } catch {
    return null;
  }
}

/** Return an ApiFailure, and throw anything else, because that is a bug in these pages. */
function asFailure(error: unknown): ApiFailure {
  if (error instanceof Error && "status" in error) return error as ApiFailure;
  throw error;
}
