/**
 * A device at the door, without a page around it. While the API answers, it decides; when it does not, the list on the device does
 * (admission.ts), and what happened is sent later. Scans are dealt with one at a time.
 */

import { ApiFailure } from "../client";
import { now } from "../server-time";
import { currentBuyer } from "../session";
import {
  checkinsOf,
  decide,
  digest,
  findById,
  people,
  readScan,
  seconds,
  type Decision,
  type Listed,
  type ManifestGuest,
  type ManifestTicket,
  type Uncounted,
} from "./admission";
import type { DeviceStore, ScanRecord, Setup } from "./device-store";
import * as api from "./door-api";

const PAGE_SIZE = 500; // of the list
const SYNC_SIZE = 100;
const FRESH_SECONDS = 60; // after so long the list is asked for what has changed
const RETRY_SECONDS = 15;
const KEEP_SECONDS = 86_400; // after the doors close the list is deleted
const MAX_SCANS = 100; // that are done and kept

/** `signed_out`: the session is over, and the device goes on by its list. `forbidden`: who is signed in does not work here, so it has none. */
export type Connection = "online" | "offline" | "signed_out" | "forbidden";

/** What a scan came to. `remaining` people may still come in with the ticket. */
export interface Verdict {
  scan: ScanRecord;
  ticket: { id: string; name: string | null; tier: string | null; number: string | null; admits: number; admitted: number } | null;
  remaining: number;
  isOffline: boolean;
}

export interface DoorView {
  setup: Setup;
  connection: Connection;
  isRefreshing: boolean;
  tickets: Map<string, ManifestTicket>;
  uncounted: Uncounted[];
  scans: ScanRecord[];
  verdict: Verdict | null;
}

export class Door {
  #store: DeviceStore;
  #setup: Setup;
  #tickets = new Map<string, ManifestTicket>();
  #byDigest = new Map<string, Listed>();
  #scans: ScanRecord[];
  #connection: Connection = "online";
  #verdict: Verdict | null = null;
  #refreshing: Promise<void> | null = null;
  #triedAt = 0;
  #losses = 0;
  #last: Promise<unknown> = Promise.resolve();
  #listeners = new Set<() => void>();
  view: DoorView;

  constructor(store: DeviceStore, setup: Setup, tickets: ManifestTicket[], scans: ScanRecord[]) {
    this.#store = store;
    this.#setup = setup;
    this.#scans = scans;
    this.#list(tickets);
    this.view = this.#look();
  }

  /** The door that this device has kept, without a list that is too old to be kept; null if there is none. */
  static async load(store: DeviceStore): Promise<Door | null> {
    const { setup, tickets, scans } = await store.load();
    if (!setup) return null;
    const isOver = now() > seconds(setup.event.doors_close_at) + KEEP_SECONDS;
    if (isOver) await store.clear(!scans.some(isUnsent));
    if (isOver && !scans.some(isUnsent)) return null;
    return new Door(store, setup, isOver ? [] : tickets, scans);
  }

  /** Choose an event and a gate, and load the list of its tickets. `progress` hears how many tickets there are so far. Raises ApiFailure. */
  static async begin(store: DeviceStore, userId: string, eventId: string, gate: string, progress: (count: number) => void): Promise<Door> {
    const device = `door-${crypto.randomUUID().slice(0, 8)}`;
    const first = await api.getManifest(eventId, { limit: PAGE_SIZE });
    const door = new Door(store, { userId, device, gate, event: first.event, asOf: null, loadedAt: now() }, [], []);
    await store.saveSetup(door.#setup);
    await door.#walk(first, progress);
    return door;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Let people in with what was scanned or typed. */
  scan(text: string): Promise<Verdict> {
    return this.#inTurn(async () => {
      const scanned = readScan(text);
      const listed = this.#byDigest.get(await digest(scanned.code)) ?? null;
      return this.#admit(listed, scanned.text, scanned.ticketId, 1);
    });
  }

  /** Let people in with a ticket, or the guest of a seat, that was found by its id. */
  admit(id: string, count: number | "all"): Promise<Verdict> {
    return this.#inTurn(() => this.#admit(findById(this.#tickets, id), null, id, count));
  }

