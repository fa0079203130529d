/**
 * The box office on this device: sales, also offline from tickets that were set aside, and their delivery. Everything is in localStorage
 * before the screen shows it, so a reload loses no sale.
 */

import { ApiFailure, content, type Schemas } from "../../client";
import { now } from "../../server-time";
import { soon, staff, TRANSFER_PATIENCE_MS } from "../door-api";

export type Offer = Schemas["OfferView"];
export type Office = Schemas["BoxOfficeView"];
export type Method = Schemas["CounterSaleBody"]["method"];
export type CounterOrder = Schemas["CounterOrderView"];
export type Till = Schemas["ClosedTillView"];

const SELL_SECONDS = 3600; // with a quota; the second hour of its life is for the delivery
const KEPT_SALES = 30;
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** A sale of this device. `waiting`: made offline, not delivered yet. `refused`: the shop has no ticket for it; `refusal` says why. */
export interface Sale {
  body: Schemas["CounterSaleBody"];
  at: number;
  tierName: string;
  totalCents: number;
  currency: string;
  state: "waiting" | "sold" | "refused" | "refunded";
  orderId: string | null;
  number: string | null;
  refusal: string | null;
  /** What the buyer gets back for the tickets that nobody has used. */
  paidBackCents?: number;
}

export interface Quota {
  id: string;
  tierId: string;
  holdbackId: string;
  left: number;
  sellUntil: number;
}

interface Kept {
  office: Office | null;
  quotas: Quota[];
  sales: Sale[];
}

/** What the buyer chose and paid. `id` stays the same until the sale is recorded, so that a repeated click sells once. */
export interface Payment {
  id: string;
  quantity: number;
  method: Method;
  reference: string;
  name: string;
  email: string;
}

export class Counter {
  #listeners = new Set<() => void>();
  #kept: Kept;
  #isDelivering = false;

  constructor(
    readonly userId: string,
    readonly eventId: string,
  ) {
    this.#kept = JSON.parse(localStorage.getItem(this.#key) ?? "null") ?? { office: null, quotas: [], sales: [] };
  }

