/** The texts of the page of a ballot, in Spanish. */

import type { ballotTexts as english } from "./en-ballot";

export const ballotTexts: typeof english = {
  closes: (time) => `Cierre de la inscripción: ${time}`,
  intro: "Di qué entradas quieres y cuántas. En el sorteo, cada persona recibe un puesto al azar, y ofrecemos las entradas en ese orden. Si te llega una oferta, tienes un día para pagar. Ahora no pagas nada, y puedes darte de baja hasta el sorteo.",
  first: "Paso 1 de 2: participar en el sorteo",
  join: "Participar",
  second: "Paso 2 de 2: tus preferencias",
  secondNote: "La inscripción no está completa hasta que envíes tus preferencias.",
  register: "Inscribirme",
  change: "Para cambiar tus preferencias, date de baja aquí y vuelve a inscribirte.",
  closed: "La inscripción está cerrada",
  closedNote: "Puedes apuntarte a la lista de espera. Las entradas se ofrecen antes a quienes han participado en el sorteo.",
  cards: {
    optional: "Después de enviar tus preferencias, puedes guardar una tarjeta. Si consigues entradas en el sorteo, las cobramos en ella y no tienes que hacer nada más.",
    required: "Después de enviar tus preferencias, guardas una tarjeta. Si consigues entradas en el sorteo, las cobramos en ella. Sin tarjeta no participas.",
  },
  cardMissing: {
    optional: "¿Quieres guardar una tarjeta? Si consigues entradas en el sorteo, las cobramos en ella y no tendrás que pagarlas en el plazo de un día.",
    required: "Falta un paso: guarda una tarjeta. Sin ella no participas en el sorteo. Solo haremos el cargo si consigues entradas.",
  },
  cardSaved: (amount) => `Tu tarjeta está guardada. Si consigues entradas en el sorteo, las cobramos en ella una sola vez: como máximo, ${amount}.`,
  saveCard: "Guardar una tarjeta",
  otherCard: "Usar otra tarjeta",
  people: (count) => (count === 1 ? "Participa 1 persona" : `Participan ${count.toLocaleString("es")} personas`),
  numbers: (count) => (count === 1 ? "Hay 1 número en el sorteo" : `Hay ${count.toLocaleString("es")} números en el sorteo`),
  oddsRule: "Quien no consiguió entradas en sorteos anteriores de este promotor tiene hasta cinco números en este sorteo. Cuenta el mejor.",
  odds: (weight) =>
    weight === 1
      ? "Tienes un número en este sorteo. Si no te toca, tendrás dos en el próximo sorteo de este tipo del mismo promotor."
      : `Tienes ${weight} números en este sorteo, porque no te tocó en ${weight === 5 ? "al menos " : ""}${weight - 1} ${weight === 2 ? "sorteo anterior" : "sorteos anteriores"} de este promotor. Cuenta el mejor.`,
  failures: {
    token_of_another_user: "Participaste con otra identidad. Vuelve a participar con esta cuenta.",
    waiting_room_cleared: "El sorteo se ha reiniciado. Vuelve a participar.",
  },
};
