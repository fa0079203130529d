/**
 * The list of all pages for managers. To add a page, write its component in the folder of its room and add it here; navigation, access
 * checks and loading follow from the entry (docs/web.md).
 */

import type { ComponentType } from "preact";
import type { Right } from "./rights";
import type { RoomTexts } from "./texts";

export interface Page {
  /** The address. With `:eventId`, it is a page of an event, and `useManagedEvent` returns that event. */
  path: string;
  /** The name in the navigation and the window title. */
  name: keyof RoomTexts["pages"];
  /** The right that is needed to see and open the page; null for everyone. */
  right: Right | null;
  /** Whether the page is in the navigation. */
  isListed: boolean;
  /** The address of the listed page to which a page belongs that is not listed, if its own address does not begin with it. */
  under?: string;
  load: () => Promise<ComponentType>;
}

const ALL_PAGES: (Page | false)[] = [
  {
    path: "/manage",
    name: "events",
    right: null,
    isListed: true,
    load: async () => (await import("./events/event-list")).EventList,
  },
  ADDONS.outgoing_webhooks && {
    path: "/manage/webhooks",
    name: "webhooks",
    right: "manageWebhooks",
    isListed: true,
    load: async () => (await import("./webhooks/webhooks-page")).WebhooksPage,
  },
  ADDONS.outgoing_webhooks && {
    path: "/manage/webhooks/:promoterId",
    name: "webhooks",
    right: "manageWebhooks",
    isListed: false,
    load: async () => (await import("./webhooks/webhooks-page")).WebhooksPage,
  },
  ADDONS.outgoing_webhooks && {
    path: "/manage/webhooks/:promoterId/:endpointId/failed",
    name: "replay",
    right: "manageWebhooks",
    isListed: false,
    load: async () => (await import("./webhooks/replay-page")).ReplayPage,
  },
  {
    path: "/manage/api-keys",
    name: "apiKeys",
    right: "editOwnProfile",
    isListed: true,
    load: async () => (await import("./profile/api-keys-page")).ApiKeysPage,
  },
  ADDONS.reports && {
    path: "/manage/activity",
    name: "activity",
    right: "editOwnProfile",
    isListed: true,
    load: async () => (await import("./profile/activity-page")).ActivityPage,
  },
  {
    path: "/manage/profile",
    name: "profile",
    right: "editOwnProfile",
    isListed: true,
    load: async () => (await import("./profile/profile-page")).ProfilePage,
  },
  {
    path: "/manage/events/new",
    name: "newEvent",
    right: "createEvents",
    isListed: false,
    load: async () => (await import("./events/new-event")).NewEvent,
  },
  {
    path: "/manage/events/:eventId",
    name: "overview",
    right: "seeEvent",
    isListed: true,
    load: async () => (await import("./events/overview")).Overview,
  },
  {
    path: "/manage/events/:eventId/facts",
    name: "facts",
    right: "editEvent",
    isListed: true,
    load: async () => (await import("./events/edit-event")).EditEvent,
  },
  {
    path: "/manage/events/:eventId/tickets",
    name: "tickets",
    right: "managePackages",
    isListed: true,
    load: async () => (await import("./tickets/ticket-list")).TicketList,
  },
  {
    path: "/manage/events/:eventId/tickets/:tierId",
    name: "ticket",
    right: "managePackages",
    isListed: false,
    load: async () => (await import("./tickets/ticket-editor")).TicketEditor,
  },
  {
    path: "/manage/events/:eventId/promo-codes",
    name: "promoCodes",
    right: "managePromoCodes",
    isListed: true,
    load: async () => (await import("./promo-codes/code-list")).CodeList,
  },
  {
    path: "/manage/events/:eventId/people",
    name: "people",
    right: "manageStaff",
    isListed: true,
    load: async () => (await import("./people/people-page")).PeoplePage,
  },
  ADDONS.reports && {
    path: "/manage/events/:eventId/history",
    name: "history",
    right: "seeHistory",
    isListed: true,
    load: async () => (await import("./history/history-page")).HistoryPage,
  },
  {
    path: "/manage/events/:eventId/live",
    name: "live",
    right: "watchSale",
    isListed: true,
    load: async () => (await import("./live/live-page")).LivePage,
  },
  {
    path: "/manage/events/:eventId/orders",
    name: "orders",
    right: "seeOrders",
    isListed: true,
    load: async () => (ADDONS.reports ? (await import("./orders/order-list")).OrderList : (await import("./orders/find-order")).FindOrder),
  },
  {
    path: "/manage/events/:eventId/orders/:orderId",
    name: "order",
    right: "seeOrders",
    isListed: false,
    load: async () => (await import("./orders/order-page")).OrderPage,
  },
  {
    path: "/manage/events/:eventId/bank-transfers",
    name: "bankTransfers",
    right: "refundOrders",
    isListed: false,
    under: "/manage/events/:eventId/orders",
    load: async () => (await import("./orders/bank-transfers")).BankTransfers,
  },
  ADDONS.reports && {
    path: "/manage/events/:eventId/attendees",
    name: "attendees",
    right: "seeOrders",
    isListed: true,
    load: async () => (await import("./orders/attendee-list")).AttendeeList,
  },
  ADDONS.waitlist && {
    path: "/manage/events/:eventId/waitlist",
    name: "waitlist",
    right: "seeWaitlist",
    isListed: true,
    load: async () => (await import("./waitlist/waitlist-page")).WaitlistPage,
  },
  ADDONS.messages && {
    path: "/manage/events/:eventId/messages",
    name: "messages",
    right: "seeMessages",
    isListed: true,
    load: async () => (await import("./messages/event-messages")).EventMessages,
  },
  ADDONS.reports && {
    path: "/manage/events/:eventId/sales",
    name: "sales",
    right: "seeFigures",
    isListed: true,
    load: async () => (await import("./sales/sales-page")).SalesPage,
  },
  ADDONS.reports && {
    path: "/manage/compare",
    name: "compare",
    right: "seeFigures",
    isListed: true,
    load: async () => (await import("./sales/compare-page")).ComparePage,
  },
  {
    path: "/manage/users",
    name: "users",
    right: "administerShop",
    isListed: true,
    load: async () => (await import("./users/users-page")).UsersPage,
  },
  {
    path: "/manage/promoters",
    name: "promoters",
    right: "administerShop",
    isListed: true,
    load: async () => (await import("./admin/promoters-page")).PromotersPage,
  },
  {
    path: "/manage/catalog",
    name: "catalog",
    right: "administerShop",
    isListed: true,
    load: async () => (await import("./catalog/catalog-page")).CatalogPage,
  },
  {
    path: "/manage/catalog/versions/:version",
    name: "version",
    right: "administerShop",
    isListed: false,
    load: async () => (await import("./catalog/version-page")).VersionPage,
  },
  {
    path: "/manage/system",
    name: "system",
    right: "administerShop",
    isListed: true,
    load: async () => (await import("./admin/system-page")).SystemPage,
  },
  ADDONS.messages && {
    path: "/manage/messages",
    name: "problemMessages",
    right: "administerShop",
    isListed: true,
    load: async () => (await import("./messages/problem-messages")).ProblemMessages,
  },
  {
    path: "/manage/payouts",
    name: "payouts",
    right: "administerShop",
    isListed: true,
    load: async () => (await import("./cases/payouts-page")).PayoutsPage,
  },
  {
    path: "/manage/cases",
    name: "cases",
    right: "closeCases",
    isListed: true,
    load: async () => (await import("./cases/cases-page")).CasesPage,
  },
];

/** The pages of the core and of the stage's add-ons. */
export const PAGES = ALL_PAGES.filter((page) => page !== false);
