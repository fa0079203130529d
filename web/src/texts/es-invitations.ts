/** The texts about invitations to work at an event, in Spanish. */

import type { invitationTexts as english } from "./en-invitations";

export const invitationTexts: typeof english = {
  title: "Invitaciones",
  lead: "Te han invitado a trabajar en estos eventos. Acepta solo las que esperabas.",
  unnamed: "Un evento cuyo promotor la tienda todavía no ha verificado",
  as: { coordinator: "En la coordinación", staff: "En la puerta", cashier: "En la taquilla", accountant: "En la contabilidad" },
  accept: "Aceptar",
  decline: "Rechazar",
  declined: "Rechazada.",
};
