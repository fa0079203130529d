/** What people in line read about the tickets, in Spanish. */

import type { lineTexts as english } from "./en-line";

const tickets = (count: number) => `${count.toLocaleString("es")} ${new Intl.PluralRules("es").select(count) === "one" ? "entrada" : "entradas"}`;

export const lineTexts: typeof english = {
  lasts: "Muy probablemente quedarán cuando llegue tu turno",
  of: (percent) => `Aproximadamente un ${percent} % de probabilidad de que se agoten antes de tu turno`,
  gone: "Casi seguro que se agotarán antes de tu turno",
  note: "Calculamos las probabilidades a partir de lo que han comprado las personas que ya han entrado.",
  between: (early, late) => `Al ritmo de la cola hasta ahora, tu turno será entre estas horas: ${early} y ${late}.`,
  toShop: (host) => `Ir a ${host}`,
  toShopNote: (host) => `Las entradas se venden en ${host}. Termina la compra allí antes de que acabe tu tiempo.`,
  beacon: "El orden también depende de un número aleatorio que una red independiente publica con el sorteo ya cerrado. Nadie puede conocerlo antes, ni siquiera nosotros.",
  roundLate: "La venta se abre en cuanto llegue el número aleatorio público del sorteo. Deja abierta esta página: sigues en la cola.",
  mayReturn: (count) => `Todas las entradas están reservadas en este momento. Si otros compradores no terminan el pago, ${count === 1 ? "podría quedar libre" : "podrían quedar libres"} ${tickets(count)}.`,
  waitlistFirst: "La lista de espera puede tener preferencia.",
};
