/** The texts about what has changed at an event, in Spanish. */

import type { changeTexts as english } from "./en-changes";

export const changeTexts: typeof english = {
  before: "antes:",
  fields: {
    price_cents: "Precio",
    admits: "Personas por entrada",
    capacity: "Número de entradas",
    per_user_limit: "Máximo de entradas por pedido",
    purchase_limit: "Máximo de entradas por persona",
    on_sale_at: "Apertura de la venta",
    starts_at: "Inicio del evento",
    sale_starts_at: "A la venta desde",
    sale_ends_at: "A la venta hasta",
  },
  on: { on_sale: "Se pone a la venta", requires_code: "Solo con código de acceso", has_waiting_room: "Con sala de espera", has_ballot: "Entradas por sorteo", needs_ballot_card: "El sorteo pide guardar una tarjeta", better_odds: "Más posibilidades tras sorteos sin suerte", needs_address: "Un puesto en la cola por cada correo", needs_account: "Puesto en la cola solo con cuenta", needs_access_code: "Puesto en la cola solo con un código del promotor", needs_card: "Un puesto en la cola por cada tarjeta" },
  off: { on_sale: "Se retira de la venta", requires_code: "Ya no hace falta código de acceso", has_waiting_room: "Sin sala de espera", has_ballot: "Ya no hay sorteo de entradas", needs_ballot_card: "El sorteo ya no pide tarjeta", better_odds: "Sin más posibilidades tras sorteos sin suerte", needs_address: "Puesto en la cola para todo el mundo", needs_account: "Puesto en la cola sin cuenta", needs_access_code: "Puesto en la cola sin código", needs_card: "Puesto en la cola sin tarjeta" },
  noLimit: "sin límite",
  noTime: "sin fecha",
};
