/** Mails to people, and their states. */

import type { messagesTexts as english } from "../en/messages";

const kinds: Record<string, string> = {
  order_confirmed: "Entradas compradas",
  order_refunded: "Entradas reembolsadas",
  event_cancelled: "Evento cancelado",
  event_changed: "Evento modificado",
  payment_returned: "Pago devuelto",
  ticket_received: "Entrada recibida de alguien",
  ticket_given: "Entrada dada a otra persona",
  ticket_voided: "Entrada que ya no vale",
  webhook_disabled: "Webhook desactivado",
  waitlist_offer: "Oferta a la lista de espera",
  offer_expiring: "Oferta a punto de terminar",
};

export const messagesTexts: typeof english = {
  title: "Correos",
  lead: "Lo que se ha enviado a la gente sobre este evento, lo más reciente primero. Sus direcciones no se muestran.",
  problems: "Correos con problemas",
  problemsLead: "Los correos de todos los eventos que no llegaron o no se querían.",
  show: "Mostrar",
  none: "No hay correos",
  noneText: "En cuanto alguien compre, el correo estará aquí. Los correos se guardan 90 días.",
  noProblems: "Ningún correo de los últimos 90 días tiene este problema.",
  kinds,
  states: {
    queued: "Pendiente de envío",
    sent: "Enviado",
    delivered: "Llegó",
    bounced: "Devuelto",
    complained: "Marcado como spam",
    suppressed: "Retenido",
    failed: "Abandonado",
    dropped: "No enviado",
  },
  meanings: {
    sent: "El servidor de correo lo ha aceptado. No se sabe si ha llegado.",
    bounced: "El servidor de quien lo recibe no lo aceptó. Si lo dijo de forma definitiva, la dirección ya no recibe correos.",
    complained: "Quien lo recibió lo marcó como spam. La dirección ya no recibe correos.",
    suppressed: "Un correo a esta dirección fue devuelto de forma definitiva, o quien lo recibió se quejó. Pide otra dirección.",
    dropped: "No había dirección, o ya no había nada que decir.",
  },
  attempts: (count) => (count === 1 ? "1 intento" : `${count} intentos`),
  nextTry: (when) => `próximo intento ${when}`,
  failure: (words) => `El último intento falló: ${words}`,
  resend: "Enviar otra vez",
  resendConfirm: "Sí, enviarlo otra vez",
  resendText: "La persona recibe este correo una vez más, en un minuto. Se hace de nuevo, con las entradas, nombres y horas de ese momento. Una dirección que ya no recibe correos tampoco recibe este.",
  resendRecorded: "El historial del evento dirá que lo hiciste tú. Un correo no se puede retirar.",
  releaseTitle: "Que una dirección vuelva a recibir correos",
  releaseText: "Una dirección cuyo correo fue devuelto de forma definitiva, o desde la que alguien se quejó, ya no recibe correos. Hazlo cuando lo pida su dueño, por ejemplo tras un buzón lleno. Quítala también de la lista del proveedor de correo. Lo que se perdió puede enviarse otra vez desde la lista de arriba.",
  address: "Dirección de correo",
  release: "Que reciba correos",
  released: (address) => `${address} vuelve a recibir correos.`,
  done: (kind) => `Se envía otra vez en un minuto: ${kind}.`,
};
