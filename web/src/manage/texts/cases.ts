/** Open cases of money. The suggestions say what docs/reconciliation.md says. */

import type { InEachLanguage } from "../texts";

const en = {
  title: "Open cases",
  lead: "Money that needs somebody: refunds that did not arrive, disputes, and differences from the provider's books.",
  none: "Nothing is open",
  noneText: "All refunds have arrived, no bank disputes a payment, and our books are those of the provider.",
  kinds: { refund: "Refund", dispute: "Dispute", finding: "Difference" },
  since: (when: string) => `since ${when}`,
  order: (id: string) => `Order ${id}`,
  suggestion: "What to do:",
  suggestions: {
    dispute: "Answer in the provider's dashboard before its date. The tickets are frozen; the case closes when the bank has decided.",
    refund_failed: "It failed three times. Try again, or pay the buyer in another way and close the case.",
    refund_waits: "Nothing. It is tried again by itself.",
    amounts_differ: "The provider has another amount than our books. Make both equal by a refund in its dashboard or of the order, or close the case.",
    tickets_without_payment:
      "There are tickets without money. Look for the payment; if there is none, refund the order, which makes its tickets void, and close the failed refund.",
    unknown_purchase: "Money came in for an order that we do not have. Refund it in the provider's dashboard. If there are many, the store may be the wrong one.",
    not_dealt_with: "Comparing this failed with an error, which is in the log. Run the comparison of that time again.",
    kept_of_dispute: "The lost dispute took less than the void tickets had cost. Agree with the buyer who gets the rest, then close the case.",
    by_hand: "Somebody refunded a part in the provider's dashboard. Refund the tickets that were meant, with a fee so that no more is paid, or close the case.",
    other: "Look at the order, resolve the difference, and close the case.",
  },
  nextTry: (when: string) => `Tried again: ${when}`,
  retry: "Try the refund again",
  close: "Close the case",
  closeQuestion: "Close the case?",
  closeText: "Do this when it is resolved. It is written to the audit log with your name. If the difference is still there, the next comparison opens it again.",
  back: "Go back",
  noRun: "The provider's books were not compared yet.",
  lastRun: "Last comparison with the provider",
  compared: (when: string, payments: number, refunds: number, disputes: number) =>
    `${when}: ${payments} payments, ${refunds} refunds, ${disputes} disputes.`,
  result: (repaired: number, findings: number) => `Repaired: ${repaired}. Left for a person: ${findings}.`,
  unheard: (count: number) => `${count} events reached us by no webhook. Check the endpoint in the provider's dashboard.`,
};

const es: typeof en = {
  title: "Casos abiertos",
  lead: "Dinero que necesita a alguien: reembolsos que no llegaron, disputas y diferencias con los libros del proveedor.",
  none: "No hay nada abierto",
  noneText: "Todos los reembolsos han llegado, ningún banco disputa un pago y nuestros libros coinciden con los del proveedor.",
  kinds: { refund: "Reembolso", dispute: "Disputa", finding: "Diferencia" },
  since: (when) => `desde ${when}`,
  order: (id) => `Pedido ${id}`,
  suggestion: "Qué hacer:",
  suggestions: {
    dispute: "Responde en el panel del proveedor antes de su fecha. Las entradas están congeladas; el caso se cierra cuando el banco decide.",
    refund_failed: "Falló tres veces. Reinténtalo, o paga de otra forma y cierra el caso.",
    refund_waits: "Nada. Se reintenta solo.",
    amounts_differ: "El proveedor tiene otro importe que nuestros libros. Iguálalos con un reembolso en su panel o del pedido, o cierra el caso.",
    tickets_without_payment:
      "Hay entradas sin dinero. Busca el pago; si no existe, reembolsa el pedido, lo que anula sus entradas, y cierra el reembolso fallido.",
    unknown_purchase: "Entró dinero de un pedido que no tenemos. Reembólsalo en el panel del proveedor. Si son muchos, quizá los datos sean los equivocados.",
    not_dealt_with: "La comparación falló con un error, que está en el registro. Repite la comparación de ese tiempo.",
    kept_of_dispute: "La disputa perdida se llevó menos de lo que costaron las entradas anuladas. Acuerda quién recibe el resto y cierra el caso.",
    by_hand: "Alguien reembolsó una parte en el panel del proveedor. Reembolsa las entradas correspondientes, con comisión para no pagar de más, o cierra el caso.",
    other: "Mira el pedido, resuelve la diferencia y cierra el caso.",
  },
  nextTry: (when) => `Se reintenta: ${when}`,
  retry: "Reintentar el reembolso",
  close: "Cerrar el caso",
  closeQuestion: "¿Cerrar el caso?",
  closeText: "Hazlo cuando esté resuelto. Queda en el registro con tu nombre. Si la diferencia sigue, la próxima comparación lo abre de nuevo.",
  back: "Volver",
  noRun: "Todavía no se han comparado los libros del proveedor.",
  lastRun: "Última comparación con el proveedor",
  compared: (when, payments, refunds, disputes) => `${when}: ${payments} pagos, ${refunds} reembolsos, ${disputes} disputas.`,
  result: (repaired, findings) => `Reparado: ${repaired}. Para una persona: ${findings}.`,
  unheard: (count) => `${count} sucesos no llegaron por ningún webhook. Revisa la dirección en el panel del proveedor.`,
};

export const casesTexts: InEachLanguage<typeof en> = { en, es };
