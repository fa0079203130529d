/**
 * The API calls of the pages. Their types come from the OpenAPI document (docs/web.md), so a field that the API does not have is a type
 * error. Times are ISO 8601, amounts in the currency's smallest unit.
 */

import type { paths } from "#openapi";
import { publicApi, BASE_PATH, content, createApi, type Schemas } from "./client";
import { now } from "./server-time";
import { COOKIE, currentBuyer, fetchAsBuyer } from "./session";

export { ApiFailure } from "./client";

export type EventSummary = Schemas["ListedEventView"];
export type EventStatus = EventSummary["status"];
export type EventWithTiers = Schemas["EventWithTiersView"];
export type Tier = Schemas["TierView"];
export type CustomOption = Schemas["CustomOption"];
export type Availability = Schemas["AvailabilityLine"];
export type DatesLeft = Schemas["AvailabilityView"]["dates"];
export type Item = Schemas["ItemBody"];
export type Reservation = Schemas["ReservationView"];
export type Session = Schemas["CheckoutSessionView"];
export type Confirmation = Schemas["ConfirmationView"];
export type Ticket = Schemas["TicketView"];
export type Seat = Schemas["SeatView"];
export type TransferOffer = Schemas["TransferView"];
export type User = Schemas["UserView"];
export type SignedInSession = Schemas["SessionView"];
export type ProfileChanges = Schemas["ProfileChanges"];
export type Order = Schemas["OrderView"];
export type OrderWithTickets = Schemas["OrderWithTicketsView"];
export type TicketReturn = Schemas["TicketReturnView"];
export type Resale = Schemas["ResaleView"];
export type ReturnReason = NonNullable<Schemas["ReturnBody"]["reason"]>;
export type Refund = Order["refunds"][number];
export type Seller = Schemas["Seller"];
export type WaitlistEntry = Schemas["WaitlistEntryView"];

export const buyer = createApi(fetchAsBuyer);

/** The state of an event's sale as buyers see it. */
export const saleStatus = <Status extends string>({ status, paused }: { status: Status; paused: boolean }) =>
  paused && status === "on_sale" ? "paused" : status;

/** The languages of the API's texts and documents. A language of the pages that the API lacks is a type error. */
export type DocumentLanguage = NonNullable<NonNullable<paths["/orders/{order_id}/receipt.pdf"]["get"]["parameters"]["query"]>["language"]>;
/** Asks for names in a language where the request is not the buyer's. */
interface LanguageHeader {
  "Accept-Language": DocumentLanguage;
}
/** Ask for promoters' texts in the language of the page. */
const inLanguage = () => ({ language: document.documentElement.lang as DocumentLanguage });
export const listEvents = () => content(publicApi.GET("/events", { params: { query: inLanguage() } }));
export const getEvent = (event_id: string) => content(publicApi.GET("/events/{event_id}", { params: { path: { event_id }, query: inLanguage() } }));
/** A draft as buyers will see it once it is published, for the event's managers; null for an event that buyers can see already. */
export async function previewEvent(event_id: string): Promise<EventWithTiers | null> {
  const event = await content(buyer.GET("/events/{event_id}", { params: { path: { event_id }, query: inLanguage() } }));
  if ((event.status as string) !== "draft") return null;
  const status = Date.parse(event.on_sale_at ?? "") > 1000 * now() ? "scheduled" : "on_sale";
  return { ...event, status, tiers: event.tiers.filter((tier) => !tier.hidden) };
}
/** The address of an event's calendar file, or of one with only the dates for which tickets of some types are valid. */
export const calendarFile = (event_id: string, tier_ids: string[] = []) =>
  `${BASE_PATH}/events/${encodeURIComponent(event_id)}/calendar.ics${tier_ids.length > 0 ? `?tiers=${tier_ids.join()}` : ""}`;
export const getPromoter = (promoter_id: string) => content(publicApi.GET("/promoters/{promoter_id}", { params: { path: { promoter_id } } }));
export const getSeller = (event_id: string) => content(publicApi.GET("/events/{event_id}/seller", { params: { path: { event_id } } }));
export type LegalTexts = NonNullable<Seller["legal_texts"]>;
/** The text of a kind in the reader's language, or else the first, which is in English if there is one. */
export const legalText = (texts: LegalTexts, kind: LegalTexts[number]["kind"], language: string) =>
  texts.find((text) => text.kind === kind && text.language === language) ?? texts.find((text) => text.kind === kind);
