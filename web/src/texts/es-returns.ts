/** The texts about returning tickets, in Spanish. */

import type { returnTexts as english } from "./en-returns";

export const returnTexts: typeof english = {
  title: "Puedes devolver tus entradas",
  until: (time) => `Si ya no puedes ir, puedes devolver tus entradas hasta el ${time}.`,
  fee: (amount) => `Se descuentan ${amount} de gastos.`,
  action: (amount) => `Devolver entradas y recuperar ${amount}`,
  meaning: (count, amount) =>
    `${count === 1 ? "Tu entrada deja" : `Tus ${count} entradas dejan`} de ser ${count === 1 ? "válida" : "válidas"} al momento, y esto no se puede deshacer. Te devolvemos ${amount} a la tarjeta o cuenta con la que pagaste.`,
  now: (count) => (count === 1 ? "Devolver 1 entrada" : `Devolver ${count} entradas`),
  ask: "Solicitar la devolución",
  askMeaning: "El promotor decide. Hasta entonces, tus entradas siguen siendo válidas. Te enviamos la respuesta por correo.",
  askNow: (count) => (count === 1 ? "Solicitar la devolución de 1 entrada" : `Solicitar la devolución de ${count} entradas`),
  reason: "Motivo",
  reasons: { cannot_come: "No puedo ir", ill: "Por enfermedad", wrong_tickets: "Me equivoqué de entradas", other: "Otro motivo" },
  requests: {
    open: (count) => `Has solicitado la devolución de ${count === 1 ? "1 entrada" : `${count} entradas`}. El promotor todavía no ha decidido.`,
    declined: (count) => `El promotor no ha aceptado la devolución de ${count === 1 ? "1 entrada" : `${count} entradas`}.`,
  },
  withdraw: "Quedarme con las entradas: retirar la solicitud",
  askedTitle: "El promotor decidirá",
  doneTitle: "Has devuelto tus entradas",
  resale: "Si no puedes ir",
  resaleMeaning: "Pon tus entradas en reventa al precio que pagaste. Siguen siendo válidas hasta que alguien las compre y, mientras tanto, puedes retirarlas. Cuando se venda una, te avisamos por correo y te devolvemos el dinero.",
  resaleUntil: (time) => `Puedes ponerlas en reventa hasta el ${time}.`,
  ticket: (number) => `Entrada ${number}`,
  youGet: (amount) => `te devolvemos ${amount}.`,
  failures: {
    returns_closed: "El plazo para devolver entradas ha terminado.",
    tickets_not_returnable: "Estas entradas no se pueden devolver: se han usado, son de otra persona o ya no son válidas. Recarga la página.",
    tickets_being_sold: "Alguien está comprando esta entrada. Inténtalo de nuevo en unos minutos.",
  },
  listed: "En reventa",
  offer: "Poner en reventa",
  unlist: "Retirar",
  offerAll: (count) => `Poner en reventa las ${count} entradas`,
  doneText: (amount) => `Te devolvemos ${amount} a la tarjeta o cuenta con la que pagaste. Los bancos tardan hasta diez días.`,
};
