/** Disputes: what a bank says, and what helps against it. The reasons are those of the provider. */

import type { InEachLanguage } from "../texts";

const reasonsEn: Record<string, string> = {
  fraudulent: "The holder of the card says that they did not pay this",
  unrecognized: "The holder of the card does not recognize the payment",
  product_not_received: "The buyer says that they got no tickets",
  product_unacceptable: "The buyer says that it was not what they bought",
  duplicate: "The buyer says that they paid twice",
  credit_not_processed: "The buyer says that a refund did not arrive",
  general: "No reason of the usual ones",
};
const reasonsEs: typeof reasonsEn = {
  fraudulent: "La persona titular de la tarjeta dice que no hizo este pago",
  unrecognized: "La persona titular de la tarjeta no reconoce el pago",
  product_not_received: "Quien compró dice que no recibió entradas",
  product_unacceptable: "Quien compró dice que no era lo que había comprado",
  duplicate: "Quien compró dice que pagó dos veces",
  credit_not_processed: "Quien compró dice que un reembolso no llegó",
  general: "Ningún motivo de los habituales",
};
const adviceEn: Record<string, string> = {
  fraudulent: "Show that the holder has bought or used the tickets: the order with its mail address, and from History who let the tickets in, when and where.",
  unrecognized: "Show what was bought: the order, the event and its date. Often the buyer has forgotten it, and writing to them helps.",
  product_not_received: "Show that the tickets arrived: the state of the mails (Mails), and from History when they were used at the door.",
  product_unacceptable: "Show what the page of the event promised and what took place. If something was changed, say when buyers were informed.",
  duplicate: "Look for the buyer's other orders. If there are two, show that both have tickets of their own; if one was a mistake, accept the dispute.",
  credit_not_processed: "Show the refund, which stands in the order with its date. If none was promised, show your terms.",
};
const adviceEs: typeof adviceEn = {
  fraudulent: "Demuestra que la persona titular compró o usó las entradas: el pedido con su correo, y del Historial quién las escaneó, cuándo y dónde.",
  unrecognized: "Demuestra qué se compró: el pedido, el evento y su fecha. A menudo quien compró lo ha olvidado, y escribirle ayuda.",
  product_not_received: "Demuestra que las entradas llegaron: el estado de los correos (Correos), y del Historial cuándo se usaron en la puerta.",
  product_unacceptable: "Demuestra qué prometía la página del evento y qué tuvo lugar. Si algo cambió, di cuándo se informó.",
  duplicate: "Busca los otros pedidos de la misma persona. Si hay dos, demuestra que ambos tienen entradas propias; si uno fue un error, acepta la disputa.",
  credit_not_processed: "Demuestra el reembolso, que figura en el pedido con su fecha. Si no se prometió ninguno, muestra tus condiciones.",
};

const en = {
  none: "No disputes",
  noneText: "If a buyer's bank claims money back, it is here, with until when to answer.",
  amount: "The bank claims",
  reason: "Reason",
  since: "Since",
  due: "Answer until",
  order: "Order",
  reasons: reasonsEn,
  advice: adviceEn,
  generalAdvice: "Show the order, its mails, and from History when the tickets were used.",
  where: "Answer in the provider's dashboard. Until the bank has decided the tickets let nobody in, and nothing of the order can be refunded.",
  outcomes: {
    won: "The bank has decided for you: the money is back, and the tickets are valid.",
    lost: "The bank has decided for the buyer: the money is theirs, and tickets worth as much are void.",
  },
};

const es: typeof en = {
  none: "No hay disputas",
  noneText: "Si el banco de quien compró reclama dinero, estará aquí, con el plazo para responder.",
  amount: "El banco reclama",
  reason: "Motivo",
  since: "Desde",
  due: "Responde antes del",
  order: "Pedido",
  reasons: reasonsEs,
  advice: adviceEs,
  generalAdvice: "Muestra el pedido, sus correos y, del Historial, cuándo se usaron las entradas.",
  where: "Responde en el panel del proveedor. Hasta que el banco decida, con las entradas no entra nadie y nada del pedido se puede reembolsar.",
  outcomes: {
    won: "El banco te ha dado la razón: el dinero ha vuelto y las entradas valen.",
    lost: "El banco ha dado la razón a quien compró: el dinero es suyo y dejan de valer entradas por ese importe.",
  },
};

export const disputeTexts: InEachLanguage<typeof en> = { en, es };
