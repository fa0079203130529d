/** Emails and their states. */

import type { FailureReason } from "../../messages/failure-reasons";
import type { messagesTexts as english } from "../en/messages";

const kinds: Record<string, string> = {
  order_confirmed: "Confirmación del pedido",
  order_refunded: "Entradas reembolsadas",
  event_cancelled: "Evento cancelado",
  event_changed: "Evento modificado",
  payment_returned: "Pago devuelto",
  ticket_received: "Entrada recibida",
  ticket_given: "Entrada transferida",
  ticket_voided: "Entrada anulada",
  webhook_disabled: "Webhook desactivado",
  waitlist_offer: "Oferta de la lista de espera",
  offer_expiring: "Oferta a punto de terminar",
  place_drawn: "Puesto tras el sorteo",
  turn_near: "Turno a punto de empezar",
};
const reasons: Record<FailureReason, string> = {
  recipient: "El servidor de correo no aceptó la dirección del destinatario.",
  content: "El servidor de correo rechazó el mensaje.",
  sender: "El servidor de correo no aceptó la dirección de remitente de la tienda.",
  credentials: "El servidor de correo no aceptó las credenciales de la tienda.",
  suspended: "El proveedor de correo ha suspendido la cuenta de la tienda o ha pausado sus envíos.",
  limit: "Se alcanzó el límite de envíos del proveedor de correo.",
  not_composed: "Un error de la tienda impidió enviar este correo.",
  unreachable: "No se pudo conectar con el servidor de correo o se cortó la conexión.",
};

export const messagesTexts: typeof english = {
  title: "Correos",
  lead: "Correos enviados sobre este evento, los más recientes primero. Las direcciones no se muestran.",
  problems: "Problemas de correo",
  problemsLead: "Correos de todos los eventos que no llegaron o que sus destinatarios no querían.",
  show: "Mostrar",
  none: "No hay correos",
  noneText: "Los correos aparecen aquí en cuanto alguien compra. Se guardan 90 días.",
  noProblems: "Ningún correo de los últimos 90 días tiene este problema.",
  kinds,
  states: {
    queued: "Pendiente de envío",
    sent: "Enviado",
    delivered: "Entregado",
    bounced: "Devuelto",
    complained: "Marcado como spam",
    suppressed: "Bloqueado",
    failed: "Fallido",
    dropped: "No enviado",
  },
  meanings: {
    sent: "El servidor de correo lo ha aceptado. No se sabe si ha llegado.",
    bounced: "El servidor del destinatario lo devolvió. Si es una devolución definitiva, dejamos de escribir a esa dirección.",
    complained: "El destinatario lo marcó como spam. Ya no escribimos a esa dirección.",
    suppressed: "Un correo anterior a esta dirección fue devuelto definitivamente, o el destinatario se quejó. Pide otra dirección al comprador.",
    dropped: "No había dirección, o el correo ya no era relevante.",
  },
  attempts: (count) => (count === 1 ? "1 intento" : `${count} intentos`),
  nextTry: (when) => `próximo intento ${when}`,
  failed: "El último intento falló.",
  reasons,
  detail: "Detalle técnico:",
  resend: "Reenviar",
  resendConfirm: "Sí, reenviarlo",
  resendText: "La persona recibirá este correo otra vez en menos de un minuto. Lo redactamos de nuevo con las entradas, los nombres y los horarios actuales. Si la dirección está bloqueada, el correo sigue sin enviarse.",
  resendRecorded: "Quedará en el historial del evento con tu nombre. Un correo enviado no se puede retirar.",
  unblockTitle: "Desbloquear una dirección de correo",
  unblockText: "Dejamos de escribir a una dirección cuando un correo es devuelto definitivamente o el destinatario se queja. Desbloquéala cuando lo pida su dueño, por ejemplo, porque tenía el buzón lleno. Quítala también de la lista del proveedor de correo. Los correos que no llegaron se pueden reenviar desde la lista de arriba.",
  address: "Correo electrónico",
  unblock: "Desbloquear",
  unblocked: (address) => `${address} vuelve a recibir correos.`,
  done: (kind) => `Se reenviará en menos de un minuto: ${kind}.`,
};
