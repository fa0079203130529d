/**
 * The calls of the API that the pages need. What they send and what they answer comes from the OpenAPI document (docs/web.md), so that a
 * field that the API does not have is a type error. Times are ISO 8601, amounts in the currency's smallest unit.
 */

import createClient, { type Middleware } from "openapi-fetch";
import { identityHeaders } from "./session";
import { learnTime } from "./server-time";
import type { components, paths } from "#openapi";

type Schemas = components["schemas"];

export type EventSummary = Schemas["EventView"];
export type EventStatus = EventSummary["status"];
export type EventWithTiers = Schemas["EventWithTiersView"];
export type Tier = Schemas["TierView"];
export type Availability = Schemas["AvailabilityLine"];
export type Item = Schemas["ItemBody"];
export type Reservation = Schemas["ReservationView"];
export type Session = Schemas["CheckoutSessionView"];
export type Confirmation = Schemas["ConfirmationView"];
export type Ticket = Schemas["TicketView"];
export type TransferOffer = Schemas["TransferView"];
export type RefundedOrder = Schemas["OrderWithTicketsView"];

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

const PATIENCE_MS = 20_000;
const BASE = { baseUrl: "/api/v1", fetch: (request: Request) => fetch(request, { signal: AbortSignal.timeout(PATIENCE_MS) }) };

/** Asks what is the same for everybody, without saying who asks, so that caches may answer. */
const anybody = createClient<paths>(BASE);
/** Asks as the buyer. */
const buyer = createClient<paths>(BASE);

const translate: Middleware = {
  async onResponse({ response }) {
    learnTime(response);
    if (response.ok) return;
    const { error, message, request_id: requestId, ...details } = await response.json().catch(() => ({}));
    throw new ApiFailure(error ?? "unexpected", response.status, message ?? "", requestId ?? response.headers.get("X-Request-Id"), details);
  },
  onError: () => {
    throw new ApiFailure("offline", 0, "", null);
  },
};
const identify: Middleware = {
  onRequest({ request }) {
    for (const [name, value] of Object.entries(identityHeaders())) request.headers.set(name, value);
  },
};
anybody.use(translate);
buyer.use(translate, identify);

/** The content of an answer; refusals have become an ApiFailure before. */
async function content<T>(answer: Promise<{ data?: T }>): Promise<NonNullable<T>> {
  return (await answer).data!;
}

export const listEvents = () => content(anybody.GET("/events"));
export const getEvent = (event_id: string) => content(anybody.GET("/events/{event_id}", { params: { path: { event_id } } }));
/** The address of an event as a file for calendars. */
export const calendarFile = (event_id: string) => `${BASE.baseUrl}/events/${encodeURIComponent(event_id)}/calendar.ics`;
export const getAvailability = async (event_id: string) =>
  (await content(anybody.GET("/events/{event_id}/availability", { params: { path: { event_id } } }))).availability;
export const getRoom = (event_id: string) => content(anybody.GET("/events/{event_id}/waiting-room/state", { params: { path: { event_id } } }));
export const join = (event_id: string, solution: Schemas["JoinBody"] = {}) =>
  content(buyer.POST("/events/{event_id}/waiting-room/join", { params: { path: { event_id } }, body: solution }));

export const reserve = (event_id: string, items: Item[], token: string | null, key: string) =>
  content(buyer.POST("/events/{event_id}/reservations", { params: { path: { event_id }, header: withKey(key) }, body: { items, token } }));
export const getReservation = (event_id: string) => content(buyer.GET("/events/{event_id}/reservations", { params: { path: { event_id } } }));
export const release = (reservation_id: string) => content(buyer.DELETE("/reservations/{reservation_id}", { params: { path: { reservation_id } } }));

/** Open the payment of a reservation; repeated, it returns the same one. If a page of the provider's takes it, that returns to `back`. */
export const openCheckout = (reservation_id: string, names: string[], back: string, key: string) =>
  content(
    buyer.POST("/checkout/sessions", {
      params: { header: withKey(key) },
      body: {
        reservation_id,
        page: "either",
        success_url: `${back}?paid=${reservation_id}`,
        cancel_url: back,
        attendees: names.map((name) => ({ name })),
      },
    }),
  );
export const getSession = (session_id: string) => content(buyer.GET("/checkout/sessions/{session_id}", { params: { path: { session_id } } }));
/** Ask whether a payment went through, or decide a simulated one. Repeated, it returns the same order. */
export const confirm = (checkout_id: string, simulate?: "success" | "fail") => content(buyer.POST("/checkout/confirm", { body: { checkout_id, simulate } }));

/** All of the buyer's tickets, page by page. */
export async function listTickets(): Promise<Ticket[]> {
  const tickets: Ticket[] = [];
  let cursor: string | undefined;
  do {
    const page = await content(buyer.GET("/tickets", { params: { query: { limit: 100, cursor } } }));
    tickets.push(...page.tickets);
    cursor = page.next_cursor ?? undefined;
  } while (cursor);
  return tickets;
}
/** A ticket's QR code as an SVG document, because its address alone does not say who asks. */
export const getQrCode = (ticket_id: string): Promise<string> =>
  content(buyer.GET("/tickets/{ticket_id}/qr", { params: { path: { ticket_id }, query: { format: "svg" } }, parseAs: "text" }));
export const nameTicket = (ticket_id: string, attendee: Ticket["attendee"]) =>
  content(buyer.PATCH("/tickets/{ticket_id}", { params: { path: { ticket_id } }, body: { attendee } }));
/** Offer a ticket by a link; repeated, it returns the same one. */
export const offerTicket = (ticket_id: string) => content(buyer.POST("/tickets/{ticket_id}/transfer", { params: { path: { ticket_id } } }));
export const cancelTransfer = (ticket_id: string) => content(buyer.DELETE("/tickets/{ticket_id}/transfer", { params: { path: { ticket_id } } }));
/** Become the owner of an offered ticket; repeated, it returns the same one. */
export const acceptTransfer = (token: string) => content(buyer.POST("/transfers/{token}/accept", { params: { path: { token } } }));
/** The newest of the buyer's orders of which tickets were refunded. */
export async function listRefundedOrders(): Promise<RefundedOrder[]> {
  const { orders } = await content(buyer.GET("/orders", { params: { query: { limit: 100 } } }));
  const refunded = orders.filter((order) => order.refunds.length > 0);
  return Promise.all(refunded.map(({ id }) => content(buyer.GET("/orders/{order_id}", { params: { path: { order_id: id } } }))));
}

export const verifyEmail = (token: string) => content(buyer.POST("/auth/email/verify", { body: { token } }));
export const resetPassword = (token: string, password: string) => content(buyer.POST("/auth/password/reset", { body: { token, password } }));

function withKey(key: string) {
  return { "Idempotency-Key": key };
}
