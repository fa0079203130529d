/** The texts about the report of a sale, in Spanish. */

import type { reportTexts as english } from "./en-report";

export const reportTexts: typeof english = {
  title: "El informe de la venta",
  intro: "Tu navegador ha hecho este informe con los documentos públicos de la tienda. Cualquiera puede repetirlo con el programa verify.pyz, que además los comprueba.",
  tooLong: "La lista de entradas es demasiado larga para un navegador. Haz el informe con el programa verify.pyz.",
  drawn: "En el sorteo",
  late: "Llegaron después del sorteo",
  excluded: {
    address_used: "Accesos con un correo que ya tenía puesto",
    address_required: "Rechazos por falta de correo confirmado",
    account_required: "Rechazos por falta de cuenta",
    code_required: "Rechazos por falta de código",
    code_invalid: "Rechazos por un código incorrecto o caducado",
    code_used: "Rechazos porque otras personas ya habían usado el código",
    card_required: "Rechazos por no tener una tarjeta",
    card_used: "Accesos con una tarjeta que ya tenía puesto",
  },
  waits: "Tiempo desde la apertura hasta el turno (minutos y segundos)",
  place: (place) => `Puesto ${place}`,
  between: (from, to) => (from === to ? from : `entre ${from} y ${to}`),
  notYet: "todavía no",
  all: "Todos los tipos de entrada juntos",
  hidden: "Un tipo de entrada que no se muestra",
  sold: "Vendidas",
  soldOut: "Tiempo hasta agotarse por primera vez",
  held: "Reservadas ahora (en la apertura)",
  unpaid: "Apartadas sin pagar y de nuevo a la venta",
  returned: "Vendidas y devueltas",
  counts: (now, before) => `${now} (${before})`,
  unknownCount: "no se sabe",
  changes: "Cambios de entradas o de reservas tras la apertura",
  unknown: "Lo que los datos públicos no muestran",
  unknowns: {
    latency: "Cuánto tardaron las páginas",
    errors: "Cuántos errores vieron los compradores",
    waits_of_late_arrivals: "Cuánto esperó quien llegó después del sorteo",
    unpaid: "Cuántas entradas apartadas volvieron sin pagarse",
  },
  download: "Guardar el informe",
};
