/** The texts about the draw, in Spanish. */

import type { drawTexts as english } from "./en-draw";

const plural = new Intl.PluralRules("es");
const numbers = (count: number) => `${count.toLocaleString("es")} ${plural.select(count) === "one" ? "número" : "números"}`;

export const drawTexts: typeof english = {
  title: "El sorteo",
  noRoom: "Este evento no tiene sala de espera, así que no hay sorteo.",
  opensAt: "El sorteo se hace al abrir la venta",
  openedAt: "El sorteo se hizo al abrir la venta",
  drawn: "Números en el sorteo",
  closesAt: "El sorteo se cierra",
  closedAt: "El sorteo se cerró",
  entry: "Quién tiene puesto",
  entries: { open: "Todo el mundo", verified_address: "Un puesto por cada correo confirmado", account: "Solo cuentas, un puesto por cada correo confirmado", access_code: "Solo con un código del promotor, que vale para un número fijo de personas" },
  excluded: {
    address_used: "Accesos con un correo que ya tenía puesto y que recibieron ese mismo puesto",
    address_required: "Rechazos por falta de un correo confirmado",
    account_required: "Rechazos por falta de cuenta",
    code_required: "Rechazos por falta de código",
    code_invalid: "Rechazos por un código incorrecto o caducado",
    code_used: "Rechazos porque otras personas ya habían usado el código",
  },
  appeals: (made, granted, denied) => `Reclamaciones al promotor: ${made.toLocaleString("es")}; aceptadas, ${granted.toLocaleString("es")}; rechazadas, ${denied.toLocaleString("es")}`,
  fingerprint: "Huella de la clave",
  root: "Huella de la lista de números",
  round: "Ronda del número aleatorio público",
  keepFingerprint: "Guarda o publica ahora esta huella, y las que aparezcan aquí al cerrarse el sorteo. Después del sorteo, cualquiera que tenga una copia podrá ver si usamos la misma clave. Tu navegador también las guarda: vuelve a abrir esta página en el mismo navegador después del sorteo para ver el resultado.",
  how: "Cómo funciona el sorteo",
  story: [
    {
      title: "Guardamos una clave antes de que entre nadie",
      text: "La clave es un número al azar, larguísimo, que decidirá el orden. La mantenemos en secreto, como en un sobre cerrado, y solo publicamos su huella: un código que corresponde a esa única clave y no la revela. Si después cambiáramos la clave, la nueva no coincidiría con la huella y todo el mundo podría verlo.",
    },
    {
      title: "Quien entra recibe un número",
      text: "Ese número no es tu puesto en la cola. El último número tiene la misma probabilidad que el número 1 de conseguir el primer puesto, así que da igual entrar pronto o tarde. Ningún comprador puede saber ni elegir su puesto, porque la clave es secreta. Poco antes de abrir la venta, el sorteo se cierra y publicamos la lista de quién tiene cada número, sin nombres. A partir de ahí, nadie puede cambiar de número.",
    },
    {
      title: "Al abrir la venta, abrimos el sobre",
      text: "Ya nadie puede entrar en el sorteo: quien llega más tarde va detrás. Publicamos la clave. Un cálculo que cualquiera puede leer de antemano ordena todos los números, solo con lo que publicamos: a cada número le toca un puesto, y cada puesto es de un solo número. Cualquiera puede repetir el cálculo y obtiene el mismo orden.",
    },
  ],
  beaconStory:
    "En este sorteo no decide solo la clave. Una vez publicada la lista, esperamos un número aleatorio que publica cada tres segundos drand, una red de organizaciones independientes. Cuál de esos números cuenta depende de la hora de cierre del sorteo y se anuncia con la lista. La clave y ese número deciden juntos el orden, así que nadie podía conocerlo antes, ni siquiera nosotros.",
  why: "Por eso es justo: la clave se fijó cuando aún no había a quién favorecer, y cualquiera puede comprobar que se usó esa.",
  limits: "Lo que la comprobación no demuestra",
  limitsIntro: "La comprobación demuestra que el orden sale de la clave guardada. No demuestra:",
  limitsList: [
    { title: "Cuántas personas participaron.", text: "Alguien con varias cuentas, o un programa, pudo tener varios números, y puede que algunos no sean de nadie, por ejemplo si se cortó una conexión." },
    {
      title: "Quién tenía cada número.",
      text: "Podríamos haber cogido números nosotros antes de abrir la venta y haber dado después a alguien los que tuvieran buen puesto. Tienes que confiar en que no lo hicimos.",
    },
    {
      title: "Que aquí nadie miró la clave.",
      text: "Nuestro sistema la guarda hasta que se abre la venta. Alguien con acceso podría haber calculado el orden de antemano y haberlo cambiado añadiendo números en el último momento.",
    },
    { title: "Lo que pasa fuera de esta sala de espera.", text: "La comprobación no incluye las entradas que no se vendieron aquí, como las invitaciones del artista." },
  ],
  listedLimit: {
    title: "Que cada número de la lista sea de una persona de verdad.",
    text: "La lista demuestra que ningún número cambió de manos después de publicarse. Antes podríamos haber apuntado a personas inventadas.",
  },
  beaconLimit: {
    title: "Que nadie nos dijera antes el número aleatorio público.",
    text: "Para eso tendría que haberse puesto de acuerdo la mayoría de las organizaciones independientes.",
  },
  resetTitle: "Lo que hubo antes de reiniciar la sala.",
  reset: (times) =>
    `Esta sala de espera se ha reiniciado ${times === 1 ? "una vez" : `${times.toLocaleString("es")} veces`}. Al reiniciarla se crea otra clave y todo el mundo tiene que volver a entrar. Las huellas y los puestos anteriores no cuentan.`,
  details: "Detalles técnicos: compruébalo por tu cuenta",
  noted: "Antes del sorteo, tu navegador guardó esta huella de la clave:",
  published: "Esta es la huella publicada de la clave. Tu navegador la vio por primera vez después del sorteo, así que compárala con una copia que alguien guardara antes:",
  replaced: "La tienda muestra ahora otra huella:",
  notYet: "Al abrir la venta, la clave aparecerá aquí y tu navegador comprobará que coincide con la huella.",
  listed: "Antes que la clave, la tienda publicó esta huella de la lista de números:",
  unlistedYet: "Cuando el sorteo se cierre, aparecerá aquí la huella de la lista de números.",
  rootReplaced: "Tu navegador había guardado otra huella de la lista:",
  own: "Tu número está en la lista. Tu navegador ha comprobado la prueba.",
  notOwn: "Tu número no está en la lista.",
  roundUnknown: "La lista también indica la ronda del número aleatorio público. Aparecerá aquí con la lista.",
  roundNamed: (round) => `La lista indicaba la ronda ${round} del número aleatorio público, que nadie conocía entonces.`,
  roundReplaced: "La tienda ha cambiado lo que decide el orden después de que tu navegador viera la lista. Tu navegador había guardado esta cadena y esta ronda del número aleatorio público (o solo «key»):",
  roundKnown: "Este es el número de esa ronda. Puedes compararlo con el que publica la red:",
  roundSource: "La ronda en drand, para programas (JSON)",
  checks: {
    made: "Tu navegador ha comprobado",
    open: "Tu navegador no ha comprobado",
    fits: "La clave corresponde a su huella.",
    noted: "La huella es la misma que antes del sorteo.",
    own: "Tu número está en la lista.",
    beacon: "El número aleatorio público es auténtico y es el de este sorteo.",
    list: "La lista entera es correcta. (Lo comprueba el programa de más abajo.)",
    others: "Los puestos de otras personas son correctos.",
  },
  signature: {
    check: "Comprobar ahora el número aleatorio público",
    titles: { wrong: "No te fíes de este sorteo", other: "El número aleatorio no es público" },
    right: "La firma es correcta: el número es de drand y su ronda corresponde a la hora de cierre.",
    other: "El número aleatorio no viene de la red pública de drand. En una tienda de prueba es normal. En una venta real, no te fíes de este sorteo.",
    wrong: "La firma no es correcta, o no es la ronda que debía decidir. No puedes fiarte de este sorteo.",
  },
  seed: "En este sorteo, el hash SHA-256 de un texto fijo, la clave y el número aleatorio público ocupa el lugar de la clave.",
  revealed: "Al abrir la venta, la tienda publicó esta clave:",
  fits: "La clave coincide: la huella es el hash SHA-256 de sus 32 bytes.",
  broken: "La clave no coincide. La huella debería ser el hash SHA-256 de sus 32 bytes.",
  arrival: (arrival, n) => `Tu número era el ${arrival.toLocaleString("es")} de ${n.toLocaleString("es")}.`,
  late: (n) => `En el sorteo hubo ${numbers(n)}. El sorteo ya estaba cerrado cuando entraste, así que tu puesto va después.`,
  people: (n) => `En el sorteo hubo ${numbers(n)}.`,
  place: (position) => `Con la clave y tu número, tu navegador calcula el puesto ${position.toLocaleString("es")}, que es el que te muestra esta tienda.`,
  formula:
    "El cálculo: la clave pone los números del 1 al último en otro orden. Cada número se divide en dos mitades. En al menos diez rondas, a una mitad se le suma el hash SHA-256 de la clave, la ronda y la otra mitad (una red de Feistel). Un resultado mayor que el último número vuelve a pasar por las rondas.",
  another: (n) => `Calcula el puesto de cualquier número del 1 al ${n.toLocaleString("es")}`,
  anothersPlace: (number, position) => `Al número ${number.toLocaleString("es")} le corresponde el puesto ${position.toLocaleString("es")}.`,
  proof: "Datos del sorteo, para programas (JSON)",
  verifier: "El programa que comprueba el sorteo (verify.pyz)",
  verify: "Comprueba estos datos y solo necesita Python, sin cuenta ni paquetes:",
  verifyBeacon: "Comprueba estos datos y la firma del número aleatorio público. Necesita Python y el paquete py_arkworks_bls12381, pero ninguna cuenta:",
  savedFingerprint: "huella guardada",
};
