/** Payouts of the payment provider to the bank. */

import type { payoutTexts as english } from "../en/payouts";

export const payoutTexts: typeof english = {
  title: "Liquidaciones al banco",
  lead: "Lo que el proveedor de pagos ha transferido a tu banco: todo lo cobrado en su cuenta, menos reembolsos, disputas y comisiones. Incluye otras tiendas de la misma cuenta.",
  none: "Todavía no hay liquidaciones",
  noneText: "El proveedor transfiere según el calendario de su panel, unos días después del primer cobro.",
  noProvider: "Sin proveedor de pagos",
  noProviderText: "En este entorno los pagos son simulados, así que no hay dinero que transferir.",
  provider: "Liquidaciones de",
  books: "Conciliación",
  comparedUntil: (when) => `Nuestras cuentas están conciliadas con las del proveedor hasta el ${when}.`,
  notCompared: "Las cuentas todavía no se han conciliado. Se hace automáticamente cada 15 minutos.",
  findings: (count) =>
    count === 1
      ? "La última conciliación encontró una diferencia. La incidencia abierta indica qué hacer."
      : `La última conciliación encontró ${count} diferencias. Las incidencias abiertas indican qué hacer.`,
  noFindings: "La última conciliación no encontró diferencias.",
  cases: "Incidencias abiertas",
  states: { pending: "Pendiente", in_transit: "En camino", paid: "Abonada", failed: "Devuelta", cancelled: "Cancelada" },
  arrival: (date) => `en el banco el ${date}`,
  made: (date) => `creada el ${date}`,
  automatic: "automática",
  byHand: "manual",
  failure: "El banco la devolvió. Corrige la cuenta bancaria en el panel del proveedor.",
  detail: "Motivo según el proveedor (en inglés):",
  isCompared: "Todos los cobros hasta esta fecha están conciliados con nuestras cuentas.",
  isNotCompared: "Algunos cobros hasta esta fecha todavía no están conciliados con nuestras cuentas.",
};
