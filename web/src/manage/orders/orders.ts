/** API calls for an event's orders, disputes and refunds. */

import { content, type Schemas } from "../../client";
import { manager, withKey } from "../api";

export type ListedOrder = Schemas["OrderView"];
export type ManagedOrder = Schemas["AdminOrderView"];
export type RefundRequest = Schemas["RefundBody"];
export type Preview = Schemas["RefundPreviewView"];

export interface Filters {
  status: "" | "paid" | "partially_refunded" | "refunded" | "disputed" | "failed";
  /** A number, code, email address or name; empty for all orders. */
  search: string;
}

const orderParams = (order_id: string) => ({ params: { path: { order_id } } });

export const listEventOrders = (event_id: string, { status, search }: Filters, cursor?: string) =>
  content(
    manager.GET("/orders", { params: { query: { event_id, status: status || undefined, search: search || undefined, limit: 50, cursor } } }),
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
export const retryRefund = (order_id: string, refund_id: string) =>
  content(manager.POST("/admin/orders/{order_id}/refunds/{refund_id}/retry", { params: { path: { order_id, refund_id } } }));

const ORDER_ID = /^([0-9A-HJKMNP-TV-Z]{26})(-\d{1,2})?$/;

/** The order id in an order or ticket number; null for anything else. */
export const parseOrderId = (words: string): string | null => ORDER_ID.exec(words.trim().toUpperCase())?.[1] ?? null;
