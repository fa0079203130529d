/** The texts about access codes of a waiting room, in Spanish. */

import type { accessTexts as english } from "./en-access";

export const accessTexts: typeof english = {
  intro: "Para entrar necesitas un código del promotor. Cada código vale para tantas personas como haya decidido el promotor.",
  joined: "Si ya entraste con esta cuenta, deja el campo vacío.",
  code: "Código de acceso",
  refused: {
    code_required: "Escribe el código que te dio el promotor.",
    code_invalid: "Este código no vale para esta sala de espera. Puede que esté mal escrito, haya caducado o se haya anulado.",
    code_used: "Otras personas ya han agotado este código. Pide otro al promotor.",
  },
  appeal: "¿Es un error? Escribe al promotor",
  text: "¿Qué ha pasado?",
  note: "Puedes escribir una sola vez. El promotor responde en esta página y puede darte un puesto. Borramos tu mensaje una semana después de la venta.",
  send: "Enviar al promotor",
  status: { open: "El promotor tiene tu mensaje", granted: "El promotor te ha dado un puesto", denied: "El promotor no te ha dado un puesto" },
  wait: "Vuelve a esta página con este navegador para ver la respuesta. Si te dan un puesto antes de que se cierre el sorteo, participas en él aunque no estés conectado.",
  failures: {
    appeal_exists: "Ya has escrito al promotor sobre este evento.",
    too_many_appeals: "El promotor ya no puede recibir más mensajes sobre este evento.",
    refusal_unknown: "Intenta entrar otra vez y luego escribe tu mensaje.",
    waiting_room_stopped: "Ya no se puede entrar en esta sala de espera." },
};
