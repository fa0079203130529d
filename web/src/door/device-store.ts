/**
 * The data of the door on this device, in IndexedDB: the event and gate, the ticket list (names and digests, no codes), and the scans.
 * A scan is written before anyone is admitted offline, so a reload loses nothing.
 */

import { openDB, type DBSchema, type IDBPDatabase } from "idb";
import type { Direction, ManifestEvent, ManifestTicket } from "./admission";

const NAME = "fairgate-door";
const SETUP = "setup"; // key of the only entry

/** Times are epoch seconds of the server's clock. */
export interface Setup {
  userId: string;
  /** The name of this device in its scans. */
  device: string;
  gate: string;
  event: ManifestEvent;
  /** `since` of the next request for the list; null until the first download is complete. */
  asOf: string | null;
  loadedAt: number;
}

/**
 * A scan of this device. `waiting`: the scan is not sent yet; `undo_waiting`: its undo is not sent yet. `wasTried`: it may have arrived,
 * though no reply came. `code` is stored until the scan is sent. `outcome` is "admitted", "exited" or the API's error code. `isConflict`: the device
 * admitted people whom the server would have refused.
 */
export interface ScanRecord {
  id: string;
  /** Counts the scans of the device, because its clock may be set back. */
  number: number;
  at: number;
  code: string | null;
  ticketId: string | null;
  seat: number | null;
  count: number;
  gate: string;
  state: "waiting" | "undo_waiting" | "undone" | "done";
  wasTried: boolean;
  outcome: string;
  who: string;
  first: { at: string; gate: string | null; device: string | null } | null;
  isConflict: boolean;
  /** Why staff let somebody in against a refusal. */
  overrideReason?: string;
  /** Whether people go in or out; scans stored by an earlier version have none and go in. */
  direction?: Direction;
  /** The code was from a wallet, and only its fixed part was checked, because this device decided. */
  isFixedPart?: boolean;
  /** The date of the event for which the scan counts. */
  date?: string | null;
}

interface Schema extends DBSchema {
  setup: { key: string; value: Setup };
  tickets: { key: string; value: ManifestTicket };
  scans: { key: string; value: ScanRecord };
}

export class DeviceStore {
  #database: IDBPDatabase<Schema>;

  private constructor(database: IDBPDatabase<Schema>) {
    this.#database = database;
  }

  static async open(): Promise<DeviceStore> {
    return new DeviceStore(
      await openDB<Schema>(NAME, 1, {
        upgrade(database) {
          database.createObjectStore("setup");
          database.createObjectStore("tickets", { keyPath: "id" });
          database.createObjectStore("scans", { keyPath: "id" });
        },
      }),
    );
  }

  async load(): Promise<{ setup: Setup | null; tickets: ManifestTicket[]; scans: ScanRecord[] }> {
    const [setup, tickets, scans] = await Promise.all([
      this.#database.get("setup", SETUP),
      this.#database.getAll("tickets"),
      this.#database.getAll("scans"),
    ]);
    return { setup: setup ?? null, tickets, scans: scans.sort((a, b) => a.number - b.number) };
  }

  async saveSetup(setup: Setup): Promise<void> {
    await this.#database.put("setup", setup, SETUP);
  }

  async saveTickets(tickets: ManifestTicket[]): Promise<void> {
    const transaction = this.#database.transaction("tickets", "readwrite");
    await Promise.all([...tickets.map((ticket) => transaction.store.put(ticket)), transaction.done]);
  }

  async saveScans(scans: ScanRecord[], forgotten: string[] = []): Promise<void> {
    const transaction = this.#database.transaction("scans", "readwrite", { durability: "strict" });
    const writes = [...scans.map((scan) => transaction.store.put(scan)), ...forgotten.map((id) => transaction.store.delete(id))];
    await Promise.all([...writes, transaction.done]);
  }

  /** Delete the ticket list, and with `all` the scans too. */
  async clear(all: boolean): Promise<void> {
    const names = all ? (["setup", "tickets", "scans"] as const) : (["tickets"] as const);
    const transaction = this.#database.transaction(names, "readwrite");
    await Promise.all([...names.map((name) => transaction.objectStore(name).clear()), transaction.done]);
  }
}
