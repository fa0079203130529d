/** The waitlist of an event. */

import type { waitlistTexts as english } from "../en/waitlist";

const listed = (names: string[]) => new Intl.ListFormat("es", { type: "disjunction" }).format(names);
const entradas = (count: number) => (count === 1 ? "1 entrada" : `${count.toLocaleString("es")} entradas`);

export const waitlistTexts: typeof english = {
  title: "Lista de espera",
  ballotLead: "Las personas inscritas, por orden de inscripción. En el sorteo, las entradas se ofrecen automáticamente en el orden que salga. No tienes que hacer nada.",
  lead: "Las entradas devueltas se ofrecen automáticamente por orden de llegada. Cada oferta reserva entradas para una persona y, si no las paga, pasa a la siguiente. No tienes que hacer nada.",
  switchedOff: "La lista de espera de este evento está desactivada: nadie puede apuntarse y no se ofrecen entradas.",
  show: "Mostrar",
  figures: "Cifras de la lista de espera",
  waiting: "En espera",
  offered: "Con oferta",
  accepted: "Ofertas pagadas",
  declined: "Ofertas rechazadas",
  expired: "Ofertas caducadas",
  conversion: "Porcentaje de ofertas pagadas",
  demand: "Demanda por tipo de entrada",
  demandNote: "Quien acepta varios tipos de entrada cuenta en cada uno de ellos.",
  ticket: "Entrada",
  people: "Personas",
  tickets: "Entradas",
  line: "Por orden de llegada",
  none: { waiting: "No hay nadie en espera", offered: "No hay ofertas abiertas" },
  noneText: {
    waiting: "Mientras las entradas están agotadas, se puede entrar en la lista de espera desde la página del evento.",
    offered: "En cuanto se devuelvan entradas, se ofrecerán a la siguiente persona de la lista.",
  },
  wish: (count, tiers) => `${count.toLocaleString("es")} × ${listed(tiers)}`,
  joined: (when) => `En la lista desde el ${when}`,
  maxPrice: (price) => `hasta ${price} cada una`,
  passedOver: (when) => `Sin entradas suficientes para su petición desde el ${when}`,
  until: (when) => `La oferta termina el ${when}`,
  offer: "Ofrecer entradas ahora",
  offerConfirm: "Sí, ofrecerlas ahora",
  offerEffect: "Usa «Ofrecer entradas ahora» para ofrecerlas a alguien fuera de turno. No es posible si quedan menos entradas de las que pide esa persona ni mientras la venta está en pausa.",
  offerText: (count) => `Reservamos ${entradas(count)} para esta persona hasta que termine la oferta y le avisamos por correo. Si no paga a tiempo, la oferta pasa a la siguiente.`,
  overtakes: (count) =>
    count === 1
      ? "Una persona que llegó antes quizá tenga que esperar más."
      : `${count} personas que llegaron antes quizá tengan que esperar más.`,
  offerRecorded: "Quedará en el historial del evento con tu nombre. La oferta no se puede retirar.",
  done: (user, until) => `Entradas reservadas para ${user} hasta el ${until}.`,
};
