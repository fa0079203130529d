/** The list of events that a person sells or works at. */

import type { eventListTexts as english } from "../en/event-list";

export const eventListTexts: typeof english = {
  title: "Tus eventos",
  all: "Todos los eventos",
  create: "Evento nuevo",
  search: "Buscar un evento",
  none: "Todavía no hay eventos",
  noneText: "Crea el primero. Será un borrador, que solo veis tú y tu equipo, hasta que lo publiques.",
  noMatch: "Ningún evento coincide con la búsqueda",
  noDate: "Sin fecha todavía",
  sold: (count, capacity) =>
    capacity === null ? `Vendidas: ${count.toLocaleString("es")}` : `Vendidas: ${count.toLocaleString("es")} de ${capacity.toLocaleString("es")}`,
  upcoming: "Próximos y a la venta",
  drafts: "Borradores",
  past: "Pasados o cancelados",
  leave: "Dejar el evento",
  leaveNow: "Sí, dejar este evento",
  leaveText: "Dejas de trabajar en este evento. Para volver necesitas otra invitación.",
};
