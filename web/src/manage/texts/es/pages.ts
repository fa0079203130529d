/** The names of the pages in the navigation and the window title. */

import type { pageNames as english } from "../en/pages";

export const pageNames: typeof english = {
  events: "Eventos",
  webhooks: "Webhooks",
  replay: "Reenviar envíos fallidos",
  profile: "Tu perfil",
  newEvent: "Evento nuevo",
  overview: "Resumen",
  facts: "Datos",
  tickets: "Entradas",
  ticket: "Entrada",
  promoCodes: "Códigos",
  people: "Equipo",
  history: "Historial",
  live: "Venta en directo",
  orders: "Pedidos",
  order: "Pedido",
  attendees: "Asistentes",
  waitlist: "Lista de espera",
  messages: "Correos",
  sales: "Ventas e ingresos",
  compare: "Comparar eventos",
  users: "Usuarios",
  promoters: "Promotores",
  catalog: "Catálogo",
  version: "Restaurar una versión",
  system: "Sistema",
  problemMessages: "Problemas de correo",
  payouts: "Transferencias",
  cases: "Incidencias abiertas",
};
