/** The texts about what a waiting room asks for before somebody joins, in Spanish. */

import type { entryTexts as english } from "./en-entry";

export const entryTexts: typeof english = {
  address: "Para que todo el mundo tenga las mismas posibilidades, cada correo tiene un solo puesto. Te enviaremos un código para confirmar el tuyo. No necesitas cuenta.",
  send: "Enviarme un código",
  mailed: (email) => `Hemos enviado un código a ${email}. Escríbelo antes de 15 minutos.`,
  code: "Código de seis cifras",
  again: "¿No te llega? Pide otro código o usa otro correo",
  account: "Para que todo el mundo tenga las mismas posibilidades, cada cuenta tiene un solo puesto. Entra en tu cuenta o crea una.",
  unverified: "Aún no puedes entrar en la cola, porque el correo de tu cuenta está sin confirmar. Confírmalo y vuelve.",
  card: "Para que todo el mundo tenga las mismas posibilidades, cada tarjeta tiene un solo puesto. No se cobra nada.",
  saveCard: "Guardar una tarjeta",
  failures: {
    groups_closed: "Los grupos ya no se pueden cambiar. Puedes entrar por tu cuenta.",
    group_full: "El grupo está completo. Puedes entrar por tu cuenta.",
    invitation_invalid: "Esta invitación ya no vale. Puedes entrar por tu cuenta.",
    in_another_group: "Ya estás en otro grupo. Sal de él y vuelve a abrir el enlace.",
    not_in_group: "Ya no estás en este grupo, o has entrado con otro navegador.",
    code_invalid: "No es el código de nuestro último correo. Comprueba las seis cifras.",
    code_expired: "Este código ha caducado o se ha escrito mal demasiadas veces. Pide otro.",
    place_in_use: "Tu puesto está en uso: alguien con tu correo o tu tarjeta está comprando entradas ahora mismo. Termina esa compra en el otro navegador o espera a que caduque la reserva.",
    waiting_room_stopped: "Ya no se puede entrar en esta sala de espera.",
  },
};
