/** The fields in the form of an event, in the order of the form. */

import type { Schemas } from "../../client";
import type { Row } from "../parts/field-table";

export const EVENT_FIELDS = {
  name: { kind: "text", place: "what", required: true, maxLength: 200, label: { en: "Name", es: "Nombre" } },
  venue: { kind: "text", place: "what", maxLength: 200, label: { en: "Venue", es: "Recinto" } },
  address: { kind: "text", place: "what", optional: true, maxLength: 200, label: { en: "Address", es: "Dirección" } },
  city: { kind: "text", place: "what", half: true, optional: true, nullable: true, maxLength: 100, label: { en: "City", es: "Ciudad" } },
  category: { kind: "text", place: "what", half: true, optional: true, nullable: true, maxLength: 100, label: { en: "Category", es: "Categoría" } },
  country: {
    kind: "text",
    place: "what",
    half: true,
    optional: true,
    nullable: true,
    maxLength: 2,
    label: { en: "Country", es: "País" },
    note: { en: "Its code, such as ES or GB. It decides the default taxes in your profile.", es: "Su código, como ES o MX. Decide los impuestos predeterminados de tu perfil." },
  },
  region: {
    kind: "text",
    place: "what",
    half: true,
    optional: true,
    nullable: true,
    maxLength: 3,
    label: { en: "Region", es: "Región" },
    note: { en: "Only if it has taxes of its own: the end of its ISO code, such as CN for ES-CN.", es: "Solo si tiene impuestos propios: el final de su código ISO, como CN en ES-CN." },
  },
  postal_code: {
    kind: "text",
    place: "what",
    half: true,
    optional: true,
    nullable: true,
    maxLength: 20,
    label: { en: "Postal code", es: "Código postal" },
    note: { en: "Needed if Stripe calculates the taxes.", es: "Necesario si Stripe calcula los impuestos." },
  },
  description: { kind: "area", place: "what", optional: true, maxLength: 10_000, rows: 5, label: { en: "Description", es: "Descripción" } },
  starts_at: { kind: "time", place: "when", half: true, label: { en: "Starts", es: "Empieza" } },
  ends_at: { kind: "time", place: "when", half: true, optional: true, label: { en: "Ends", es: "Termina" } },
  doors_minutes: {
    kind: "number",
    place: "when",
    optional: true,
    min: 0,
    max: 1440,
    label: { en: "Minutes from doors to start", es: "Minutos entre la apertura de puertas y el inicio" },
    note: {
      en: "For example 60: the doors open an hour before the start, and buyers see this time. If you leave this empty, buyers do not see when the doors open.",
      es: "Por ejemplo, 60: las puertas se abren una hora antes del inicio y los compradores ven esa hora. Si está vacío, no se muestra.",
    },
  },
  refundable_until: {
    kind: "time",
    place: "returns",
    optional: true,
    label: { en: "Buyers may return tickets until", es: "Los compradores pueden devolver entradas hasta" },
    note: {
      en: "Until then, buyers can return unused tickets themselves and get the full price back. The email about the change says so.",
      es: "Hasta entonces, los compradores pueden devolver ellos mismos las entradas sin usar y recuperar todo el importe. El correo sobre el cambio lo indica.",
    },
  },
  timezone: {
    kind: "choice",
    place: "when",
    label: { en: "Time zone", es: "Zona horaria" },
    note: { en: "All times on this page are in this time zone.", es: "Todas las horas de esta página son de esta zona horaria." },
  },
  on_sale_at: {
    kind: "time",
    place: "sale",
    optional: true,
    label: { en: "Sale opens", es: "Apertura de la venta" },
    note: {
      en: "Until then, people gather in a waiting room, and a draw decides the order. If you leave this empty, tickets go on sale as soon as you publish the event.",
      es: "Hasta entonces, la gente espera en una sala y un sorteo decide el orden. Si lo dejas vacío, la venta empieza en cuanto publiques el evento.",
    },
  },
  capacity: {
    kind: "number",
    place: "sale",
    optional: true,
    min: 1,
    max: 1_000_000,
    label: { en: "Event capacity", es: "Aforo del evento" },
    note: {
      en: "The total number of tickets for sale across all types. If empty, only the quantity of each type counts.",
      es: "El total de entradas a la venta entre todos los tipos. Si está vacío, solo cuenta la cantidad de cada tipo.",
    },
  },
  purchase_limit: {
    kind: "number",
    place: "more",
    optional: true,
    min: 1,
    max: 1000,
    label: { en: "Tickets per buyer", es: "Entradas por comprador" },
    note: {
      en: "How many tickets one person can buy in total. 2 to 4 is usual for an event that sells out.",
      es: "Cuántas entradas puede comprar una persona en total. Lo habitual, si se van a agotar, es de 2 a 4.",
    },
  },
  hold_seconds: {
    kind: "number",
    place: "more",
    optional: true,
    min: 30,
    max: 3600,
    label: { en: "Seconds to pay", es: "Segundos para pagar" },
    note: {
      en: "How long buyers have to pay. 180 is usual for cards, 600 if buyers need their bank's app.",
      es: "El tiempo que tiene el comprador para pagar. Lo habitual es 180 con tarjeta y 600 si hace falta la aplicación del banco.",
    },
  },
  allows_reentry: {
    kind: "check",
    place: "more",
    label: { en: "People may leave and come back", es: "Se puede salir y volver a entrar" },
    note: {
      en: "Staff scan the tickets of people who leave. The same tickets then let them in again.",
      es: "El personal escanea las entradas de quienes salen. Después, con la misma entrada pueden volver a entrar.",
    },
  },
  publishes_report: {
    kind: "check",
    place: "more",
    label: { en: "Publish the report of the sale", es: "Publicar el informe de la venta" },
    note: {
      en: "After the opening, the page of the draw shows how many people entered, how long they waited, and where the tickets went.",
      es: "Tras la apertura, la página del sorteo muestra cuánta gente participó, cuánto esperó y adónde fueron las entradas.",
    },
  },
} satisfies { [name in keyof Schemas["EventFields"]]?: Row };

