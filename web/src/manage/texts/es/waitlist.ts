/** Who waits for tickets of an event. */

import type { waitlistTexts as english } from "../en/waitlist";

const listed = (names: string[]) => new Intl.ListFormat("es", { type: "disjunction" }).format(names);
const entradas = (count: number) => (count === 1 ? "1 entrada" : `${count.toLocaleString("es")} entradas`);

export const waitlistTexts: typeof english = {
  title: "Lista de espera",
  lead: "Las entradas que vuelven se ofrecen solas, por orden de llegada: se guardan para una persona y después para la siguiente. Aquí no hay que hacer nada.",
  switchedOff: "La lista de espera de este evento está desactivada: nadie puede apuntarse y no se ofrece nada.",
  show: "Mostrar en la lista",
  figures: "Cifras de la lista de espera",
  waiting: "Esperan",
  offered: "Tienen una oferta",
  accepted: "Ofertas pagadas",
  declined: "Ofertas rechazadas",
  expired: "Ofertas caducadas",
  conversion: "Parte que se pagó",
  demand: "Qué esperan",
  demandNote: "Quien acepta varios tipos de entradas cuenta en cada uno.",
  ticket: "Entrada",
  people: "Personas",
  tickets: "Entradas",
  line: "Por orden de llegada",
  none: { waiting: "No espera nadie", offered: "Nadie tiene una oferta" },
  noneText: {
    waiting: "Cuando las entradas se agotan, la gente puede apuntarse a la lista de espera en la página del evento.",
    offered: "En cuanto vuelvan entradas, se ofrecen a alguien que espera.",
  },
  wish: (count, tiers) => `${count.toLocaleString("es")} × ${listed(tiers)}`,
  joined: (when) => `Desde el ${when}`,
  most: (price) => `como mucho ${price} cada una`,
  passedOver: (when) => `Muy pocas entradas para su petición desde el ${when}`,
  until: (when) => `Oferta hasta el ${when}`,
  offer: "Ofrecer entradas ahora",
  offerConfirm: "Sí, ofrecerlas ahora",
  offerEffect: "«Ofrecer entradas ahora» ofrece entradas a alguien fuera de turno. Se rechaza si quedan menos de las que pide, y mientras la venta está en pausa.",
  offerText: (count) => `Se guardan solo para esta persona hasta que termine la oferta: ${entradas(count)}. Recibe un correo. Si no paga a tiempo, la oferta pasa a la siguiente.`,
  overtakes: (count) => (count === 1 ? "Una persona que llegó antes quizá reciba su entrada más tarde por ello." : `${count} personas que llegaron antes quizá reciban sus entradas más tarde por ello.`),
  offerRecorded: "El historial del evento dirá que lo hiciste tú. La oferta no se puede retirar.",
  done: (user, until) => `Se guardan entradas para ${user} hasta el ${until}.`,
};
