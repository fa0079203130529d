/** The details of an event, and its life from draft to sale. */

import type { eventTexts as english } from "../en/events";

const pedidos = (count: number) => `${count.toLocaleString("es")} ${count === 1 ? "pedido" : "pedidos"}`;
const personas = (count: number) => `${count.toLocaleString("es")} ${count === 1 ? "persona" : "personas"}`;

const problems: Record<string, string> = {
  "$.venue": "Añade un recinto.",
  "$.starts_at": "Añade una fecha de inicio futura.",
  "$.tiers": "Añade al menos un tipo de entrada.",
  "$.capacity": "El cambio del aforo se interrumpió. Vuelve a fijarlo.",
  "$.waiting_room.entry": "Los compradores confirman su correo con un código, pero esta tienda no envía correos. Configura un proveedor de correo o deja entrar a todo el mundo en la cola.",
};

export const eventTexts: typeof english = {
  newTitle: "Evento nuevo",
  newLead: "Será un borrador hasta que lo publiques: solo lo veis tú y tu equipo. Para empezar basta con el nombre; después vienen las entradas y los precios.",
  create: "Crear borrador",
  editTitle: "Datos",
  what: "Qué y dónde",
  when: "Cuándo",
  sale: "Venta",
  more: "Límites, sala de espera y devoluciones",
  returnPolicies: [
    ["", "No indicar nada"],
    ["none", "No se admiten devoluciones"],
    ["refund", "Devuelve las entradas y recupera el dinero"],
    ["resale", "Pone las entradas en reventa al precio que pagó"],
  ],
  entry: [
    ["open", "Todo el mundo, un puesto por navegador o cuenta"],
    ["verified_address", "Un puesto por cada correo confirmado"],
    ["account", "Solo cuentas, un puesto por cada correo confirmado"],
  ],
  randomness: [
    ["key", "Una clave que la tienda fija de antemano"],
    ["key_and_beacon", "La clave de la tienda y un número aleatorio público"],
  ],
  passAlgorithms: [
    ["EdDSA", "Una clave pública: Python y Node"],
    ["HS256", "Un secreto compartido: nginx y CloudFront"],
  ],
  picture: "Imagen",
  preview: "Así lo ven los compradores",
  noDate: "Sin fecha todavía",
  noName: "Nombre del evento",
  noPlace: "Sin recinto todavía",
  capacityLater: "No puede ser menor que las entradas ya vendidas y reservadas.",
  bootstrapTitle: "Gestionado en el archivo bootstrap",
  bootstrapText: "Este evento está definido en el archivo con el que se despliega el entorno. Cámbialo allí y aplica el archivo.",

  overview: "Resumen",
  seeInShop: "Ver en la tienda",
  seePreview: "Ver cómo será la página para los compradores",
  draftTitle: "Es un borrador",
  draftText: "Solo lo veis tú y tu equipo. Publícalo para ponerlo a la venta, mejor unos días antes de que abra la venta, para que la gente pueda compartir su página.",
  opensAtOnce: "No hay hora de apertura: la venta empieza en cuanto publiques.",
  opensAt: (time) => `La venta abre el ${time}.`,
  publish: "Publicar",
  publishedTitle: "Publicado",
  publishedText: "Todo el mundo puede ver el evento. Tus cambios aparecen en la tienda en segundos.",
  problemsTitle: "Antes de publicar:",
  problems,
  fix: "Corregir",
  unpublish: "Volver a borrador",
  unpublishText: "La página desaparece de la tienda. Solo es posible mientras no haya nada vendido ni reservado.",
  unpublishNow: "Sí, volver a borrador",
  cancel: "Cancelar el evento",
  cancelText: (isSold) =>
    isSold
      ? "La venta se detiene de inmediato y para siempre. Las entradas dejan de dar acceso."
      : "La venta se detiene de inmediato y para siempre. No se ha vendido ninguna entrada, así que no hay nada que reembolsar.",
  cancelRefunds: (count, amounts) => `${count === 1 ? "Se reembolsa" : "Se reembolsan"} por completo ${pedidos(count)}: ${amounts}.${count > 2000 ? ` Tarda unos ${Math.ceil(count / 2000)} minutos.` : ""}`,
  cancelMailed: (count) => (count === 1 ? "El comprador recibe un correo sobre el reembolso." : `Los compradores de ${pedidos(count)} reciben un correo sobre su reembolso.`),
  refundsWithoutEmail: (count) => `${pedidos(count)} sin correo electrónico: el comprador solo verá la cancelación en la tienda.`,
  cancelFree: (count) => `${pedidos(count)} ${count === 1 ? "era gratuito o se vendió" : "eran gratuitos o se vendieron"} en otro sistema: no hay reembolso ni correo. Avisa tú a esas personas.`,
  cancelReason: "Motivo (opcional)",
  cancelReasonNote: "Los compradores lo leen en el correo, en su pedido y en la página del evento.",
  cancelTyped: (name) => `Para confirmar, escribe el nombre del evento: ${name}`,
  holders: (count) => `${personas(count)} ${count === 1 ? "tiene" : "tienen"} entradas.`,
  atLeast: (count) => `Hay más de ${count.toLocaleString("es")} entradas. Estas cifras solo cuentan una parte.`,
  noMails: "Esta tienda no envía correos sobre ello. Avisa tú a esas personas.",
  noticedTitle: "Este cambio afecta a quienes tienen entradas",
  noticedSave: "Guardar los cambios",
  changeMailed: (count) => `${personas(count)} ${count === 1 ? "recibirá" : "recibirán"} un correo con los datos anteriores y los nuevos, unos cinco minutos después de tu último cambio.`,
  changeNote: "Nota en el correo (opcional)",
  changeNoteNote: "Por ejemplo: La sala se ha inundado; la nueva está a dos calles.",
  noNote: "Podrás añadir una nota a este correo cuando la administración de la tienda haya verificado al promotor.",
  unreached: (count, isAll) =>
    `${isAll ? "" : "Al menos "}${personas(count)} con entradas no ${count === 1 ? "ha" : "han"} dado ningún correo electrónico, así que no ${count === 1 ? "le" : "les"} llegan los correos sobre este evento. Puedes añadir una dirección en la página del pedido.`,
  withoutEmail: (count) => `${personas(count)} no ${count === 1 ? "ha" : "han"} dado ningún correo electrónico y solo ${count === 1 ? "verá" : "verán"} el cambio en la tienda y en su entrada.`,
  cancelFinal: "No se puede deshacer. Nadie podrá volver a publicarlo.",
  cancelNow: "Sí, cancelar el evento",
  cancelledTitle: "Evento cancelado",
  cancelledText: (refunded: number, isFinished: boolean) =>
    isFinished
      ? `Pedidos reembolsados: ${refunded.toLocaleString("es")}.`
      : `Pedidos reembolsados por ahora: ${refunded.toLocaleString("es")}. Los demás se reembolsarán en los próximos minutos.`,
  checkRefunds: "Ver el progreso de los reembolsos",
  disputed: (count: number) => `Pedidos en disputa con un banco, que siguen como incidencias abiertas: ${count.toLocaleString("es")}.`,
  unknownPayments: (count: number) => `No encontradas en el proveedor de pagos, quedan como incidencias abiertas: ${count === 1 ? "1 compra sin terminar" : `${count.toLocaleString("es")} compras sin terminar`}.`,
  delete: "Eliminar el borrador",
  deleteText: "Desaparece de todas las listas.",
  deleteNow: "Sí, eliminarlo",
  duplicate: "Duplicar",
  duplicateName: "Nombre de la copia",
  duplicateNote: "Un borrador con las mismas entradas y preguntas, sin fechas, imágenes ni ventas.",
  duplicateNow: "Crear copia",
  copyOf: (name: string) => `${name} (copia)`,
  tasksTitle: "¿Qué quieres hacer?",
  tasks: {
    pause: "Seguir la venta, pausarla o dejar entrar a gente",
    refund: "Buscar un pedido y reembolsar entradas",
    prices: "Cambiar entradas, precios y cantidades",
    scans: "Ver quién entró por la puerta y quién escaneó su entrada",
    invite: "Invitar a quienes trabajan en la puerta o gestionan el evento",
  },
  figures: "Entradas",
  ticket: "Tipo",
  sold: "Vendidas",
  held: "Reservadas",
  left: "Quedan",
  unlimited: "sin límite",
  noTickets: "Todavía no hay entradas.",
  addTickets: "Añadir entradas",
};
