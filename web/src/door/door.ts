/**
 * A device at the door, independent of any page. The API decides while it responds. Otherwise the list on the device decides
 * (admission.ts), and the scans are sent later. Scans are processed one at a time.
 */

import { ApiFailure } from "../client";
import { now } from "../server-time";
import { currentBuyer } from "../session";
import { checkinsOn, decide, decideExit, people, present, readScan, seconds, timesAt, type Direction, type DoorTimes, type Listed, type ManifestTicket, type Uncounted } from "./admission";
import type { DeviceStore, ScanRecord, Setup } from "./device-store";
import * as api from "./door-api";
import { decided, holderName, isRecorded, isUndone, isUnsent, ScanLog } from "./scan-log";
import { TicketList } from "./ticket-list";

const PAGE_SIZE = 500; // tickets per page of the list
const SYNC_SIZE = 100;
const FRESH_SECONDS = 60; // refresh the list when it is older than this
const RETRY_SECONDS = 15;
const KEEP_SECONDS = 86_400; // the list is deleted this long after the doors close

/** `signed_out`: the session has ended, and the device continues with its list. `forbidden`: the account is not assigned here and gets no list. */
export type Connection = "online" | "offline" | "signed_out" | "forbidden";

export type WithoutShop = "offline" | "signed_out";

/**
 * The outcome of a scan. `ticket` has the name and number of the guest whose code was scanned. It still admits `remaining` people; if the
 * scan let people out, that many more may go out.
 */
export interface Verdict {
  scan: ScanRecord;
  ticket: (ManifestTicket & { name: string | null }) | null;
  remaining: number;
  /** Why this device decided from its list; null if the shop decided, or if nobody was checked in. */
  withoutShop: WithoutShop | null;
  /** Nobody was checked in: this is the result that the scan would have if the doors were open. */
  isPractice: boolean;
  direction: Direction;
  /** When the doors open for the ticket. */
  opensAt: string;
}

export interface DoorView {
  setup: Setup;
  connection: Connection;
  isRefreshing: boolean;
  tickets: Map<string, ManifestTicket>;
  uncounted: Uncounted[];
  scans: ScanRecord[];
  verdict: Verdict | null;
  isPractice: boolean;
  direction: Direction;
}

export class Door {
  #store: DeviceStore;
  #setup: Setup;
  #list: TicketList;
  #log: ScanLog;
  #connection: Connection = "online";
  #verdict: Verdict | null = null;
  #refreshing: Promise<void> | null = null;
  #isPractice = false;
  #direction: Direction = "in"; // not stored, so that nobody scans people out after a reload without knowing
  #practised: Uncounted[] = [];
  #triedAt = 0;
  #losses = 0;
  #last: Promise<unknown> = Promise.resolve();
  #listeners = new Set<() => void>();
  view: DoorView;

  constructor(store: DeviceStore, setup: Setup, tickets: ManifestTicket[], scans: ScanRecord[]) {
    this.#store = store;
    this.#setup = setup;
    this.#list = new TicketList(store, tickets);
    this.#log = new ScanLog(store, scans);
    this.view = this.#look();
  }

  /** Restore the door stored on this device, without its list if that has expired; null if none is stored. */
  static async load(store: DeviceStore): Promise<Door | null> {
    const { setup, tickets, scans } = await store.load();
    if (!setup) return null;
    const isOver = now() > seconds(setup.event.doors_close_at) + KEEP_SECONDS;
    if (isOver) await store.clear(!scans.some(isUnsent));
    if (isOver && !scans.some(isUnsent)) return null;
    return new Door(store, setup, isOver ? [] : tickets, scans);
  }

  /** Choose an event and a gate, and download the ticket list. `progress` receives the number of tickets so far. Throws ApiFailure. */
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

