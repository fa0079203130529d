/** The calls of the API that buyers need, and what they answer. Times are ISO 8601, amounts in the currency's smallest unit. */

import { identityHeaders } from "./session";
import { learnTime } from "./server-time";
import type { State } from "../waiting-room.js";

export type EventStatus = "scheduled" | "on_sale" | "sold_out" | "closed" | "cancelled";
export type TierStatus = "available" | "sold-out" | "coming-soon" | "closed" | "test";

export interface EventSummary {
  id: string;
  name: string;
  venue: string;
  description: string;
  starts_at: string;
  ends_at: string | null;
  on_sale_at: string | null;
  status: EventStatus;
  timezone: string;
  featured: boolean;
  purchase_limit: number;
}

export interface Tier {
  id: string;
  name: string;
  description: string;
  price_cents: number;
  currency: string;
  capacity: number;
  available: number;
  per_user_limit: number;
  admits: number;
  status: TierStatus;
  message: string | null;
  sale_starts_at: string | null;
  sale_ends_at: string | null;
}

export type EventWithTiers = EventSummary & { tiers: Tier[] };
export type TicketType = { event_id: string; price_cents: number; currency: string; status: TierStatus };
export type Availability = { tier_id: string; capacity: number; available: number; reserved: number; sold: number };
export type Joined = { token: string | null; canEnter: boolean; paused: boolean };
export type Item = { tier_id: string; quantity: number };

export interface Reservation {
  id: string;
  event_id: string;
  status: "active" | "converted" | "expired" | "canceled";
  quantity: number;
  total_price_cents: number;
  currency: string;
  items: { tier_id: string; tier_name: string; quantity: number; price_cents: number; total_price_cents: number }[];
  expires_at: string;
}

export interface Session {
  id: string;
  status: "pending" | "completed" | "failed" | "refunded" | "expired" | "canceled";
  reservation: Reservation;
  payment: { provider: string; status: string; url?: string } | null;
}

export type Confirmation = { checkout_session: { status: Session["status"] } };

export interface Ticket {
  id: string;
  code: string;
  state: string;
  order_id: string;
  event: { id: string; name: string | null; venue: string | null; starts_at: string | null };
  tier: { name: string | null; price_cents: number };
}

/** A refusal, or no answer at all: then `status` is 0 and `code` is `offline`. `details` are the other fields of the answer. */
export class ApiFailure extends Error {
  constructor(
    readonly code: string,
    readonly status: number,
    message: string,
    readonly requestId: string | null,
    readonly details: Record<string, unknown> = {},
  ) {
    super(message);
  }
}

const BASE = "/api/v1";
const PATIENCE_MS = 20_000;

export const listEvents = () => get<EventSummary[]>("/events");
export const getEvent = (eventId: string) => get<EventWithTiers>(`/events/${encodeURIComponent(eventId)}`);
export const listTicketTypes = async () => (await get<{ ticket_types: TicketType[] }>("/tickets/types")).ticket_types;
export const getAvailability = async (eventId: string) =>
  (await get<{ availability: Availability[] }>(`/events/${encodeURIComponent(eventId)}/availability`)).availability;
export const getRoom = (eventId: string) => get<State>(`/events/${encodeURIComponent(eventId)}/waiting-room/state`);
export const join = (eventId: string, solution: { challenge?: string; nonce?: string } = {}) =>
  send<Joined>("POST", `/events/${encodeURIComponent(eventId)}/waiting-room/join`, solution);

export const reserve = (eventId: string, items: Item[], token: string | null, key: string) =>
  send<Reservation>("POST", `/events/${encodeURIComponent(eventId)}/reservations`, token ? { items, token } : { items }, key);
export const getReservation = (eventId: string) => get<Reservation>(`/events/${encodeURIComponent(eventId)}/reservations`, true);
export const release = (reservationId: string) => send<unknown>("DELETE", `/reservations/${reservationId}`);

/** Open the payment of a reservation; repeated, it returns the same one. A provider's own page returns to `back`. */
export const openCheckout = (reservationId: string, names: string[], back: string, key: string) =>
  send<Session>(
    "POST",
    "/checkout/sessions",
    {
      reservation_id: reservationId,
      page: "hosted",
      success_url: `${back}?paid=${reservationId}`,
      cancel_url: back,
      attendees: names.map((name) => ({ name })),
    },
    key,
  );
export const getSession = (checkoutId: string) => get<Session>(`/checkout/sessions/${checkoutId}`, true);
/** Ask whether a payment went through, or decide a simulated one. Repeated, it returns the same order. */
export const confirm = (checkoutId: string, simulate?: "success" | "fail") =>
  send<Confirmation>("POST", "/checkout/confirm", simulate ? { checkout_id: checkoutId, simulate } : { checkout_id: checkoutId });

export const listTickets = async () => (await get<{ tickets: Ticket[] }>("/me/tickets", true)).tickets;
/** A ticket's QR code as an image, because its address alone does not say who asks. */
export const getQrCode = async (ticketId: string) => (await request(`/tickets/${ticketId}/qr?format=svg`, { headers: identityHeaders() })).blob();

export const verifyEmail = (token: string) => send<unknown>("POST", "/auth/email/verify", { token });
export const resetPassword = (token: string, password: string) => send<unknown>("POST", "/auth/password/reset", { token, password });

async function get<T>(path: string, personal = false): Promise<T> {
  return (await request(path, { headers: personal ? identityHeaders() : {} })).json();
}

async function send<T>(method: string, path: string, body?: unknown, key?: string): Promise<T> {
  const headers: Record<string, string> = { ...identityHeaders() };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key !== undefined) headers["Idempotency-Key"] = key;
  return (await request(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) })).json();
}

async function request(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(BASE + path, { ...init, signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch {
    throw new ApiFailure("offline", 0, "", null);
  }
  learnTime(response);
  if (response.ok) return response;
  const { error, message, request_id: requestId, ...details } = await response.json().catch(() => ({}));
  throw new ApiFailure(error ?? "unexpected", response.status, message ?? "", requestId ?? response.headers.get("X-Request-Id"), details);
}