  /** Take back a check-in of this device. */
  undo(scanId: string): Promise<void> {
    return this.#inTurn(async () => {
      const scan = this.#scans.find(({ id }) => id === scanId);
      if (!scan || scan.outcome !== "admitted" || (scan.state !== "done" && scan.state !== "waiting")) return;
      if (scan.state === "waiting" && !scan.wasTried) await this.#keep({ ...scan, state: "undone", code: null });
      else {
        if (scan.state === "done") await this.#forgetCheckIn(scan);
        await this.#keep({ ...scan, state: "undo_waiting", code: null });
        if (this.#connection === "online") await this.#sendUndo(this.#scans.find(({ id }) => id === scanId)!).catch(this.#lost);
      }
      if (this.#verdict?.scan.id === scanId) this.#verdict = null;
      this.#announce();
    });
  }

  dismiss(): void {
    this.#verdict = null;
    this.#announce();
  }

  /** The person has read of a conflict. */
  async acknowledge(scanId: string): Promise<void> {
    await this.#keep({ ...this.#scans.find(({ id }) => id === scanId)!, isConflict: false });
    this.#announce();
  }

  setGate(gate: string): Promise<void> {
    return this.#inTurn(() => this.#change({ gate }));
  }

  /** Do what is due: send what waits, and ask for what has changed. */
  tick(isUrgent = false): Promise<void> {
    const pause = this.#connection === "online" ? FRESH_SECONDS : RETRY_SECONDS;
    if (!isUrgent && now() - this.#triedAt < pause) return Promise.resolve();
    return (this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = null;
      this.#announce();
    }));
  }

  loseNetwork(): void {
    this.#losses += 1;
    if (this.#connection === "online") this.#connection = "offline";
    this.#announce();
  }

  async #refresh(): Promise<void> {
    this.#triedAt = now();
    this.#announce();
    const losses = this.#losses;
    try {
      await this.#inTurn(() => this.#sync());
      const since = this.#setup.asOf ?? undefined;
      await this.#walk(await api.getManifest(this.#setup.event.id, { since, limit: PAGE_SIZE }), () => this.#announce());
      if (losses === this.#losses) this.#connection = "online"; // else the network went while the answers came
      const userId = currentBuyer()?.id;
      if (userId && userId !== this.#setup.userId) await this.#change({ userId });
    } catch (failure) {
      if (this.#lost(failure) === "forbidden") await this.#forgetList();
    }
  }

  /** Delete what is known of others, because who is signed in may not know it: not what is to be sent. */
  async #forgetList(): Promise<void> {
    const done = this.#scans.filter((scan) => !isUnsent(scan));
    await this.#store.clear(false);
    await this.#store.saveScans([], done.map(({ id }) => id));
    this.#scans = this.#scans.filter(isUnsent);
    this.#tickets = new Map();
    this.#byDigest.clear();
    this.#verdict = null;
    await this.#change({ asOf: null });
  }

  /** Take over all pages of the list. It counts as loaded when the last one is kept. */
  async #walk(page: Awaited<ReturnType<typeof api.getManifest>>, progress: (count: number) => void): Promise<void> {
    const startedAt = now();
    for (;;) {
      await this.#store.saveTickets(page.tickets);
      this.#list(page.tickets);
      progress(this.#tickets.size);
      if (!page.next_cursor) break;
      page = await api.getManifest(this.#setup.event.id, { cursor: page.next_cursor, limit: PAGE_SIZE });
    }
    await this.#change({ event: page.event, asOf: page.as_of, loadedAt: startedAt });
  }

  async #admit(listed: Listed | null, text: string | null, id: string | null, count: number | "all"): Promise<Verdict> {
    const { gate, device, event } = this.#setup;
    const scan: ScanRecord = {
      id: crypto.randomUUID(),
      number: (this.#scans.at(-1)?.number ?? 0) + 1,
      at: now(),
      code: text,
      ticketId: listed?.ticket.id ?? id,
      seat: listed?.guest?.seat ?? null,
      count: 0,
      gate,
      state: "done",
      wasTried: false,
      outcome: "admitted",
      who: listed ? nameOf(listed.ticket, listed.guest) : "",
      first: null,
      isConflict: false,
    };
    if (this.#connection === "online") {
      const sent = { id: scan.id, gate, device, eventId: event.id, count };
      try {
        return await this.#accept(scan, text === null ? await api.admitTicket(id!, sent) : await api.checkIn(text, sent));
      } catch (failure) {
        if (isRefusal(failure)) return this.#show({ ...scan, code: null, ...refusalOf(failure) }, listed, false);
        if (this.#lost(failure) === "forbidden") {
          await this.#forgetList();
          return this.#show({ ...scan, code: null, outcome: "forbidden", who: "" }, null, false);
        }
        scan.wasTried = true;
      }
    }
    const decision = decide(event, listed, this.#uncounted(), count, scan.at);
    return this.#show(decided(scan, decision), listed, true);
  }

  async #accept(scan: ScanRecord, { ticket, checkin }: api.CheckInReply): Promise<Verdict> {
    const known = await this.#update(ticket);
    const guest = known.guests.find(({ seat }) => seat === checkin.seat) ?? null;
    const who = nameOf(known, guest);
    return this.#show({ ...scan, code: null, ticketId: ticket.id, seat: checkin.seat, count: checkin.count, who }, { ticket: known, guest }, false);
  }

  async #show(scan: ScanRecord, listed: Listed | null, isOffline: boolean): Promise<Verdict> {
    await this.#keep(scan);
    const ticket = listed && (this.#tickets.get(listed.ticket.id) ?? listed.ticket);
    const admitted = ticket ? people(checkinsOf(ticket, this.#uncounted())) : 0;
    this.#verdict = {
      scan,
      ticket: ticket && {
        id: ticket.id,
        name: listed.guest ? listed.guest.name : ticket.attendee_name,
        tier: ticket.tier_name,
        number: listed.guest?.number ?? ticket.number,
        admits: ticket.admits,
        admitted,
      },
      remaining: ticket && !listed.guest ? ticket.admits - admitted : 0,
      isOffline,
    };
    this.#announce();
    return this.#verdict;
  }

  async #sync(): Promise<void> {
    const { device, event } = this.#setup;
    // Undos first: who came out again may have come in since, with the same ticket.
    for (const scan of this.#scans.filter(({ state }) => state === "undo_waiting")) await this.#sendUndo(scan);
    for (;;) {
      const waiting = this.#scans.filter(({ state }) => state === "waiting").slice(0, SYNC_SIZE);
      if (waiting.length === 0) break;
      const scans = waiting.map(({ id, at, code, ticketId, seat, count, gate }) => ({
        id,
        at: new Date(1000 * at).toISOString(),
        ...(code ? { code } : { ticket_id: seat === null ? ticketId! : `${ticketId}.${seat}` }),
        count,
        gate,
      }));
      for (const synced of (await api.sync(device, event.id, scans)).scans) {
        const scan = waiting.find(({ id }) => synced.id === `${device}/${id}`);
        if (!scan) continue;
        if (synced.error === "forbidden") throw new ApiFailure("forbidden", 403, synced.message ?? "", null); // another account may send it
        if (synced.ticket) await this.#update(synced.ticket);
        const isIn = synced.outcome === "admitted" || synced.outcome === "repeated";
        const first = synced.ticket?.checkins[0] ?? null;
        await this.#keep({ ...scan, code: null, state: "done", ...(isIn ? {} : { outcome: synced.error ?? "unexpected", first, isConflict: true }) });
      }
    }
  }

  async #sendUndo(scan: ScanRecord): Promise<void> {
    try {
      const { ticket } = await api.undoCheckIn(scan.ticketId!, `${this.#setup.device}/${scan.id}`);
      await this.#update(ticket);
    } catch (failure) {
      if (!isRefusal(failure)) throw failure; // a check-in that never arrived needs no undo
    }
    await this.#keep({ ...scan, state: "undone" });
  }

  /** Take over what a reply says of a ticket; a new one is listed by the next refresh, because a reply has no digest. */
  async #update(ticket: api.DoorTicket): Promise<ManifestTicket> {
    const { id, number, state, tier_id, tier_name, attendee_name, admits, admitted } = ticket;
    const checkins = ticket.checkins.map(({ at, count, gate, seat }) => ({ at, count, gate, seat }));
    const known = this.#tickets.get(id);
    const told = { id, number, state, tier_id, tier_name, attendee_name, admits, admitted, checkins };
    if (!known) {
      const guests = ticket.guests.map((guest) => ({ ...guest, id: `${id}.${guest.seat}`, code_sha256: "" }));
      return { ...told, void_reason: null, code_sha256: "", guests };
    }
    const guests = known.guests.map((guest) => ({ ...guest, ...ticket.guests.find(({ seat }) => seat === guest.seat) }));
    const changed = { ...known, ...told, guests };
    await this.#store.saveTickets([changed]);
    this.#list([changed]);
    return changed;
  }

  /** Take a check-in that is to be undone out of the list, until the server's next answer about the ticket. */
  async #forgetCheckIn({ ticketId, gate, count, seat }: ScanRecord): Promise<void> {
    const ticket = ticketId === null ? undefined : this.#tickets.get(ticketId);
    const index = ticket?.checkins.findLastIndex((checkin) => checkin.gate === gate && checkin.count === count && checkin.seat === seat) ?? -1;
    if (!ticket || index < 0) return;
    const changed = { ...ticket, checkins: ticket.checkins.filter((_, place) => place !== index) };
    await this.#store.saveTickets([changed]);
    this.#list([changed]);
  }

  #list(tickets: ManifestTicket[]): void {
    for (const ticket of tickets) {
      const before = this.#tickets.get(ticket.id); // its code may have changed
      for (const { code_sha256 } of before ? [before, ...before.guests] : []) this.#byDigest.delete(code_sha256);
      this.#tickets.set(ticket.id, ticket);
      this.#byDigest.set(ticket.code_sha256, { ticket, guest: null });
      for (const guest of ticket.guests) this.#byDigest.set(guest.code_sha256, { ticket, guest });
    }
  }

  async #keep(scan: ScanRecord): Promise<void> {
    const others = this.#scans.filter(({ id }) => id !== scan.id);
    const scans = [...others, scan].sort((a, b) => a.number - b.number);
    const done = scans.filter((one) => !isUnsent(one) && !one.isConflict);
    const forgotten = new Set(done.slice(0, -MAX_SCANS).map(({ id }) => id));
    await this.#store.saveScans([scan], [...forgotten]);
    this.#scans = scans.filter(({ id }) => !forgotten.has(id));
  }

  async #change(changes: Partial<Setup>): Promise<void> {
    this.#setup = { ...this.#setup, ...changes };
    await this.#store.saveSetup(this.#setup);
    this.#announce();
  }

  #uncounted(): Uncounted[] {
    const waiting = this.#scans.filter(({ state, outcome, ticketId }) => state === "waiting" && outcome === "admitted" && ticketId !== null);
    return waiting.map(({ ticketId, seat, count, at, gate }) => ({ ticketId: ticketId!, seat, count, at, gate }));
  }

  /** What a call without a decision says of the connection. */
  #lost = (failure: unknown): Connection => {
    if (!(failure instanceof ApiFailure)) throw failure;
    this.#connection = failure.status === 401 ? "signed_out" : failure.status === 403 ? "forbidden" : "offline";
    this.#triedAt = now();
    return this.#connection;
  };

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }

  #look(): DoorView {
    return {
      setup: this.#setup,
      connection: this.#connection,
      isRefreshing: this.#refreshing !== null,
      tickets: this.#tickets,
      uncounted: this.#uncounted(),
      scans: this.#scans,
      verdict: this.#verdict,
    };
  }

  #announce(): void {
    this.view = this.#look();
    for (const listener of this.#listeners) listener();
  }
}

