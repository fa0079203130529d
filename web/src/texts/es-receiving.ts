/** The texts for people who are offered a ticket, in Spanish. */

import type { receivingTexts as english } from "./en-receiving";

export const receivingTexts: typeof english = {
  from: (giver) => `${giver ?? "Alguien"} tiene una entrada para ti.`,
  meaning: (giver) =>
    `Si la aceptas, la entrada será solo tuya. Recibirás un código nuevo y el de ${giver ?? "quien te envió el enlace"} dejará de valer. Aquí no pagas nada. Podrás transferirla a otra persona mientras no se haya usado.`,
  openUntil: (when) => `Puedes aceptarla hasta el ${when}.`,
  emailNote: "Te enviamos la entrada a este correo. Si la pierdes, podrás recuperarla con el mismo correo.",
  accept: "Aceptar la entrada",
  doneTitle: "La entrada ya es tuya",
  doneText: "Tiene un código nuevo y el anterior ya no vale.",
  mailedTo: (email) => `También te la enviamos a ${email}.`,
  failures: {
    transfer_not_found: "Este enlace ya se ha usado o se ha cancelado. Pide uno nuevo a quien te lo envió.",
    transfer_expired: "Este enlace ha caducado. Pide uno nuevo a quien te lo envió.",
    transfer_to_self: "Esta entrada ya es tuya. Envía el enlace a la persona que la va a usar.",
  },
};
