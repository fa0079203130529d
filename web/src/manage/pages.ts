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
    path: "/manage/webhooks",
    name: { en: "Webhooks", es: "Webhooks" },
    right: "manageWebhooks",
    isListed: true,
    load: async () => (await import("./webhooks/webhooks-page")).WebhooksPage,
  },
  {
    path: "/manage/webhooks/:promoterId/:endpointId/failed",
    name: { en: "Send again what failed", es: "Enviar otra vez lo que falló" },
    right: "manageWebhooks",
    isListed: false,
    load: async () => (await import("./webhooks/replay-page")).ReplayPage,
  },
  {
    path: "/manage/profile",
    name: { en: "Your profile", es: "Tu perfil" },
    right: "editOwnProfile",
    isListed: true,
    load: async () => (await import("./profile/profile-page")).ProfilePage,
  },
  {
    path: "/manage/events/new",
    name: { en: "New event", es: "Evento nuevo" },
    right: "createEvents",
    isListed: false,
    load: async () => (await import("./events/new-event")).NewEvent,
  },
  {
    path: "/manage/events/:eventId",
    name: { en: "Overview", es: "Resumen" },
    right: "seeEvent",
    isListed: true,
    load: async () => (await import("./events/overview")).Overview,
  },
  {
    path: "/manage/events/:eventId/facts",
    name: { en: "Facts", es: "Datos" },
    right: "editEvent",
    isListed: true,
    load: async () => (await import("./events/edit-event")).EditEvent,
  },
  {
    path: "/manage/events/:eventId/tickets",
    name: { en: "Tickets", es: "Entradas" },
    right: "managePackages",
    isListed: true,
    load: async () => (await import("./tickets/ticket-list")).TicketList,
  },
  {
    path: "/manage/events/:eventId/tickets/:tierId",
    name: { en: "Ticket", es: "Entrada" },
    right: "managePackages",
    isListed: false,
    load: async () => (await import("./tickets/ticket-editor")).TicketEditor,
  },
  {
    path: "/manage/events/:eventId/promo-codes",
    name: { en: "Promo codes", es: "Códigos" },
    right: "managePromoCodes",
    isListed: true,
    load: async () => (await import("./promo-codes/code-list")).CodeList,
  },
  {
    path: "/manage/events/:eventId/people",
    name: { en: "People", es: "Equipo" },
    right: "manageStaff",
    isListed: true,
    load: async () => (await import("./people/people-page")).PeoplePage,
  },
  {
    path: "/manage/events/:eventId/history",
    name: { en: "History", es: "Historial" },
    right: "seeHistory",
    isListed: true,
    load: async () => (await import("./history/history-page")).HistoryPage,
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
  {
    path: "/manage/events/:eventId/waitlist",
    name: { en: "Waitlist", es: "Lista de espera" },
    right: "seeWaitlist",
    isListed: true,
    load: async () => (await import("./waitlist/waitlist-page")).WaitlistPage,
  },
  {
    path: "/manage/events/:eventId/messages",
    name: { en: "Mails", es: "Correos" },
    right: "seeMessages",
    isListed: true,
    load: async () => (await import("./messages/event-messages")).EventMessages,
  },
  {
    path: "/manage/events/:eventId/sales",
    name: { en: "Sales and money", es: "Ventas y dinero" },
    right: "seeFigures",
    isListed: true,
    load: async () => (await import("./sales/sales-page")).SalesPage,
  },
  {
    path: "/manage/compare",
    name: { en: "Compare events", es: "Comparar eventos" },
    right: "seeFigures",
    isListed: true,
    load: async () => (await import("./sales/compare-page")).ComparePage,
  },
  {
    path: "/manage/users",
    name: { en: "Users", es: "Usuarios" },
    right: "administerShop",
    isListed: true,
    load: async () => (await import("./users/users-page")).UsersPage,
  },
  {
    path: "/manage/promoters",
    name: { en: "Promoters", es: "Promotores" },
    right: "administerShop",
    isListed: true,
    load: async () => (await import("./admin/promoters-page")).PromotersPage,
  },
  {
    path: "/manage/catalog",
    name: { en: "Catalog", es: "Catálogo" },
    right: "administerShop",
    isListed: true,
    load: async () => (await import("./catalog/catalog-page")).CatalogPage,
  },
  {
    path: "/manage/catalog/versions/:version",
    name: { en: "Restore a version", es: "Restaurar una versión" },
    right: "administerShop",
    isListed: false,
    load: async () => (await import("./catalog/version-page")).VersionPage,
  },
  {
    path: "/manage/system",
    name: { en: "System", es: "Sistema" },
    right: "administerShop",
    isListed: true,
    load: async () => (await import("./admin/system-page")).SystemPage,
  },
  {
    path: "/manage/messages",
    name: { en: "Mails with problems", es: "Correos con problemas" },
    right: "administerShop",
    isListed: true,
    load: async () => (await import("./messages/problem-messages")).ProblemMessages,
  },
  {
    path: "/manage/payouts",
    name: { en: "Payouts", es: "Pagos al banco" },
    right: "administerShop",
    isListed: true,
    load: async () => (await import("./cases/payouts-page")).PayoutsPage,
  },
  {
    path: "/manage/cases",
    name: { en: "Open cases", es: "Casos abiertos" },
    right: "closeCases",
    isListed: true,
    load: async () => (await import("./cases/cases-page")).CasesPage,
  },
];