export const getAvailability = (event_id: string) => content(publicApi.GET("/events/{event_id}/availability", { params: { path: { event_id } } }));
export const getRoom = (event_id: string) => content(publicApi.GET("/events/{event_id}/waiting-room/state", { params: { path: { event_id } } }));
export const join = (event_id: string, solution: Schemas["JoinBody"] = {}) =>
  content(buyer.POST("/events/{event_id}/waiting-room/join", { params: { path: { event_id } }, body: solution }));
/** A place in the waiting room, as a reservation sends it. */
export type EntryProof = NonNullable<Schemas["ReservationBody"]["entry_proof"]>;
export type Pass = Pick<Schemas["ReservationBody"], "token" | "entry_proof">;
/** Get the address of the shop that sells the tickets, with the buyer's pass. */
export const getShopPass = (event_id: string, token: string, entry_proof: Pass["entry_proof"]) =>
  content(buyer.POST("/events/{event_id}/waiting-room/pass", { params: { path: { event_id } }, body: { token, entry_proof } }));
export const getEntry = (event_id: string, digest: string) => content(publicApi.GET("/events/{event_id}/waiting-room/entries/{digest}", { params: { path: { event_id, digest } } }));
export type StockEntry = Schemas["StockEntry"];
export type StockLine = Schemas["StockLine"];
export const getStockLedger = (event_id: string, page: number) => content(publicApi.GET("/events/{event_id}/stock-ledger", { params: { path: { event_id }, query: { page } } }));
export const stockLedgerUrl = (event_id: string) => `${BASE_PATH}/events/${encodeURIComponent(event_id)}/stock-ledger`;
export type DrawProof = Awaited<ReturnType<typeof getDrawProof>>;
export const getDrawProof = (event_id: string) => content(publicApi.GET("/events/{event_id}/waiting-room/proof", { params: { path: { event_id } } }));
/** Ask for messages about the turn; a buyer without a confirmed address names one, or a browser. A repeated call changes both. */
export const requestTurnMails = (event_id: string, token: string, email?: string, push?: Schemas["PushSubscription"]) =>
  content(buyer.PUT("/events/{event_id}/waiting-room/notice", { params: { path: { event_id } }, body: { token, email, push } }));
export const getPushKey = async () => (await content(publicApi.GET("/push-key"))).public_key;
export const stopTurnMails = (event_id: string) => content(buyer.DELETE("/events/{event_id}/waiting-room/notice", { params: { path: { event_id } } }));

export const getAccessCodes = (event_id: string) => content(publicApi.GET("/events/{event_id}/access-codes", { params: { path: { event_id } } }));
/**
 * Reserve tickets. A `promo_code` is sent only if the buyer needs an access code. `parts/reserve-form.tsx` makes the `key`, and sends the same
 * one again if the connection broke and the buyer tries again.
 */
export const reserve = (event_id: string, items: Item[], pass: Pass, promo_code: string | null, key: string) =>
  content(buyer.POST("/events/{event_id}/reservations", { params: { path: { event_id }, header: withKey(key) }, body: { items, ...pass, promo_code } }));
/** The active reservation. With a promo code, at the price that it would have with this code. */
export const getReservation = (event_id: string, promo_code?: string) =>
  content(buyer.GET("/events/{event_id}/reservations", { params: { path: { event_id }, query: { promo_code } } }));
export const release = (reservation_id: string) => content(buyer.DELETE("/reservations/{reservation_id}", { params: { path: { reservation_id } } }));

/** Join the waitlist of an event. A repeated call returns the same entry. */
export const joinWaitlist = (wanted: Schemas["NewEntry"]) => content(buyer.POST("/waitlist", { body: wanted }));
/** The buyer's latest entry for each event, newest first, with its place or offer. */
export const listWaitlistEntries = async () => (await content(buyer.GET("/waitlist"))).entries;
/** Leave a waitlist, or decline its offer. */
export const leaveWaitlist = (entry_id: string) => content(buyer.DELETE("/waitlist/{entry_id}", { params: { path: { entry_id } } }));

