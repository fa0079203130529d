/** Payouts of the payment provider to the bank. */

import type { payoutTexts as english } from "../en/payouts";

export const payoutTexts: typeof english = {
  title: "Pagos al banco",
  lead: "Lo que el proveedor de pagos ha enviado a tu banco. Es todo lo que vendió su cuenta, menos reembolsos, disputas y comisiones, también de otras tiendas de la misma cuenta.",
  none: "Aún no se ha pagado nada",
  noneText: "El proveedor paga según el calendario de su panel, unos días después del primer cobro.",
  noProvider: "Aquí no cobra ningún proveedor",
  noProviderText: "En este entorno los pagos se simulan, así que no hay dinero que enviar.",
  provider: "Pagos de",
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
