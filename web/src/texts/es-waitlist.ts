/** What the waitlist says, in Spanish. */

import type { waitlistTexts as english } from "./en-waitlist";

const personas = (count: number) => `${count.toLocaleString("es")} ${count === 1 ? "persona" : "personas"}`;
const entradas = (count: number) => `${count.toLocaleString("es")} ${count === 1 ? "entrada" : "entradas"}`;

export const waitlistTexts: typeof english = {
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
  waitingNote: "Puede que no vuelva ninguna. Si vuelven, la oferta aparece aquí y en Cuenta. Quien quiere menos puede tener una oferta antes que tú.",
  mail: (address) => `También te enviamos la oferta por correo a ${address}.`,
  notConfirmed: "Aún no has confirmado esta dirección, así que comprueba si es correcta:",
  noMail: "No hay correo, porque una identidad de demostración no tiene dirección: vuelve a mirar aquí de vez en cuando.",
  offered: (count) => (count === 1 ? "Hay una entrada para ti" : "Hay entradas para ti"),
  until: (count, when) =>
    count === 1
      ? `Está apartada para ti hasta el ${when}. Si no pagas antes, pasa a la siguiente persona.`
      : `Están apartadas para ti hasta el ${when}. Si no pagas antes, pasan a la siguiente persona.`,
  left: "Tiempo restante",
  takeUp: "Aceptar la oferta",
  decline: { title: "Rechazar la oferta", text: "Lo ofrecido pasa a la siguiente persona y pierdes tu lugar.", button: "Rechazar ahora" },
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
