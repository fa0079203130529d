/** Disputes: what a bank says, and what helps against it. The reasons are those of the provider. */

import type { disputeTexts as english } from "../en/disputes";

const reasons: Record<string, string> = {
  fraudulent: "La persona titular de la tarjeta dice que no hizo este pago",
  unrecognized: "La persona titular de la tarjeta no reconoce el pago",
  product_not_received: "Quien compró dice que no recibió entradas",
  product_unacceptable: "Quien compró dice que no era lo que había comprado",
  duplicate: "Quien compró dice que pagó dos veces",
  credit_not_processed: "Quien compró dice que un reembolso no llegó",
  general: "Ningún motivo de los habituales",
};
const advice: Record<string, string> = {
  fraudulent: "Demuestra que la persona titular compró o usó las entradas: el pedido con su correo, y del Historial quién las escaneó, cuándo y dónde.",
  unrecognized: "Demuestra qué se compró: el pedido, el evento y su fecha. A menudo quien compró lo ha olvidado, y escribirle ayuda.",
  product_not_received: "Demuestra que las entradas llegaron: el estado de los correos (Correos), y del Historial cuándo se usaron en la puerta.",
  product_unacceptable: "Demuestra qué prometía la página del evento y qué tuvo lugar. Si algo cambió, di cuándo se informó.",
  duplicate: "Busca los otros pedidos de la misma persona. Si hay dos, demuestra que ambos tienen entradas propias; si uno fue un error, acepta la disputa.",
  credit_not_processed: "Demuestra el reembolso, que figura en el pedido con su fecha. Si no se prometió ninguno, muestra tus condiciones.",
};

export const disputeTexts: typeof english = {
  none: "No hay disputas",
  noneText: "Si el banco de quien compró reclama dinero, estará aquí, con el plazo para responder.",
  amount: "El banco reclama",
  reason: "Motivo",
  since: "Desde",
  due: "Responde antes del",
  order: "Pedido",
  reasons,
  advice,
  generalAdvice: "Muestra el pedido, sus correos y, del Historial, cuándo se usaron las entradas.",
  where: "Responde en el panel del proveedor. Hasta que el banco decida, con las entradas no entra nadie y nada del pedido se puede reembolsar.",
  outcomes: {
    won: "El banco te ha dado la razón: el dinero ha vuelto y las entradas valen.",
    lost: "El banco ha dado la razón a quien compró: el dinero es suyo y dejan de valer entradas por ese importe.",
  },
};
