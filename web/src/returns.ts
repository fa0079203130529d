/** The calls that return tickets, or offer them for resale. Only the pages of accounts and of mailed links load them. */

import { buyer, type ReturnReason } from "./api";
import { content, publicApi } from "./client";

/** Return all tickets of an order that can be returned. */
export const returnTickets = (order_id: string, reason?: ReturnReason) => content(buyer.POST("/orders/{order_id}/return", { params: { path: { order_id } }, body: { reason } }));
export const returnFoundTickets = (token: string, order_id: string, reason?: ReturnReason) =>
  content(publicApi.POST("/lost-tickets/return", { body: { token, order_id, reason } }));
export const changeResale = (order_id: string, tickets: string[], listed: boolean) =>
  content(buyer.POST("/orders/{order_id}/resale", { params: { path: { order_id } }, body: { tickets, listed } }));
export const changeFoundResale = (token: string, order_id: string, tickets: string[], listed: boolean) =>
  content(publicApi.POST("/lost-tickets/resale", { body: { token, order_id, tickets, listed } }));
/** Withdraw a request to return tickets, on which the managers have not decided. */
export const withdrawReturn = (order_id: string, number: number) =>
  content(buyer.DELETE("/orders/{order_id}/return-requests/{request_number}", { params: { path: { order_id, request_number: String(number) } } }));
export const withdrawFoundReturn = (token: string, order_id: string, request_number: number) =>
  content(publicApi.POST("/lost-tickets/withdraw-return", { body: { token, order_id, request_number } }));
