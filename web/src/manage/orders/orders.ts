/** API calls for an event's orders, disputes and refunds. */

import { content, type Schemas } from "../../client";
import { manager, withKey } from "../api";
import { loadFile } from "../parts/csv-file";

export type ListedOrder = Schemas["ListedOrder"];
export type ManagedOrder = Schemas["AdminOrderView"];
export type RefundRequest = Schemas["RefundBody"];
export type Preview = Schemas["RefundPreviewView"];

export interface Filters {
  status: "" | "paid" | "partially_refunded" | "refunded" | "disputed" | "failed" | "complimentary" | "return_requested";
  /** A number, code, email address or name; empty for all orders. */
  search: string;
}

/** Find orders of all events by their number, a ticket's code or an email address, for admins. There is one page. */
export const findOrders = (search: string) => content(manager.GET("/orders", { params: { query: { search, limit: 50 } } }));
/** List a person's orders for all events, for admins. */
export const listUserOrders = (user_id: string, cursor?: string) => content(manager.GET("/orders", { params: { query: { user_id, limit: 20, cursor } } }));

const orderParams = (order_id: string) => ({ params: { path: { order_id } } });

export const listEventOrders = (event_id: string, { status, search }: Filters, cursor?: string) =>
  content(
    manager.GET("/orders", { params: { query: { event_id, status: status || undefined, search: search || undefined, limit: 50, cursor } } }),
  );

export type Person = Schemas["AttendeeView"];

export interface PeopleFilters {
  /** What the search of orders finds; empty for everybody. */
  search: string;
  /** A ticket type; empty for all. */
  tier_id: string;
  /** Empty: everybody who is expected. */
  show: "" | "in" | "out" | "frozen" | "void";
}

const peopleQuery = ({ search, tier_id, show }: PeopleFilters) => ({
  search: search || undefined,
  tier_id: tier_id || undefined,
  state: show === "frozen" || show === "void" ? show : undefined,
  came_in: show === "in" ? true : show === "out" ? false : undefined,
});

/** List the people whom an event's tickets admit. Continues while pages are empty, because few of many people may match. */
export async function listAttendees(event_id: string, filters: PeopleFilters, cursor?: string): Promise<Schemas["AttendeesView"]> {
  for (;;) {
    const query = { ...peopleQuery(filters), limit: 50, cursor };
    const page = (await content(manager.GET("/events/{event_id}/attendees", { params: { path: { event_id }, query } }))) as Schemas["AttendeesView"]; // not as CSV
    if (page.attendees.length > 0 || page.next_cursor === null) return page;
    cursor = page.next_cursor;
  }
}

/** Build one CSV file of all people who match. */
export const exportAttendees = (event_id: string, filters: PeopleFilters) =>
  loadFile((part) =>
    manager.GET("/events/{event_id}/attendees", {
      params: { path: { event_id }, query: { ...peopleQuery(filters), ...part, limit: 1000, format: "csv" } },
      parseAs: "text",
    }),
  );

export type Dispute = Schemas["EventDisputeView"];

/** List an event's disputes. */
export const listDisputes = (event_id: string, cursor?: string) =>
  content(manager.GET("/events/{event_id}/disputes", { params: { path: { event_id }, query: { limit: 50, cursor } } }));
export const getManagedOrder = (order_id: string) => content(manager.GET("/admin/orders/{order_id}", orderParams(order_id)));
export const previewRefund = (order_id: string, body: RefundRequest) =>
  content(manager.POST("/admin/orders/{order_id}/refunds/preview", { ...orderParams(order_id), body }));
/** Refund an order. A repeated call with the same key refunds once. */
export const refundOrder = (order_id: string, body: RefundRequest, key: string) =>
  content(manager.POST("/admin/orders/{order_id}/refunds", { params: { path: { order_id }, header: withKey(key) }, body }));
/** Send an order's tickets again, to this address. */
export const resendTickets = (order_id: string, email: string) => content(manager.PUT("/admin/orders/{order_id}/email", { ...orderParams(order_id), body: { email } }));
/** Change the name on a ticket; null removes it. */
export const nameTicket = (order_id: string, ticket_id: string, name: string | null) =>
  content(manager.PUT("/admin/orders/{order_id}/tickets/{ticket_id}/name", { params: { path: { order_id, ticket_id } }, body: { name } }));
/** Accept a buyer's request to return tickets, which refunds them, or decline it with an answer to the buyer. */
export const decideReturn = (order_id: string, number: number, accept: boolean, answer: string | null) =>
  content(manager.POST("/admin/orders/{order_id}/return-requests/{request_number}", { params: { path: { order_id, request_number: String(number) } }, body: { accept, answer } }));
export const retryRefund = (order_id: string, refund_id: string) =>
  content(manager.POST("/admin/orders/{order_id}/refunds/{refund_id}/retry", { params: { path: { order_id, refund_id } } }));