export function isUnsent({ state }: ScanRecord): boolean {
  return state === "waiting" || state === "undo_waiting";
}

/** When this device deletes the list of the tickets, in epoch seconds. */
export function deletesAt({ event }: Setup): number {
  return seconds(event.doors_close_at) + KEEP_SECONDS;
}

function decided(scan: ScanRecord, { code, count, first }: Decision): ScanRecord {
  if (code === "admitted") return { ...scan, count, state: "waiting" };
  const refused = { ...scan, code: null, outcome: code, first: first && { at: first.at, gate: first.gate, device: null } };
  // It may have arrived: nobody came in, so it is taken back.
  return scan.wasTried && scan.ticketId !== null ? { ...refused, state: "undo_waiting" } : refused;
}

function refusalOf({ code, details }: ApiFailure): Pick<ScanRecord, "outcome" | "first"> {
  return { outcome: code, first: (details.first as ScanRecord["first"]) ?? null };
}

/** Whether the API has decided. Without a session, a right, or room for one more request, it has not. */
function isRefusal(failure: unknown): failure is ApiFailure {
  return failure instanceof ApiFailure && failure.status >= 400 && failure.status < 500 && ![401, 403, 429].includes(failure.status);
}

function nameOf(ticket: ManifestTicket, guest: ManifestGuest | null): string {
  return (guest ? guest.name : ticket.attendee_name) ?? (guest?.number ?? ticket.number ?? ticket.tier_name ?? "");
}
