/** Payouts of the payment provider to the bank. */

import type { InEachLanguage } from "../texts";

const en = {
  title: "Payouts",
  lead: "What the payment provider has sent to your bank. It is all that its account has sold, less refunds, disputes and fees, also of other shops on the same account.",
  none: "Nothing was paid out yet",
  noneText: "The provider pays out by the schedule in its dashboard, some days after the first payment.",
  noProvider: "No provider takes payments here",
  noProviderText: "On this stage payments are simulated, so there is no money to pay out.",
  books: "Comparison of the books",
  comparedUntil: (when: string) => `Our books are compared with the provider's up to ${when}.`,
  notCompared: "The books are not compared yet. That happens every 15 minutes by itself.",
  findings: (count: number) => (count === 1 ? "The last comparison found a difference. The open case says what to do." : `The last comparison found ${count} differences. The open cases say what to do.`),
  noFindings: "The last comparison found no difference.",
  cases: "Open cases",
  states: { pending: "Waiting", in_transit: "On its way", paid: "Paid out", failed: "Came back", canceled: "Canceled" },
  arrival: (date: string) => `at the bank ${date}`,
  made: (date: string) => `made ${date}`,
  automatic: "by the schedule",
  byHand: "by hand",
  failure: (words: string) => `The bank sent it back: ${words} Correct the bank account in the provider's dashboard.`,
  isCompared: "The payments until then are compared with our books.",
  isNotCompared: "The payments until then are not all compared with our books yet.",
};

const es: typeof en = {
  title: "Pagos al banco",
  lead: "Lo que el proveedor de pagos ha enviado a tu banco. Es todo lo que vendió su cuenta, menos reembolsos, disputas y comisiones, también de otras tiendas de la misma cuenta.",
  none: "Aún no se ha pagado nada",
  noneText: "El proveedor paga según el calendario de su panel, unos días después del primer cobro.",
  noProvider: "Aquí no cobra ningún proveedor",
  noProviderText: "En este entorno los pagos se simulan, así que no hay dinero que enviar.",
  books: "Comparación de los libros",
  comparedUntil: (when) => `Nuestros libros están comparados con los del proveedor hasta ${when}.`,
  notCompared: "Los libros aún no se han comparado. Ocurre solo cada 15 minutos.",
  findings: (count) => (count === 1 ? "La última comparación encontró una diferencia. El caso abierto dice qué hacer." : `La última comparación encontró ${count} diferencias. Los casos abiertos dicen qué hacer.`),
  noFindings: "La última comparación no encontró diferencias.",
  cases: "Casos abiertos",
  states: { pending: "Pendiente", in_transit: "En camino", paid: "Pagado", failed: "Devuelto", canceled: "Cancelado" },
  arrival: (date) => `en el banco el ${date}`,
  made: (date) => `hecho el ${date}`,
  automatic: "por calendario",
  byHand: "a mano",
  failure: (words) => `El banco lo devolvió: ${words} Corrige la cuenta bancaria en el panel del proveedor.`,
  isCompared: "Los cobros hasta entonces están comparados con nuestros libros.",
  isNotCompared: "Los cobros hasta entonces aún no están todos comparados con nuestros libros.",
};

export const payoutTexts: InEachLanguage<typeof en> = { en, es };
