/** The texts about messages before a turn, in Spanish. */

import type { mailTexts as english } from "./en-mails";

export const mailTexts: typeof english = {
  ask: "Avisarme antes de mi turno",
  afterDraw: (email) => `${email ? `Enviaremos un correo a ${email}` : "Te enviaremos un correo"} con tu puesto después del sorteo y otro unos cinco minutos antes de tu turno.`,
  beforeTurn: (email) => `${email ? `Enviaremos un correo a ${email}` : "Te enviaremos un correo"} unos cinco minutos antes de tu turno.`,
  pushAfterDraw: "Este navegador te mostrará una notificación con tu puesto después del sorteo y otra unos cinco minutos antes de tu turno.",
  pushBeforeTurn: "Este navegador te mostrará una notificación unos cinco minutos antes de tu turno.",
  blocked: "Tu navegador bloquea las notificaciones de esta web, así que te avisaremos por correo.",
  emailToo: "Avisarme también por correo",
  accountToo: "Si has confirmado la dirección de tu cuenta, también te avisaremos por correo.",
  stop: "No quiero más avisos",
  failures: { turn_not_ahead: "Tu turno ya ha empezado, así que no podemos avisarte antes." },
};