/** The fields of `returns`, and `may_transfer` for `transfers`. `fee_cents` is not in the form, which keeps it. */
export const RETURN_FIELDS = {
  policy: {
    kind: "choice",
    place: "rules",
    label: { en: "If buyers cannot come", es: "Si el comprador no puede ir" },
    note: {
      en: "Buyers see this before they pay. It applies to tickets that are reserved from now on.",
      es: "El comprador lo ve antes de pagar. Vale para las entradas que se reserven a partir de ahora.",
    },
  },
  until: {
    kind: "time",
    place: "refund",
    half: true,
    optional: true,
    label: { en: "Returns until", es: "Devoluciones hasta" },
    note: { en: "If empty, until the event starts.", es: "Si está vacío, hasta que empiece el evento." },
  },
  fee_percent: {
    kind: "number",
    place: "refund",
    half: true,
    optional: true,
    min: 0,
    max: 100,
    label: { en: "Percentage that you keep", es: "Porcentaje que se descuenta" },
  },
  needs_approval: {
    kind: "check",
    place: "approval",
    label: { en: "I decide on each return", es: "Yo decido sobre cada devolución" },
    note: { en: "Under Orders, Return requests.", es: "En Pedidos, Devoluciones pedidas." },
  },
  fee_cents: { kind: "number", place: "no", min: 0, max: 100_000_000, label: { en: "Fee", es: "Gastos" } },
  may_transfer: {
    kind: "check",
    place: "rules",
    label: { en: "Tickets can be transferred", es: "Las entradas se pueden transferir" },
    note: {
      en: "Owners may give their ticket to somebody else with a link.",
      es: "Quien tiene una entrada puede pasarla a otra persona con un enlace.",
    },
  },
} satisfies Record<string, Row>;

