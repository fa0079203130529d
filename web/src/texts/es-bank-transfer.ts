/** The texts about paying by bank transfer, in Spanish. */

import type { bankTransferTexts as english } from "./en-bank-transfer";

export const bankTransferTexts: typeof english = {
  choose: (days) => (days === 1 ? "Pago por transferencia en el plazo de un día" : `Pago por transferencia en el plazo de ${days} días`),
  title: "Haz la transferencia a esta cuenta",
  holder: "Titular",
  amount: "Importe",
  reference: "Concepto",
  received: (amount, missing) => `Hemos recibido ${amount}. Faltan ${missing}.`,
  until: "Te guardamos las entradas hasta que llegue el dinero, como máximo hasta:",
  note: "Indica exactamente este importe y este concepto. Te enviamos las entradas por correo en cuanto el vendedor reciba el dinero.",
};
