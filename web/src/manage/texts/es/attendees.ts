/** The people whom an event's tickets admit. */

import type { attendeeTexts as english } from "../en/attendees";

export const attendeeTexts: typeof english = {
  title: "Asistentes",
  csv: "Descargar en CSV",
  search: "Nombre, correo, código o número de pedido",
  find: "Buscar",
  kind: "Tipo de entrada",
  allKinds: "Todos",
  show: "Mostrar",
  shown: {
    expected: "Con entrada válida",
    in: "Ha entrado",
    out: "Aún no ha llegado",
    frozen: "Bloqueada por una disputa",
    void: "Anulada",
  },
  note: "Una línea por cada persona a la que da acceso una entrada. Usa los correos solo para este evento: en el historial queda quién abre o descarga esta lista.",
  none: "No hay asistentes",
  noneText: "Aparecen aquí en cuanto alguien compra.",
  noMatch: "No coincide nadie. Los códigos, números y correos tienen que estar completos; de los nombres basta el principio. Las compras de los últimos segundos pueden faltar.",
  person: "Persona",
  guestOf: (owner) => `Invitado de ${owner}`,
  noName: "Sin nombre ni correo",
  ticket: "Entrada",
  door: "En la puerta",
  cameIn: (time, gate) => `${time}${gate ? `, puerta ${gate}` : ""}`,
  doorStates: { valid: "Aún no ha llegado", frozen: "Bloqueada por una disputa", void: "Anulada" },
  order: "Pedido",
  answers: "Respuestas",
};
