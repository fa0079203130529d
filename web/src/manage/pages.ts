/**
 * The pages for those who manage: one entry each. To add a page, write its component in a folder of its room and add it here; the navigation,
 * the check of rights and the loading follow from that (docs/web.md).
 */

import type { ComponentType } from "preact";
import type { Language } from "../texts";
import type { Right } from "./rights";

export interface Page {
  /** The address; `:eventId` makes it a page of an event, which `useManagedEvent` has then loaded. */
  path: string;
  /** What the navigation and the title of the window call it. */
  name: Record<Language, string>;
  /** Who may not do this neither sees nor opens the page. */
  right: Right | null;
  /** Whether the navigation lists it. */
  isListed: boolean;
  load: () => Promise<ComponentType>;
}

export const PAGES: Page[] = [
  {
    path: "/manage",
    name: { en: "Events", es: "Eventos" },
    right: null,
    isListed: true,
    load: async () => (await import("./events/event-list")).EventList,
  },
  {
    path: "/manage/events/:eventId/live",
    name: { en: "Live sale", es: "Venta en directo" },
    right: "watchSale",
    isListed: true,
    load: async () => (await import("./live/live-page")).LivePage,
  },
  {
    path: "/manage/events/:eventId/orders",
    name: { en: "Orders", es: "Pedidos" },
    right: "seeOrders",
    isListed: true,
    load: async () => (await import("./orders/order-list")).OrderList,
  },
  {
    path: "/manage/events/:eventId/orders/:orderId",
    name: { en: "Order", es: "Pedido" },
    right: "seeOrders",
    isListed: false,
    load: async () => (await import("./orders/order-page")).OrderPage,
  },
];
