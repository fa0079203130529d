/** The texts of the waitlist, in Spanish. */

import { EXACT_PLACES, rounded } from "./approximate";
import type { waitlistTexts as english } from "./en-waitlist";

const personas = (count: number) => `${count.toLocaleString("es")} ${count === 1 ? "persona" : "personas"}`;
const entradas = (count: number) => `${count.toLocaleString("es")} ${count === 1 ? "entrada" : "entradas"}`;

export const waitlistTexts: typeof english = {
  title: "Lista de espera",
  own: "Mis listas de espera y sorteos",
  rule: "Las entradas que se devuelven se ofrecen a la lista de espera por orden de inscripción.",
  signIn: "Para apuntarte necesitas una cuenta.",
  toSignIn: "Inicia sesión para apuntarte",
  quantity: "Número de entradas",
  any: "Cualquiera, primero la más barata",
  nothingElse: "Ninguna más",
  wish: (rank) => (rank === 0 ? "¿Qué entradas?" : `Opción ${rank + 1}`),
  join: "Apuntarme a la lista",
  waiting: "Estás en la lista de espera",
  asked: (count) => `Esperas ${entradas(count)}`,
  before: (count, wanted) => {
    if (count === null || wanted === null) return "Estamos calculando tu puesto. Lo verás aquí en uno o dos minutos.";
    if (count === 0) return "No hay nadie delante de ti.";
    return count < EXACT_PLACES
      ? `Delante de ti: ${personas(count)} que ${count === 1 ? "espera" : "esperan"} ${entradas(wanted)}.`
      : `Delante de ti: unas ${personas(rounded(count))} que esperan unas ${entradas(rounded(wanted))}.`;
  },
  waitingNote: "No podemos asegurar que se devuelvan entradas. Si las hay, verás tu oferta en Cuenta y en la página del evento.",
  registered: "Te has inscrito en el sorteo",
  almost: "Tu inscripción está incompleta",
  wished: (count) => `Has pedido ${entradas(count)}`,
  withoutCard: "Todavía no participas en el sorteo.",
  drawn: (position) => (position === null ? "Participas en el sorteo." : `En el sorteo te ha tocado el puesto ${position.toLocaleString("es")}.`),
  drawnNote: "Tras el sorteo, ofrecemos las entradas en el orden del sorteo.",
  fewerFirst: "Quien quiera menos entradas puede recibir una oferta antes que tú.",
  mail: (address) => `También te enviaremos la oferta por correo a ${address}.`,
  notConfirmed: "Aún no has confirmado esta dirección, así que comprueba que sea correcta:",
  noMail: "Una identidad de demostración no tiene correo, así que consulta esta página de vez en cuando.",
  offered: (count) => (count === 1 ? "Hay una entrada para ti" : "Hay entradas para ti"),
  until: (count, when) =>
    count === 1
      ? `Te la guardamos hasta el ${when}. Si no pagas antes, pasará a la siguiente persona.`
      : `Te las guardamos hasta el ${when}. Si no pagas antes, pasarán a la siguiente persona.`,
  charging: "Estamos cobrando en la tarjeta que guardaste. Recibirás las entradas por correo en unas horas.",
  cardRefused: "No hemos podido cobrar en la tarjeta que guardaste. Paga con cualquier tarjeta.",
  left: "Tiempo restante",
  takeUp: "Aceptar la oferta",
  decline: { title: "Rechazar la oferta", text: "La oferta pasará a la siguiente persona y perderás tu puesto.", button: "Rechazar ahora" },
  leave: { title: "Salir de la lista", text: "Perderás tu puesto.", button: "Salir ahora" },
  withdraw: { title: "Darte de baja del sorteo", text: "Puedes volver a inscribirte hasta el cierre.", button: "Darme de baja ahora" },
  over: {
    accepted: "Has comprado las entradas que esperabas.",
    declined: "Has rechazado la oferta. Puedes volver a apuntarte al final de la lista.",
    expired: "No compraste las entradas a tiempo. Puedes volver a apuntarte al final de la lista.",
    left: "Has salido de la lista. Puedes volver a apuntarte al final.",
    closed: "La lista de espera está cerrada.",
    withdrawn: "Ya no participas en el sorteo.",
  },
  expiredOnSale: "No compraste las entradas a tiempo. Ahora hay entradas a la venta y puedes comprarlas sin esperar.",
  failures: {
    tickets_available: "Ahora hay entradas de este tipo. Puedes comprarlas sin esperar.",
    account_required: "Inicia sesión o regístrate para apuntarte a la lista de espera.",
    waitlist_closed: "Este evento ya no tiene lista de espera.",
  },
};
