/** The texts about the stock ledger, in Spanish. */

import type { stockTexts as english } from "./en-stock";

const plural = new Intl.PluralRules("es");
const entries = (count: number) => `${count.toLocaleString("es")} ${plural.select(count) === "one" ? "anotación" : "anotaciones"}`;

export const stockTexts: typeof english = {
  title: "Dónde han ido a parar todas las entradas",
  intro: "Cada cambio en el número de entradas, y en las retenidas, queda en una lista pública en la que nunca se borra nada.",
  none: "La lista empieza cuando se publica el evento.",
  all: "Todos los tipos de entrada juntos",
  hidden: "Un tipo de entrada que no se muestra",
  counted: (when) => `Contadas el ${when}`,
  of: (capacity) => `${capacity} entradas`,
  noLimit: "Sin límite",
  parts: { sold: "vendidas", held: "en proceso de compra", available: "a la venta", back: "retenidas" },
  issued: (count) => `de ellas, ${count} entregadas`,
  returned: (count) => `Entradas vendidas y devueltas: ${count}`,
  reasons: { artist: "artista", press: "prensa", house: "la sala", accessible: "plazas accesibles", presale: "preventa", box_office: "taquilla", other: "otros motivos" },
  changes: (count) => (plural.select(count) === "one" ? "1 cambio" : `${count} cambios`),
  published: "Publicación",
  causes: { manager: "cambio de un gestor", time: "liberadas a la hora fijada", sold_out: "liberadas porque se habían agotado", file: "cambio de la tienda" },
  given: (count, reason) => `${count} entregadas (${reason})`,
  revoked: (count, reason) => `${count} anuladas (${reason})`,
  right: (count) => `Tu navegador ha comprobado ${entries(count)}: ninguna se ha cambiado ni falta, y la tienda ha firmado la lista.`,
  unsigned: (count) => `Tu navegador ha comprobado ${entries(count)}: ninguna se ha cambiado ni falta. No puede comprobar la firma.`,
  later: (first) => `La lista es larga, así que esta página empieza por la anotación ${first}. Los cambios anteriores están en el documento.`,
  wrong: "Esta lista no es correcta",
  wrongNote: "Se ha cambiado o falta una anotación, o la firma no es de la tienda. Guarda el documento y contacta con el promotor.",
  key: "Clave de la tienda. Compárala con la que ven otras personas:",
  download: "Descargar la lista",
};
