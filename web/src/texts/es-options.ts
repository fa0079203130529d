/** The texts about what people can choose for their place in line, in Spanish. */

import type { optionTexts as english } from "./en-options";

export const optionTexts: typeof english = {
  longer: (turn) => `Necesito más tiempo. Quiero un turno de ${turn}.`,
  longerNote: "No hace falta que digas por qué, y tu puesto no cambia. También tendrás más tiempo para pagar.",
  friends: "Con amigos",
  friendsNote: (most) => `Hasta ${most} personas pueden compartir un puesto en la cola y participar en el sorteo como una sola. En vuestro turno, cada una puede comprar. Cada una necesita su propio correo.`,
  first: "Entra primero en la sala de espera. Después podrás crear aquí un grupo e invitar a tus amigos.",
  form: "Crear un grupo",
  members: (count, most) => `Tu grupo tiene ${count} de ${most} miembros.`,
  member: "Compartes este puesto con tu grupo. En vuestro turno, cada persona puede comprar en su propio navegador, hasta el límite habitual.",
  invite: "Envía el enlace a quienes quieras invitar.",
  show: "Ver el grupo",
  until: (time) => `Plazo para crear y cambiar grupos: ${time}.`,
  leave: "Salir del grupo",
  invited: "Te han invitado a un grupo. Si entras en él, compartes su puesto en la cola y pierdes el tuyo. En vuestro turno, cada persona puede comprar.",
  invitedFirst: "Te han invitado a un grupo. Al entrar en la sala de espera, compartirás su puesto en la cola. En vuestro turno, cada persona puede comprar.",
  accept: "Entrar en el grupo",
  decline: "No, gracias",
  tooLate: "Esta invitación llega tarde: los grupos ya no se pueden cambiar. Puedes participar por tu cuenta.",
  link: "Enlace para tus amigos",
  shared: "Únete a mi grupo para el sorteo de entradas",
};
