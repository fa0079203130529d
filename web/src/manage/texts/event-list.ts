/** The list of events that somebody manages or works at. */

import type { InEachLanguage } from "../texts";

const en = {
  title: "Your events",
  all: "All events",
  create: "New event",
  search: "Find an event",
  none: "No events yet",
  noneText: "Create your first one: it stays a draft, which only you and your team see, until you publish it.",
  noneFits: "No event fits",
  noDate: "No date yet",
  upcoming: "Upcoming and on sale",
  drafts: "Drafts",
  over: "Over or cancelled",
};

const es: typeof en = {
  title: "Tus eventos",
  all: "Todos los eventos",
  create: "Evento nuevo",
  search: "Buscar un evento",
  none: "Todavía no hay eventos",
  noneText: "Crea el primero: será un borrador que solo veis tú y tu equipo hasta que lo publiques.",
  noneFits: "Ningún evento coincide",
  noDate: "Sin fecha todavía",
  upcoming: "Próximos y a la venta",
  drafts: "Borradores",
  over: "Pasados o cancelados",
};

export const eventListTexts: InEachLanguage<typeof en> = { en, es };
