/** Disputes: the bank's reasons, by the provider's codes, and advice for the response. */

import type { disputeTexts as english } from "../en/disputes";

const reasons: Record<string, string> = {
  fraudulent: "El titular de la tarjeta dice que no hizo este pago",
  unrecognized: "El titular de la tarjeta no reconoce el pago",
  product_not_received: "El comprador dice que no recibió las entradas",
  product_unacceptable: "El comprador dice que el evento no se correspondía con lo anunciado",
  duplicate: "El comprador dice que pagó dos veces",
  credit_not_processed: "El comprador dice que no le llegó un reembolso",
  general: "Otro motivo",
};
const advice: Record<string, string> = {
  fraudulent: "Demuestra que el titular compró o usó las entradas: el pedido con su correo y, en el Historial, quién las escaneó, cuándo y dónde.",
  unrecognized: "Demuestra qué se compró: el pedido, el evento y su fecha. A menudo el comprador lo ha olvidado, así que ayuda escribirle.",
  product_not_received: "Demuestra que las entradas llegaron: el estado de los correos (en Correos) y, en el Historial, cuándo se usaron en la puerta.",
  product_unacceptable: "Demuestra qué prometía la página del evento y qué se celebró. Si algo cambió, indica cuándo avisaste a los compradores.",
  duplicate: "Busca otros pedidos del comprador. Si hay dos, demuestra que cada uno tiene sus propias entradas. Si uno fue un error, acepta la disputa.",
  credit_not_processed: "Aporta el justificante del reembolso: figura en el pedido, con su fecha. Si no se prometió ninguno, muestra tus condiciones.",
};

export const disputeTexts: typeof english = {
  none: "No hay disputas",
  noneText: "Si el banco de un comprador reclama dinero, la disputa aparecerá aquí con el plazo para responder.",
  amount: "Importe reclamado",
  reason: "Motivo",
  since: "Apertura",
  due: "Responder antes del",
  order: "Pedido",
  reasons,
  advice,
  generalAdvice: "Muestra el pedido, sus correos y, en el Historial, cuándo se usaron las entradas.",
  where: "Responde en el panel del proveedor. Hasta que el banco decida, las entradas no dan acceso y no se puede reembolsar nada del pedido.",
  outcomes: {
    won: "El banco te ha dado la razón: has recuperado el dinero y las entradas son válidas.",
    lost: "El banco ha dado la razón al comprador: se queda con el dinero y se anulan entradas por ese importe.",
  },
};
