/** The ticket list of an event on this device, in which scanned codes are looked up: in memory for decisions, in the store for reloads. */

import { digest, findById, readScan, type Listed, type ManifestTicket } from "./admission";
import type { DeviceStore, ScanRecord } from "./device-store";
import type { DoorTicket } from "./door-api";
import { signedCount } from "./scan-log";

export class TicketList {
  readonly tickets = new Map<string, ManifestTicket>();
  #store: DeviceStore;
  #byDigest = new Map<string, Listed>();

  constructor(store: DeviceStore, tickets: ManifestTicket[]) {
    this.#store = store;
    this.#list(tickets);
  }

  /** The ticket or guest with a scanned or typed code. */
  async findByCode(text: string): Promise<Listed | null> {
    return this.#byDigest.get(await digest(readScan(text).code)) ?? null;
  }

  /** The ticket with this id, or the guest of the seat with this id. */
  findById(id: string): Listed | null {
    return findById(this.tickets, id);
  }

  /** Store new and changed tickets of the manifest. */
  async take(tickets: ManifestTicket[]): Promise<void> {
    await this.#store.saveTickets(tickets);
    this.#list(tickets);
  }

  /** Apply a reply about a ticket. A new ticket appears with the next refresh, because a reply has no digest. */
  async update(ticket: DoorTicket): Promise<ManifestTicket> {
    const { guests: _, duplicates, event_id, event_name, order_id, remaining, ...said } = ticket;
    const checkins = ticket.checkins.map(({ at, count, gate, seat, date }) => ({ at, count, gate, seat, date }));
    const known = this.tickets.get(ticket.id);
    if (!known) {
      const guests = ticket.guests.map((guest) => ({ ...guest, id: `${ticket.id}.${guest.seat}`, code_sha256: "" }));
      return { ...said, checkins, void_reason: null, code_sha256: "", guests };
    }
    const guests = known.guests.map((guest) => ({ ...guest, ...ticket.guests.find(({ seat }) => seat === guest.seat) }));
    const changed = { ...known, ...said, checkins, guests };
    await this.take([changed]);
    return changed;
  }

  /** Remove a check-in or exit that is being undone, until the server's next reply about the ticket. */
  async forgetCheckIn(scan: ScanRecord): Promise<void> {
    const { ticketId, gate, seat } = scan;
    const count = signedCount(scan);
    const ticket = ticketId === null ? undefined : this.tickets.get(ticketId);
    const index = ticket?.checkins.findLastIndex((checkin) => checkin.gate === gate && checkin.count === count && checkin.seat === seat) ?? -1;
    if (!ticket || index < 0) return;
    await this.take([{ ...ticket, checkins: ticket.checkins.filter((_, place) => place !== index) }]);
  }

  /** Delete the whole list, also from the store. */
  async clear(): Promise<void> {
    await this.#store.clear(false);
    this.tickets.clear();
    this.#byDigest.clear();
  }

  #list(tickets: ManifestTicket[]): void {
    for (const ticket of tickets) {
      const before = this.tickets.get(ticket.id); // its code may have changed
      for (const { code_sha256 } of before ? [before, ...before.guests] : []) this.#byDigest.delete(code_sha256);
      if (before?.wallet_sha256) this.#byDigest.delete(before.wallet_sha256);
      this.tickets.set(ticket.id, ticket);
      this.#byDigest.set(ticket.code_sha256, { ticket, guest: null });
      if (ticket.wallet_sha256) this.#byDigest.set(ticket.wallet_sha256, { ticket, guest: null });
      for (const guest of ticket.guests) this.#byDigest.set(guest.code_sha256, { ticket, guest });
    }
  }
}