/** The buyer's input for a payment: a guest's address, attendees, answers, and a promo code. */
export type CheckoutDetails = Pick<Schemas["CheckoutBody"], "customer_email" | "attendees" | "responses" | "promo_code" | "invoice" | "accepted_terms" | "provider" | "replace">;
export type InvoiceBuyer = Schemas["InvoiceBuyer"];

/** Open the payment of a reservation. A repeated call returns the same payment. A payment page of the provider returns to `back`. */
export const openCheckout = (reservation_id: string, details: CheckoutDetails, back: string, key: string) =>
  content(
    buyer.POST("/checkout/sessions", {
      params: { header: withKey(key) },
      body: { reservation_id, page: "either", success_url: `${back}?paid=${reservation_id}`, cancel_url: back, ...details },
    }),
  );
export const getSession = (session_id: string) => content(buyer.GET("/checkout/sessions/{session_id}", { params: { path: { session_id } } }));
export type SimulatedOutcome = NonNullable<Schemas["ConfirmBody"]["simulate"]>;
/** Ask whether a payment went through, or decide a simulated payment. A repeated call returns the same order. */
export const confirm = (checkout_id: string, simulate?: SimulatedOutcome) => content(buyer.POST("/checkout/confirm", { body: { checkout_id, simulate } }));

/** Load all of the buyer's tickets, page by page. */
export async function listTickets(): Promise<Ticket[]> {
  const tickets: Ticket[] = [];
  if (currentBuyer() === null) return tickets;
  let cursor: string | undefined;
  do {
    const page = await content(buyer.GET("/tickets", { params: { query: { limit: 100, cursor } } }));
    tickets.push(...page.tickets);
    cursor = page.next_cursor ?? undefined;
  } while (cursor);
  return tickets;
}
/** Load a ticket's QR code as an SVG document; an image address could not send the buyer's token. */
export const getQrCode = (ticket_id: string): Promise<string> =>
  content(buyer.GET("/tickets/{ticket_id}/qr", { params: { path: { ticket_id }, query: { format: "svg" } }, parseAs: "text" }));
/** Load a ticket as its owner, who sees its code; door staff get tickets without it. */
export const getTicket = (ticket_id: string) => content(buyer.GET("/tickets/{ticket_id}", { params: { path: { ticket_id } } })) as Promise<Ticket>;
export const nameTicket = (ticket_id: string, attendee: Ticket["attendee"]) =>
  content(buyer.PATCH("/tickets/{ticket_id}", { params: { path: { ticket_id } }, body: { attendee } }));
/** Offer a ticket with a link. A repeated call returns the same link. */
export const offerTicket = (ticket_id: string) => content(buyer.POST("/tickets/{ticket_id}/transfer", { params: { path: { ticket_id } } }));
export const cancelTransfer = (ticket_id: string) => content(buyer.DELETE("/tickets/{ticket_id}/transfer", { params: { path: { ticket_id } } }));
export type OfferedTicket = Schemas["OfferedTicketView"];
/** Load what somebody sees before they accept a ticket. */
export const previewTransfer = (token: string, header: LanguageHeader) => content(publicApi.POST("/transfers/preview", { params: { header }, body: { token } }));
/** Accept an offered ticket. Needs no account with an email address. A repeated call returns the same ticket. */
export const acceptTransfer = (token: string, email: string | null) =>
  content(buyer.POST("/transfers/{token}/accept", { params: { path: { token } }, body: { email } }));
export const listSeats = (ticket_id: string) => content(buyer.GET("/tickets/{ticket_id}/seats", { params: { path: { ticket_id } } }));
export const nameGuest = (seat_id: string, guest: Schemas["NamedGuest"]) =>
  content(buyer.PUT("/seats/{seat_id}/guest", { params: { path: { seat_id } }, body: guest }));
export const removeGuest = (seat_id: string) => content(buyer.DELETE("/seats/{seat_id}/guest", { params: { path: { seat_id } } }));
export const getInvitation = (token: string, header: LanguageHeader) => content(publicApi.GET("/guests/{token}", { params: { path: { token }, header } }));
export const getGuestQrCode = (token: string): Promise<string> =>
  content(publicApi.GET("/guests/{token}/qr", { params: { path: { token }, query: { format: "svg" } }, parseAs: "text" }));
