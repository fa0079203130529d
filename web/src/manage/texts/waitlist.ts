/** Who waits for tickets of an event. */

import type { InEachLanguage } from "../texts";

const listed = (names: string[], locale: string) => new Intl.ListFormat(locale, { type: "disjunction" }).format(names);
const tickets = (count: number) => (count === 1 ? "1 ticket" : `${count.toLocaleString("en")} tickets`);
const entradas = (count: number) => (count === 1 ? "1 entrada" : `${count.toLocaleString("es")} entradas`);

const en = {
  title: "Waitlist",
  lead: "Tickets that come back are offered by themselves, in order of arrival: held for one person, then for the next. You need not do anything here.",
  switchedOff: "The waitlist of this event is switched off: nobody can join, and nothing is offered.",
  show: "Show in the list",
  figures: "Figures of the waitlist",
  waiting: "Waiting",
  offered: "Have an offer",
  accepted: "Offers paid",
  declined: "Offers declined",
  expired: "Offers expired",
  conversion: "Share that was paid",
  demand: "What they wait for",
  demandNote: "People who accept several kinds of tickets count for each kind.",
  ticket: "Ticket",
  people: "People",
  tickets: "Tickets",
  line: "In order of arrival",
  none: { waiting: "Nobody waits", offered: "Nobody has an offer" },
  noneText: {
    waiting: "When the tickets are sold out, people can join the waitlist on the event's page.",
    offered: "As soon as tickets come back, they are offered to somebody who waits.",
  },
  wish: (count: number, tiers: string[]) => `${count.toLocaleString("en")} × ${listed(tiers, "en")}`,
  joined: (when: string) => `Since ${when}`,
  most: (price: string) => `at most ${price} each`,
  passedOver: (when: string) => `Too few tickets for them since ${when}`,
  until: (when: string) => `Offer until ${when}`,
  offer: "Offer tickets now",
  offerConfirm: "Yes, offer them now",
  offerEffect: "“Offer tickets now” offers tickets to somebody out of turn. It is refused when fewer are left than they ask for, and while the sale is paused.",
  offerText: (count: number) => `Held for this person alone until the offer ends: ${tickets(count)}. They get a mail about it. If they do not pay by then, the next one gets the offer.`,
  overtakes: (count: number) => (count === 1 ? "One person who came earlier may get a ticket later because of it." : `${count} people who came earlier may get tickets later because of it.`),
  offerRecorded: "The history of the event says that you did it. The offer cannot be taken back.",
  done: (user: string, until: string) => `Tickets are held for ${user} until ${until}.`,
};

const es: typeof en = {
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
  wish: (count, tiers) => `${count.toLocaleString("es")} × ${listed(tiers, "es")}`,
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

export const waitlistTexts: InEachLanguage<typeof en> = { en, es };
