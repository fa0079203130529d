/** The texts of the page on which somebody saves a card for a waiting room, in Spanish. */

import type { cardTexts as english } from "./en-card";

export const cardTexts: typeof english = {
  title: "Tu tarjeta para la sala de espera",
  intro: "Cada tarjeta tiene un solo puesto. Tu banco la comprueba y puede pedirte que la confirmes. No se te cobra nada y no guardamos la tarjeta: al comprar, eliges cómo pagar.",
  ballotTitle: "Tu tarjeta para el sorteo",
  ballotIntro: "Tu banco comprueba la tarjeta y puede pedirte que la confirmes. Ahora no se cobra ni se reserva nada. Nuestro proveedor de pagos guarda la tarjeta hasta que termine tu inscripción y después la borra.",
  accept: (amount) => `Si consigo entradas en el sorteo, podéis cobrarlas una sola vez en esta tarjeta, hasta ${amount}, sin volver a consultarme. Hasta el sorteo puedo darme de baja.`,
  save: "Guardar la tarjeta",
  back: "Volver a la sala de espera",
  incomplete: "Faltan datos. Comprueba los de la tarjeta.",
  simulated: "Esta tienda simula las tarjetas. Elige una:",
  cards: { "card-1": "La primera tarjeta", "card-2": "La segunda tarjeta", "declined-later": "Una tarjeta que el banco rechaza en el momento del cargo", declined: "Una tarjeta que el banco rechaza" },
  failures: {
    card_refused: "Tu banco no ha confirmado esta tarjeta y no se te ha cobrado nada. Comprueba los datos o usa otra. Las tarjetas de una cartera, como Apple Pay, no sirven aquí.",
    rate_limited: "Se han probado demasiadas tarjetas. Espera una hora y vuelve a intentarlo.",
    amount_changed: "Los precios han cambiado. Vuelve a cargar la página para ver el nuevo importe.",
    card_not_wanted: "Esta inscripción ya ha terminado o no necesita tarjeta.",
    payments_unavailable: "Ahora mismo esta tienda no puede aceptar tarjetas. Inténtalo más tarde.",
    waiting_room_stopped: "Ya no se puede entrar en esta sala de espera.",
  },
};
