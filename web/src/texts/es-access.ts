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
  failures: { waiting_room_stopped: "Ya no se puede entrar en esta sala de espera." },
};