  /** Admit people with a scanned or typed code, or let them out. */
  scan(text: string): Promise<Verdict> {
    return this.#inTurn(async () => {
      const scanned = readScan(text);
      return this.#admit(await this.#list.findByCode(text), scanned.text, scanned.ticketId, 1);
    });
  }

  /** Admit people with a ticket, or the guest of a seat, by id, or let them out. */
  admit(id: string, count: number | "all"): Promise<Verdict> {
    return this.#inTurn(() => this.#admit(this.#list.findById(id), null, id, count));
  }

  /** Let one person in against the refusal of the last scan. The shop records the reason. */
  override({ ticketId, seat }: ScanRecord, reason: string): Promise<Verdict> {
    const id = seat === null ? ticketId! : `${ticketId}.${seat}`;
    return this.#inTurn(() => this.#admit(this.#list.findById(id), null, id, 1, reason));
  }

  /** Start or end the practice, in which scans show the result that they would have if the doors were open. It also ends when the doors open. */
  practise(isPractice: boolean): Promise<void> {
    return this.#inTurn(async () => {
      this.#isPractice = isPractice;
      this.#practised = [];
      this.#direction = "in";
      this.dismiss();
    });
  }

  /** Let people in or out with the next scans. */
  turn(direction: Direction): Promise<void> {
    return this.#inTurn(async () => {
      this.#direction = direction;
      this.dismiss();
    });
  }

  /** Undo a check-in or exit of this device. */
  undo(scanId: string): Promise<void> {
    return this.#inTurn(async () => {
      const scan = this.#log.find(scanId);
      if (!scan || !isRecorded(scan) || (scan.state !== "done" && scan.state !== "waiting")) return;
      if (scan.state === "waiting" && !scan.wasTried) await this.#log.keep({ ...scan, state: "undone", code: null });
      else {
        if (scan.state === "done") await this.#list.forgetCheckIn(scan);
        await this.#log.keep({ ...scan, state: "undo_waiting", code: null });
        if (this.#connection === "online") await this.#sendUndo(this.#log.find(scanId)!).catch(this.#lost);
      }
      const after = this.#log.find(scanId)!;
      if (isUndone(after)) this.#announceVerdict(after, null, null);
      else this.dismiss();
    });
  }

  dismiss(): void {
    this.#verdict = null;
    this.#announce();
  }

  /** Mark a conflict as noted by the staff. */
  async acknowledge(scanId: string): Promise<void> {
    await this.#log.keep({ ...this.#log.find(scanId)!, isConflict: false });
    this.#announce();
  }

  setGate(gate: string): Promise<void> {
    return this.#inTurn(() => this.#change({ gate }));
  }

  /** Do the work that is due: send pending scans and fetch changes. */
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
      if (losses === this.#losses) this.#connection = "online"; // otherwise the network was lost while replies came in
      const userId = currentBuyer()?.id;
      if (userId && userId !== this.#setup.userId) await this.#change({ userId });
    } catch (failure) {
      if (this.#lost(failure) === "forbidden") await this.#forgetList();
    }
  }

  /** Delete the list, because the signed-in account may not see it. Unsent scans are kept. */
  async #forgetList(): Promise<void> {
    await this.#list.clear();
    await this.#log.forgetSent();
    this.#verdict = null;
    await this.#change({ asOf: null });
  }

  /** Load and store all pages of the list. It counts as loaded once the last page is stored. */
  async #walk(page: Awaited<ReturnType<typeof api.getManifest>>, progress: (count: number) => void): Promise<void> {
    const startedAt = now();
    for (;;) {
      await this.#list.take(page.tickets);
      progress(this.#list.tickets.size);
      if (!page.next_cursor) break;
      page = await api.getManifest(this.#setup.event.id, { cursor: page.next_cursor, limit: PAGE_SIZE });
    }
    await this.#change({ event: page.event, asOf: page.as_of, loadedAt: startedAt });
  }

  async #admit(listed: Listed | null, text: string | null, id: string | null, count: number | "all", reason?: string): Promise<Verdict> {
    const { gate, device, event } = this.#setup;
    const direction = this.#scansOut() ? "out" : "in";
    const scan = this.#log.begin(this.#setup, listed, text, id, direction, reason);
    if (this.#practises()) return this.#practiseScan(scan, listed, count);
    if (this.#connection === "online") {
      const sent = { id: scan.id, gate, device, eventId: event.id, count, override_reason: reason, direction } as const;
      try {
        return await this.#accept(scan, text === null ? await api.admitTicket(id!, sent) : await api.checkIn(text, sent));
      } catch (failure) {
        if (isRefusal(failure)) return this.#show({ ...scan, code: null, ...refusalFields(failure) }, listed, null);
        if (this.#lost(failure) === "forbidden") {
          await this.#forgetList();
          return this.#show({ ...scan, code: null, outcome: "forbidden", who: "" }, null, null);
        }
        scan.wasTried = true;
      }
    }
    scan.isFixedPart = !!text?.startsWith("FG2:");
    const uncounted = this.#log.uncounted();
    const decision = direction === "out" ? decideExit(event, listed, uncounted, count) : decide(event, listed, uncounted, count, scan.at, reason !== undefined);
    return this.#show(decided(scan, decision), listed, this.#connection === "signed_out" ? "signed_out" : "offline");
  }

  async #accept(scan: ScanRecord, { ticket, checkin }: api.CheckInReply): Promise<Verdict> {
    const known = await this.#list.update(ticket);
    const guest = known.guests.find(({ seat }) => seat === checkin.seat) ?? null;
    const who = holderName(known, guest);
    const count = Math.abs(checkin.count);
    return this.#show({ ...scan, code: null, ticketId: ticket.id, seat: checkin.seat, count, who, date: checkin.date }, { ticket: known, guest }, null);
  }

  #practises(): boolean {
    return this.#isPractice && now() < seconds(this.#times().doors_open_at);
  }

  /** The times of the date whose doors are open now, or open next. */
  #times(): DoorTimes {
    return timesAt(this.#setup.event, null, now());
  }

  #scansOut(): boolean {
    return this.#direction === "out" && this.#setup.event.allows_reentry;
  }

  /** Decide by the list as if the doors were open. Nothing is sent or stored. */
  #practiseScan(scan: ScanRecord, listed: Listed | null, count: number | "all"): Verdict {
    const { event } = this.#setup;
    const decision = decide(event, listed, this.#uncounted(), count, seconds(timesAt(event, listed?.ticket ?? null, now()).doors_open_at));
    const outcome = { ...decided(scan, decision), code: null, state: "done" as const };
    if (decision.code === "admitted") this.#practised.push({ ...outcome, ticketId: listed!.ticket.id });
    return this.#announceVerdict(outcome, listed, null);
  }

  /** People that the server does not know about, including the people of a practice. */
  #uncounted(): Uncounted[] {
    return [...this.#log.uncounted(), ...this.#practised];
  }

  async #show(scan: ScanRecord, listed: Listed | null, withoutShop: WithoutShop | null): Promise<Verdict> {
    await this.#log.keep(scan);
    return this.#announceVerdict(scan, listed, withoutShop);
  }

  #announceVerdict(scan: ScanRecord, listed: Listed | null, withoutShop: WithoutShop | null): Verdict {
    const ticket = listed && (this.#list.tickets.get(listed.ticket.id) ?? listed.ticket);
    const times = timesAt(this.#setup.event, ticket, scan.at);
    const checkins = ticket ? checkinsOn(scan.date ?? times.id, ticket, this.#uncounted()) : [];
    const admitted = people(checkins);
    const direction = scan.direction ?? "in";
    const left = direction === "out" ? people(checkins.filter(({ seat }) => seat === null)) : ticket ? ticket.admits - admitted : 0;
    this.#verdict = {
      scan,
      direction,
      ticket: ticket && {
        ...ticket,
        name: listed.guest ? listed.guest.name : ticket.attendee_name,
        number: listed.guest?.number ?? ticket.number,
        admitted,
      },
      remaining: ticket && !listed.guest ? left : 0,
      withoutShop,
      isPractice: this.#practises(),
      opensAt: times.doors_open_at,
    };
    this.#announce();
    return this.#verdict;
  }

  async #sync(): Promise<void> {
    const { device, event } = this.#setup;
    // Undos first: the ticket of an undone check-in may have been used again since.
    for (const scan of this.#log.inState("undo_waiting")) await this.#sendUndo(scan);
    for (;;) {
      const waiting = this.#log.inState("waiting").slice(0, SYNC_SIZE);
      if (waiting.length === 0) break;
      const scans = waiting.map(({ id, at, code, ticketId, seat, count, gate, overrideReason, direction }) => ({
        id,
        at: new Date(1000 * at).toISOString(),
        ...(code ? { code } : { ticket_id: seat === null ? ticketId! : `${ticketId}.${seat}` }),
        count,
        gate,
        ...(overrideReason ? { override_reason: overrideReason } : {}),
        ...(direction === "out" ? { direction } : {}),
      }));
      for (const synced of (await api.sync(device, event.id, scans)).scans) {
        const scan = waiting.find(({ id }) => synced.id === `${device}/${id}`);
        if (!scan) continue;
        if (synced.error === "forbidden") throw new ApiFailure("forbidden", 403, synced.message ?? "", null); // another account may be allowed to send it
        if (synced.ticket) await this.#list.update(synced.ticket);
        const isCounted = ["admitted", "exited", "repeated"].includes(synced.outcome);
        const first = synced.ticket ? (present(synced.ticket.checkins)[0] ?? null) : null;
        const refusal = { outcome: synced.error ?? "unexpected", first, isConflict: scan.direction !== "out" && synced.error !== "scan_undone" }; // nobody is inside who should not be
        await this.#log.keep({ ...scan, code: null, state: "done", ...(isCounted ? {} : refusal) });
      }
    }
  }

  async #sendUndo(scan: ScanRecord): Promise<void> {
    try {
      const { ticket } = await api.undoCheckIn(scan.ticketId!, `${this.#setup.device}/${scan.id}`);
      await this.#list.update(ticket);
    } catch (failure) {
      if (!isRefusal(failure)) throw failure;
      // A check-in that never arrived needs no undo. If others have come in since, the exit stays, and the list that forgot it is loaded again.
      if (failure.code === "already_admitted") {
        await this.#change({ asOf: null });
        return this.#log.keep({ ...scan, state: "done" });
      }
    }
    await this.#log.keep({ ...scan, state: "undone" });
  }

  async #change(changes: Partial<Setup>): Promise<void> {
    this.#setup = { ...this.#setup, ...changes };
    await this.#store.saveSetup(this.#setup);
    this.#announce();
  }

  /** The connection state after a call that decided nothing. */
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
      tickets: this.#list.tickets,
      uncounted: this.#log.uncounted(),
      scans: this.#log.scans,
      verdict: this.#verdict,
      isPractice: this.#practises(),
      direction: this.#scansOut() ? "out" : "in",
    };
  }

  #announce(): void {
    this.view = this.#look();
    for (const listener of this.#listeners) listener();
  }
}

/** When this device deletes the ticket list, in epoch seconds. */
export function deletesAt({ event }: Setup): number {
  return seconds(event.doors_close_at) + KEEP_SECONDS;
}

function refusalFields({ code, details }: ApiFailure): Pick<ScanRecord, "outcome" | "first"> {
  return { outcome: code, first: (details.first as ScanRecord["first"]) ?? null };
}

/** Whether the API has decided. It has not if the session, the permission or the rate limit stopped the request. */
function isRefusal(failure: unknown): failure is ApiFailure {
  return failure instanceof ApiFailure && failure.status >= 400 && failure.status < 500 && ![401, 403, 429].includes(failure.status);
}