  get #key() {
    return `fairgate.counter.${this.userId}.${this.eventId}`;
  }

  get view(): Kept {
    return this.#kept;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #save(changes: Partial<Kept>): void {
    this.#kept = { ...this.#kept, ...changes };
    localStorage.setItem(this.#key, JSON.stringify(this.#kept));
    this.#listeners.forEach((listener) => listener());
  }

  #put(sale: Sale): void {
    const others = this.#kept.sales.filter(({ body }) => body.id !== sale.body.id);
    const [open, done] = [others.filter(isOpen), others.filter((other) => !isOpen(other))];
    const kept = isOpen(sale) ? sale : withoutTickets(sale);
    this.#save({ sales: [kept, ...open, ...done.slice(0, KEPT_SALES)].sort((a, b) => b.at - a.at) });
  }

  async load(): Promise<void> {
    const params = { path: { event_id: this.eventId } };
    this.#save({ office: await soon(content(staff.GET("/events/{event_id}/box-office", { params })), TRANSFER_PATIENCE_MS) });
  }

  /** The tickets that this device may still sell offline from an offer. */
  quotaOf(offer: Offer): Quota | null {
    const own = this.#kept.quotas.filter((quota) => quota.tierId === offer.tier_id && quota.holdbackId === offer.holdback_id);
    return own.find((quota) => quota.left > 0 && quota.sellUntil > now()) ?? null;
  }

  async setAside(offer: Offer, id: string, quantity: number): Promise<void> {
    const body = { id, tier_id: offer.tier_id, holdback_id: offer.holdback_id, quantity };
    const params = { path: { event_id: this.eventId } };
    const quota = await soon(content(staff.POST("/events/{event_id}/box-office-quotas", { params, body })), TRANSFER_PATIENCE_MS);
    const added = { id, tierId: offer.tier_id, holdbackId: offer.holdback_id, left: quota.quantity, sellUntil: now() + SELL_SECONDS };
    this.#save({ quotas: [...this.#kept.quotas.filter((other) => other.id !== id && other.sellUntil > now()), added] });
    await this.load();
  }

  /** Whether all sales of a quota are delivered. Only then is it known how many of its tickets are left. */
  mayReturn(quota: Quota): boolean {
    return !this.#kept.sales.some(({ body, state }) => body.quota_id === quota.id && state === "waiting");
  }

  /** Give the tickets of a quota back to the box office. From now on this device sells none of them, whether or not the request arrives. */
  async giveBack(quota: Quota): Promise<void> {
    const body = { id: quota.id, tier_id: quota.tierId, holdback_id: quota.holdbackId };
    const params = { path: { event_id: this.eventId } };
    this.#save({ quotas: this.#kept.quotas.filter(({ id }) => id !== quota.id) });
    await soon(content(staff.POST("/events/{event_id}/box-office-quotas/return", { params, body })), TRANSFER_PATIENCE_MS);
    await this.load();
  }

  /** Sell now or, without a network, from tickets that were set aside. The codes are the device's in both cases, because no reply may mean either. */
  async sell(offer: Offer, payment: Payment): Promise<{ sale: Sale; order: CounterOrder | null }> {
    const body: Schemas["CounterSaleBody"] = {
      id: payment.id,
      tier_id: offer.tier_id,
      holdback_id: offer.holdback_id,
      quantity: payment.quantity,
      price_cents: offer.price_cents,
      method: payment.method,
      reference: payment.reference.trim() || null,
      name: payment.name.trim() || null,
      email: payment.email.trim() || null,
      codes: codesOf(payment.id, payment.quantity),
    };
    const sale: Sale = {
      body,
      at: now(),
      tierName: offer.tier_name,
      totalCents: offer.price_cents * payment.quantity,
      currency: offer.currency,
      state: "sold",
      orderId: null,
      number: null,
      refusal: null,
    };
    try {
      const order = await this.#send(body);
      const sold = { ...sale, orderId: order.order_id, number: order.number };
      this.#put(sold);
      void this.load().catch(() => {});
      return { sale: sold, order };
    } catch (failure) {
      const quota = this.quotaOf(offer);
      if (!(failure instanceof ApiFailure) || failure.code !== "offline" || !quota || quota.left < payment.quantity) throw failure;
      const quotas = this.#kept.quotas.map((other) => (other.id === quota.id ? { ...other, left: other.left - payment.quantity } : other));
      const sold_at = new Date(1000 * now()).toISOString();
      const waiting: Sale = { ...sale, state: "waiting", body: { ...body, quota_id: quota.id, sold_at } };
      this.#save({ quotas });
      this.#put(waiting);
      return { sale: waiting, order: null };
    }
  }

  /** Deliver the sales that were made offline. A sale that the shop refuses stays on the list until a person has settled it. */
  async deliver(): Promise<void> {
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    try {
      for (const sale of this.#kept.sales.filter(({ state }) => state === "waiting").toReversed()) await this.#deliverOne(sale);
    } catch (failure) {
      if (!(failure instanceof ApiFailure)) throw failure; // no network, signed out, or too many requests: the next attempt continues
    } finally {
      this.#isDelivering = false;
    }
  }

  async #deliverOne(sale: Sale): Promise<void> {
    try {
      const order = await this.#send(sale.body);
      this.#put({ ...sale, state: "sold", orderId: order.order_id, number: order.number, refusal: null });
    } catch (failure) {
      if (!(failure instanceof ApiFailure) || ![400, 404, 409].includes(failure.status)) throw failure;
      this.#put({ ...sale, state: "refused", refusal: failure.code });
    }
  }

  /** Try a refused sale again, for example after a manager has held more tickets back. */
  async retry(sale: Sale): Promise<void> {
    await this.#deliverOne(sale);
  }

  /** Forget a refused sale whose buyer has been refunded. */
  settle(sale: Sale): void {
    this.#save({ sales: this.#kept.sales.filter(({ body }) => body.id !== sale.body.id) });
  }

  async payBack(sale: Sale, method: Method): Promise<void> {
    const params = { path: { event_id: this.eventId, sale_id: sale.orderId! }, header: { "Idempotency-Key": `refund-${sale.body.id}` } };
    const path = "/events/{event_id}/box-office-orders/{sale_id}/refunds";
    const refund = await soon(content(staff.POST(path, { params, body: { method } })), TRANSFER_PATIENCE_MS);
    this.#put({ ...sale, state: "refunded", paidBackCents: refund.amount_cents });
    void this.load().catch(() => {});
  }

  async order(sale: Sale): Promise<CounterOrder> {
    return this.#send(sale.body);
  }

  closing(): Promise<Schemas["ClosingView"]> {
    const params = { path: { event_id: this.eventId } };
    return soon(content(staff.GET("/events/{event_id}/box-office-closing", { params })), TRANSFER_PATIENCE_MS);
  }

  count(date: string, currency: string, counted_cents: number): Promise<Schemas["ClosingView"]> {
    const params = { path: { event_id: this.eventId } };
    const body = { date, currency, counted_cents };
    return soon(content(staff.POST("/events/{event_id}/box-office-closing", { params, body })), TRANSFER_PATIENCE_MS);
  }

  #send(body: Schemas["CounterSaleBody"]): Promise<CounterOrder> {
    const params = { path: { event_id: this.eventId } };
    return soon(content(staff.POST("/events/{event_id}/box-office-orders", { params, body })));
  }
}

export const isOpen = ({ state }: Sale) => state === "waiting" || state === "refused";

/** What the device keeps of a delivered sale: nothing that lets somebody in, and nobody's name or address. */
const withoutTickets = (sale: Sale): Sale => ({ ...sale, body: { ...sale.body, codes: null, name: null, email: null } });

// A sale keeps its codes when its request is repeated, because the first request may have arrived.
const known = new Map<string, string[]>();

function codesOf(saleId: string, quantity: number): string[] {
  const codes = known.get(saleId) ?? [];
  while (codes.length < quantity) codes.push(newCode());
  known.set(saleId, codes);
  return codes.slice(0, quantity);
}

/** A ticket code as the shop makes them: 100 random bits, such as 7K3MX-0QWZ9-H4TRB-V81CD. */
function newCode(): string {
  const characters = [...crypto.getRandomValues(new Uint8Array(20))].map((byte) => ALPHABET[byte % ALPHABET.length]).join("");
  return characters.replace(/(.{5})(?!$)/g, "$1-");
}