export const eraseGuest = (token: string) => content(publicApi.DELETE("/guests/{token}", { params: { path: { token } } }));
/** Load the buyer's latest orders with refunded tickets. */
export async function listRefundedOrders(): Promise<OrderWithTickets[]> {
  if (currentBuyer() === null) return [];
  const { orders } = await content(buyer.GET("/orders", { params: { query: { limit: 100 } } }));
  const refunded = orders.filter((order) => order.refunds.length > 0);
  return Promise.all(refunded.map(({ id }) => getOrder(id)));
}
/** A PDF document of an order. */
export type DocumentKind = "receipt" | "tickets";
export const getDocument = (order_id: string, kind: DocumentKind, language: DocumentLanguage): Promise<Blob> =>
  content(buyer.GET(`/orders/{order_id}/${kind}.pdf`, { params: { path: { order_id }, query: { language } }, parseAs: "blob" }));

export type Invoice = Schemas["InvoiceView"];
export const listInvoices = async (order_id: string): Promise<Invoice[]> =>
  (await content(buyer.GET("/orders/{order_id}/invoices", { params: { path: { order_id } } }))).invoices;
export const getInvoice = (order_id: string, number: string): Promise<Blob> =>
  content(buyer.GET("/orders/{order_id}/invoices.pdf", { params: { path: { order_id }, query: { number } }, parseAs: "blob" }));

export const getMe = () => content(buyer.GET("/auth/me"));
export const updateMe = (changes: ProfileChanges) => content(buyer.PATCH("/auth/me", { body: changes }));
export const listSessions = async () => (await content(buyer.GET("/auth/sessions"))).sessions;
export const endSession = (session_id: string) => content(buyer.DELETE("/auth/sessions/{session_id}", { params: { path: { session_id } } }));
export const verifyEmail = (token: string, password?: string) => content(publicApi.POST("/auth/email/verify", { body: { token, password } }));
/** Send a link to a new address. Opening the link makes it the account's address. */
export const changeEmail = (email: string, password: string) => content(buyer.POST("/auth/email", { body: { email, password } }));
export const mailReset = (email: string) => content(publicApi.POST("/auth/password/forgot", { body: { email } }));
export const mailVerification = (email: string) => content(publicApi.POST("/auth/email/resend", { body: { email } }));
export type FoundTickets = Schemas["FoundTicketsView"];
/** Send a link to the address that somebody bought tickets with. Opening the link shows the tickets, once. */
export const mailTickets = (email: string) => content(publicApi.POST("/lost-tickets", { body: { email } }));
export const openTickets = (token: string) => content(publicApi.POST("/lost-tickets/open", { body: { token } }));
/** Load all data about buyers without an account who typed the address of a link. The token is the `data_token` of the opened link. */
export const exportAddress = (token: string) =>
  allPages((cursor) => content(publicApi.POST("/lost-tickets/export", { body: { token, cursor } })));
export const eraseAddress = (token: string) => content(publicApi.POST("/lost-tickets/erase", { body: { token } }));
export const resetPassword = (token: string, password: string) =>
  content(publicApi.POST("/auth/password/reset", { ...COOKIE, body: { token, password } }));

/** Load a page of the buyer's orders, newest first. */
export const listOrders = (cursor?: string) => content(buyer.GET("/orders", { params: { query: { cursor } } }));
export const getOrder = (order_id: string) => content(buyer.GET("/orders/{order_id}", { params: { path: { order_id } } }));

/** Load all data about the buyer. */
export const exportMe = () => allPages((cursor) => content(buyer.GET("/me/export", { params: { query: { cursor } } })));

/** Load all pages of an export, as one. */
async function allPages<T extends Schemas["AddressExportView"] | Schemas["ExportView"]>(ask: (cursor?: string) => Promise<T>) {
  const kept = await ask();
  for (let cursor = kept.next_cursor; cursor; ) {
    const page = await ask(cursor);
    kept.orders.push(...page.orders);
    kept.tickets.push(...page.tickets);
    kept.seats.push(...page.seats);
    Object.assign(kept.ticket_emails, page.ticket_emails);
    cursor = page.next_cursor;
  }
  return { ...kept, next_cursor: undefined };
}
/** Delete the account, or the data of a guest, who has no password. */
export const eraseMe = (password?: string) => content(buyer.DELETE("/auth/me", { body: { password } }));

function withKey(key: string) {
  return { "Idempotency-Key": key };
}
