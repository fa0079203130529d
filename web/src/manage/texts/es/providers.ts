/** Names for payments that involve no payment company. */

import type { providerTexts as english } from "../en/providers";

export const providerTexts: typeof english = {
  free: "Nada que pagar",
  simulated: "Simulado",
  imported: "Importado de otro sistema",
  complimentary: "Invitación",
  box_office: "Taquilla",
  bank_transfer: "Transferencia bancaria",
};