/** The fields of `waiting_room`. `has_line` is its `enabled`. */
export const LINE_FIELDS = {
  has_line: {
    kind: "check",
    place: "more",
    label: { en: "Waiting room", es: "Sala de espera" },
    note: {
      en: "Buyers enter in waves, in an order decided by a draw.",
      es: "Los compradores entran por tandas, en el orden que decide un sorteo.",
    },
  },
  wave_size: {
    kind: "number",
    place: "line",
    half: true,
    optional: true,
    min: 1,
    max: 100_000,
    label: { en: "People per wave", es: "Personas por tanda" },
  },
  wave_seconds: {
    kind: "number",
    place: "line",
    half: true,
    optional: true,
    min: 1,
    max: 86_400,
    label: { en: "Seconds between waves", es: "Segundos entre tandas" },
  },
  pass_seconds: {
    kind: "number",
    place: "line",
    optional: true,
    min: 1,
    max: 86_400,
    half: true,
    label: { en: "Seconds to choose tickets", es: "Segundos para elegir entradas" },
  },
  grace_seconds: {
    kind: "number",
    place: "line",
    half: true,
    optional: true,
    min: 0,
    max: 86_400,
    label: { en: "Extra seconds after a missed turn", es: "Segundos extra si se pasa el turno" },
  },
  longer_pass_seconds: {
    kind: "number",
    place: "line",
    optional: true,
    min: 1,
    max: 86_400,
    label: { en: "Seconds to choose for people who need more time", es: "Segundos para elegir para quien necesite más tiempo" },
    note: {
      en: "Everybody can ask for a longer turn, without a reason or proof, and you do not see who does. If empty, it is three times as long.",
      es: "Cualquiera puede pedir un turno más largo, sin motivo ni justificante, y tú no ves quién lo pide. Si está vacío, dura el triple.",
    },
  },
  entry: {
    kind: "choice",
    place: "line",
    label: { en: "Who gets a place in line", es: "Quién tiene puesto en la cola" },
    note: {
      en: "With one place for each email address, a crowd of made-up guests gains nothing. Buyers confirm their address with a code by email, and need no account. You create codes under Promo codes. Once somebody has joined, the waiting room keeps the rule.",
      es: "Con un puesto por correo, no sirve de nada entrar con muchas identidades inventadas. Cada persona confirma su correo con un código y no necesita cuenta. Los códigos se crean en Códigos promocionales. Cuando alguien ha entrado, la sala de espera ya no cambia de norma.",
    },
  },
  groups: {
    kind: "check",
    place: "line",
    label: { en: "Up to six people may share a place", es: "Hasta seis personas pueden compartir un puesto" },
    note: {
      en: "Friends form a group before the draw and have one chance together. At their turn, each of them can buy. Only with one place for each email address or account, and with waves that leave room for groups.",
      es: "Un grupo se forma antes del sorteo y participa como una sola persona. En su turno, cada miembro puede comprar. Solo con un puesto por correo o por cuenta, y con tandas que dejen margen a los grupos.",
    },
  },
  ballot: {
    kind: "check",
    place: "line",
    label: { en: "Give out the tickets by a ballot", es: "Repartir las entradas por sorteo" },
    note: {
      en: "People register their wishes until the draw, at the time when the sale would open. Then the tickets are offered in the order of the draw: each winner has a day to pay, and after that the next person gets the offer. Nobody else can buy. Groups and waves do not apply.",
      es: "El público se inscribe con sus preferencias hasta el sorteo, que se hace a la hora de apertura de la venta. Después, las entradas se ofrecen en el orden del sorteo: cada persona tiene un día para pagar y, si no, pasan a la siguiente. Nadie más puede comprar. No se aplican los grupos ni las tandas.",
    },
  },
  ballot_cards: {
    kind: "choice",
    place: "line",
    label: { en: "Cards in the ballot", es: "Tarjetas en el sorteo" },
    note: {
      en: "People save a card when they register. Nothing is charged until the draw gives them tickets. If a card is declined, its owner has a day to pay in another way. If buyers have to answer questions, cards are not charged.",
      es: "El público guarda una tarjeta al inscribirse. No se cobra nada hasta que alguien consigue entradas en el sorteo. Si el banco rechaza la tarjeta, hay un día para pagar de otra forma. Si hay preguntas obligatorias, no se cobra en las tarjetas.",
    },
  },
  better_odds: {
    kind: "check",
    place: "line",
    label: { en: "Better odds for people who were not drawn before", es: "Más opciones para quien no tuvo suerte antes" },
    note: {
      en: "Everybody has one number in the draw, and one more for each of your ballots with better odds since they were last drawn, at most five. The best number counts. Choose this for your first ballot too, so that it counts for the next one. Only for ballots with one place for each email address, account or card. Applies to new waiting rooms.",
      es: "Cada persona tiene un número en el sorteo y uno más por cada sorteo tuyo con esta opción en el que no ha tenido suerte desde la última vez que le tocó, hasta cinco. Cuenta el mejor. Márcalo ya en tu primer sorteo para que cuente en el siguiente. Solo con un puesto por correo, cuenta o tarjeta. Vale para las salas de espera nuevas.",
    },
  },
  randomness: {
    kind: "choice",
    place: "line",
    label: { en: "What decides the order", es: "Qué decide el orden" },
    note: {
      en: "We recommend the public random number, because then not even the shop can know or influence the order in advance. The sale opens only once the number is public, which can take longer if the internet has trouble. With the key alone, the sale never waits, but buyers have to trust that nobody in the shop looked at the key. Applies to new waiting rooms.",
      es: "Recomendamos el número público, porque así ni siquiera la tienda puede conocer ni influir en el orden de antemano. La venta se abre cuando ese número es público, y puede retrasarse si hay problemas en internet. Con solo la clave, la venta nunca espera, pero el público tiene que confiar en que nadie de la tienda la haya mirado. Vale para las salas de espera nuevas.",
    },
  },
  follow_stock: {
    kind: "check",
    place: "line",
    label: { en: "Match wave size to remaining tickets", es: "Ajustar las tandas a las entradas que quedan" },
    note: { en: "Waves get smaller as tickets run out.", es: "Las tandas se reducen a medida que se agotan las entradas." },
  },
  shop_url: {
    kind: "text",
    place: "line",
    optional: true,
    nullable: true,
    maxLength: 500,
    label: { en: "Address of another shop", es: "Dirección de otra tienda" },
    note: {
      en: "If another shop sells the tickets, buyers go there at their turn, with a pass that the shop checks. The event then needs no ticket types.",
      es: "Si las entradas las vende otra tienda, los compradores van allí en su turno con un pase que la tienda comprueba. El evento no necesita entonces tipos de entrada.",
    },
  },
  pass_algorithm: {
    kind: "choice",
    place: "line",
    label: { en: "Signature of the passes", es: "Firma de los pases" },
    note: { en: "Only for another shop.", es: "Solo para otra tienda." },
  },
} satisfies { [name in keyof Schemas["WaitingRoomConfig"] | "has_line"]?: Row };
