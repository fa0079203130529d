/** The scans of this device in their order: those that are to be sent until they are, and the last of the others. */

import { now } from "../server-time";
import type { Decision, Listed, ManifestGuest, ManifestTicket, Uncounted } from "./admission";
import type { DeviceStore, ScanRecord, Setup } from "./device-store";

const MAX_SCANS = 100; // that are done and kept

export class ScanLog {
  #store: DeviceStore;
  #scans: ScanRecord[];

  constructor(store: DeviceStore, scans: ScanRecord[]) {
    this.#store = store;
    this.#scans = scans;
  }

  /** The oldest first. */
  get scans(): ScanRecord[] {
    return this.#scans;
  }

  find(id: string): ScanRecord | undefined {
    return this.#scans.find((scan) => scan.id === id);
  }

  inState(state: ScanRecord["state"]): ScanRecord[] {
    return this.#scans.filter((scan) => scan.state === state);
  }

  /** People who came in and of whom the server does not know. */
  uncounted(): Uncounted[] {
    const waiting = this.inState("waiting").filter(({ outcome, ticketId }) => outcome === "admitted" && ticketId !== null);
    return waiting.map(({ ticketId, seat, count, at, gate }) => ({ ticketId: ticketId!, seat, count, at, gate }));
  }

  /** A scan of now that nothing has decided yet, and that is not kept yet. `text` is what was read, or `id` what was chosen. */
  begin({ gate }: Setup, listed: Listed | null, text: string | null, id: string | null): ScanRecord {
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
      outcome: "admitted",
      who: listed ? nameOf(listed.ticket, listed.guest) : "",
      first: null,
      isConflict: false,
    };
  }

  /** Keep a scan, a new one or one that has changed, and forget what is done and old. */
  async keep(scan: ScanRecord): Promise<void> {
    const others = this.#scans.filter(({ id }) => id !== scan.id);
    const scans = [...others, scan].sort((a, b) => a.number - b.number);
    const done = scans.filter((one) => !isUnsent(one) && !one.isConflict);
    const forgotten = new Set(done.slice(0, -MAX_SCANS).map(({ id }) => id));
    await this.#store.saveScans([scan], [...forgotten]);
    this.#scans = scans.filter(({ id }) => !forgotten.has(id));
  }

  /** Forget all that is not to be sent. */
  async forgetSent(): Promise<void> {
    const sent = this.#scans.filter((scan) => !isUnsent(scan));
    await this.#store.saveScans([], sent.map(({ id }) => id));
    this.#scans = this.#scans.filter(isUnsent);
  }
}

export function isUnsent({ state }: ScanRecord): boolean {
  return state === "waiting" || state === "undo_waiting";
}

/** The scan with what this device has decided. */
export function decided(scan: ScanRecord, { code, count, first }: Decision): ScanRecord {
  if (code === "admitted") return { ...scan, count, state: "waiting" };
  const refused = { ...scan, code: null, outcome: code, first: first && { at: first.at, gate: first.gate, device: null } };
  // It may have arrived: nobody came in, so it is taken back.
  return scan.wasTried && scan.ticketId !== null ? { ...refused, state: "undo_waiting" } : refused;
}

export function nameOf(ticket: ManifestTicket, guest: ManifestGuest | null): string {
  return (guest ? guest.name : ticket.attendee_name) ?? (guest?.number ?? ticket.number ?? ticket.tier_name ?? "");
}
