/** The scans of this device in order: all unsent ones, and the most recent sent ones. */

import { now } from "../server-time";
import type { Decision, Direction, Listed, ManifestGuest, ManifestTicket, Uncounted } from "./admission";
import type { DeviceStore, ScanRecord, Setup } from "./device-store";

const MAX_SCANS = 100; // sent scans to keep

export class ScanLog {
  #store: DeviceStore;
  #scans: ScanRecord[];

  constructor(store: DeviceStore, scans: ScanRecord[]) {
    this.#store = store;
    this.#scans = scans;
  }

  /** Oldest first. */
  get scans(): ScanRecord[] {
    return this.#scans;
  }

  find(id: string): ScanRecord | undefined {
    return this.#scans.find((scan) => scan.id === id);
  }

  inState(state: ScanRecord["state"]): ScanRecord[] {
    return this.#scans.filter((scan) => scan.state === state);
  }

  /** People whom this device let in or out, and the server does not know about yet. */
  uncounted(): Uncounted[] {
    const waiting = this.inState("waiting").filter((scan) => isRecorded(scan) && scan.ticketId !== null);
    return waiting.map((scan) => ({ ticketId: scan.ticketId!, seat: scan.seat, count: signedCount(scan), at: scan.at, gate: scan.gate, date: scan.date ?? null }));
  }

  /** A new scan, not decided or stored yet. `text` is the code that was read, or `id` the ticket that was chosen. */
  begin({ gate }: Setup, listed: Listed | null, text: string | null, id: string | null, direction: Direction, overrideReason?: string): ScanRecord {
    return {
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
      outcome: direction === "in" ? "admitted" : "exited",
      direction,
      who: listed ? holderName(listed.ticket, listed.guest) : "",
      first: null,
      isConflict: false,
      ...(overrideReason ? { overrideReason } : {}),
    };
  }

  /** Store a new or changed scan, and delete old scans that have been sent. */
  async keep(scan: ScanRecord): Promise<void> {
    const others = this.#scans.filter(({ id }) => id !== scan.id);
    const scans = [...others, scan].sort((a, b) => a.number - b.number);
    const done = scans.filter((one) => !isUnsent(one) && !one.isConflict);
    const forgotten = new Set(done.slice(0, -MAX_SCANS).map(({ id }) => id));
    await this.#store.saveScans([scan], [...forgotten]);
    this.#scans = scans.filter(({ id }) => !forgotten.has(id));
  }

  /** Delete all scans that have been sent. */
  async forgetSent(): Promise<void> {
    const sent = this.#scans.filter((scan) => !isUnsent(scan));
    await this.#store.saveScans([], sent.map(({ id }) => id));
    this.#scans = this.#scans.filter(isUnsent);
  }
}

export function isUnsent({ state }: ScanRecord): boolean {
  return state === "waiting" || state === "undo_waiting";
}

/** Whether the scan let people in or out. */
export function isRecorded({ outcome }: ScanRecord): boolean {
  return outcome === "admitted" || outcome === "exited";
}

/** Whether the scan let people in or out, and this was undone. */
export function isUndone(scan: ScanRecord): boolean {
  return isRecorded(scan) && (scan.state === "undone" || scan.state === "undo_waiting");
}

/** The people of a scan, negative if they went out. */
export function signedCount({ count, direction }: ScanRecord): number {
  return direction === "out" ? -count : count;
}

/** The scan with this device's decision. */
export function decided(scan: ScanRecord, { code, count, seat, first, date }: Decision): ScanRecord {
  if (count > 0) return { ...scan, count, seat, date, state: "waiting" };
  const refused = { ...scan, code: null, outcome: code, first: first && { at: first.at, gate: first.gate, device: null } };
  // The scan may have reached the server although nobody was admitted here, so it is undone.
  return scan.wasTried && scan.ticketId !== null ? { ...refused, state: "undo_waiting" } : refused;
}

export function holderName(ticket: ManifestTicket, guest: ManifestGuest | null): string {
  return (guest ? guest.name : ticket.attendee_name) ?? (guest?.number ?? ticket.number ?? ticket.tier_name ?? "");
}
