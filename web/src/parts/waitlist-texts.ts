/** What the waitlist says. */

import { useTexts, type Language } from "../texts";

const plural = new Intl.PluralRules("en");
const people = (count: number) => `${count.toLocaleString("en")} ${plural.select(count) === "one" ? "person" : "people"}`;
const tickets = (count: number) => `${count.toLocaleString("en")} ${plural.select(count) === "one" ? "ticket" : "tickets"}`;

const en = {
  title: "Waitlist",
  own: "My waitlists",
  rule: "Tickets that come back are offered to those on the waitlist, in the order in which they joined.",
  signIn: "To join, you need an account.",
  toSignIn: "Sign in to join",
  quantity: "Number of tickets",
  any: "Any, the cheapest first",
  nothingElse: "Nothing else",
  wish: (rank: number) => (rank === 0 ? "Which tickets?" : `Choice ${rank + 1}`),
  join: "Join the waitlist",
  waiting: "You are on the waitlist",
  asked: (count: number) => `You wait for ${tickets(count)}`,
  before: (count: number, wanted: number) => (count === 0 ? "Nobody is before you." : `Before you: ${people(count)} waiting for ${tickets(wanted)}.`),
  waitingNote:
    "Tickets may never come back. If they do, the offer appears here and under Account: look in from time to time. People who want fewer may be served before you.",
  offered: "There are tickets for you",
  until: (when: string, left: string) => `They are set aside for you until ${when} (${left} left). If you do not pay by then, they go to the next person.`,
  takeUp: "Take up the offer",
  decline: { title: "Decline the offer", text: "The tickets go to the next person, and you lose your place.", button: "Decline now" },
  leave: { title: "Leave the waitlist", text: "You lose your place.", button: "Leave now" },
  over: {
    accepted: "You have bought the tickets that you waited for.",
    declined: "You have declined the offer. You may join again at the end.",
    expired: "Your offer was not paid in time. You may join again at the end.",
    left: "You have left the waitlist. You may join again at the end.",
    closed: "The waitlist is closed.",
  } as Record<string, string>,
  failures: {
    tickets_available: "There are tickets of this kind now: buy them without waiting.",
    waitlist_closed: "This event has no waitlist any more.",
  } as Record<string, string>,
};

const personas = (count: number) => `${count.toLocaleString("es")} ${count === 1 ? "persona" : "personas"}`;
const entradas = (count: number) => `${count.toLocaleString("es")} ${count === 1 ? "entrada" : "entradas"}`;

const es: typeof en = {
  title: "Lista de espera",
  own: "Mis listas de espera",
  rule: "Las entradas que vuelven se ofrecen a quienes están en la lista, en el orden en que se apuntaron.",
  signIn: "Para apuntarte necesitas una cuenta.",
  toSignIn: "Inicia sesión para apuntarte",
  quantity: "Número de entradas",
  any: "Cualquiera, primero la más barata",
  nothingElse: "Nada más",
  wish: (rank) => (rank === 0 ? "¿Qué entradas?" : `Opción ${rank + 1}`),
  join: "Apuntarme a la lista",
  waiting: "Estás en la lista de espera",
  asked: (count) => `Esperas ${entradas(count)}`,
  before: (count, wanted) => (count === 0 ? "No hay nadie antes que tú." : `Antes que tú: ${personas(count)}, ${entradas(wanted)} en total.`),
  waitingNote:
    "Puede que no vuelva ninguna. Si vuelven, la oferta aparece aquí y en Cuenta: entra de vez en cuando. Quien quiere menos puede tener una oferta antes que tú.",
  offered: "Hay entradas para ti",
  until: (when, left) => `Están apartadas para ti hasta el ${when} (quedan ${left}). Si no pagas antes, pasan a la siguiente persona.`,
  takeUp: "Aceptar la oferta",
  decline: { title: "Rechazar la oferta", text: "Las entradas pasan a la siguiente persona y pierdes tu lugar.", button: "Rechazar ahora" },
  leave: { title: "Salir de la lista", text: "Pierdes tu lugar.", button: "Salir ahora" },
  over: {
    accepted: "Has comprado las entradas que esperabas.",
    declined: "Has rechazado la oferta. Puedes volver a apuntarte al final.",
    expired: "Tu oferta no se pagó a tiempo. Puedes volver a apuntarte al final.",
    left: "Has salido de la lista. Puedes volver a apuntarte al final.",
    closed: "La lista de espera está cerrada.",
  },
  failures: {
    tickets_available: "Ahora hay entradas de este tipo: cómpralas sin esperar.",
    waitlist_closed: "Este evento ya no tiene lista de espera.",
  },
};

const TEXTS: Record<Language, typeof en> = { en, es };

export const useWaitlistTexts = () => TEXTS[useTexts().language];
