/** The fields in the forms of events and ticket types. */

import type { fieldTexts as english } from "../en/fields";

export const fieldTexts: typeof english = {
  event: {
    name: { label: "Nombre" },
    venue: { label: "Recinto" },
    address: { label: "Dirección" },
    city: { label: "Ciudad" },
    category: { label: "Categoría" },
    country: { label: "País", note: "Su código, como ES o MX. De él depende qué impuestos predeterminados de tu perfil se aplican." },
    region: { label: "Región", note: "Solo si tiene impuestos propios: el final de su código ISO, como CN en ES-CN." },
    postal_code: { label: "Código postal", note: "Necesario si Stripe calcula los impuestos." },
    description: { label: "Descripción" },
    starts_at: { label: "Empieza" },
    ends_at: { label: "Termina" },
    doors_minutes: {
      label: "Minutos entre la apertura de puertas y el inicio",
      note: "Por ejemplo, 60: las puertas se abren una hora antes del inicio y los compradores ven esa hora. Si está vacío, no se muestra.",
    },
    refundable_until: {
      label: "Los compradores pueden devolver entradas hasta",
      note: "Hasta entonces, los compradores pueden devolver ellos mismos las entradas sin usar y recuperar todo el importe. El correo sobre el cambio lo indica.",
    },
    timezone: { label: "Zona horaria", note: "Todas las horas de esta página son de esta zona horaria." },
    on_sale_at: {
      label: "Apertura de la venta",
      note: "Hasta entonces, la gente espera en una sala y un sorteo decide el orden. Si lo dejas vacío, la venta empieza en cuanto publiques el evento.",
    },
    capacity: {
      label: "Aforo del evento",
      note: "El total de entradas a la venta entre todos los tipos. Si está vacío, solo cuenta la cantidad de cada tipo.",
    },
    purchase_limit: {
      label: "Entradas por comprador",
      note: "Cuántas entradas puede comprar una persona en total. Lo habitual, si se van a agotar, es de 2 a 4.",
    },
    hold_seconds: {
      label: "Segundos para pagar",
      note: "El tiempo que tiene el comprador para pagar. Lo habitual es 180 con tarjeta y 600 si hace falta la aplicación del banco.",
    },
    allows_reentry: {
      label: "Se puede salir y volver a entrar",
      note: "El personal escanea las entradas de quienes salen. Después, con la misma entrada pueden volver a entrar.",
    },
    publishes_report: {
      label: "Publicar el informe de la venta",
      note: "Tras la apertura, la página del sorteo muestra cuánta gente participó, cuánto esperó y adónde fueron las entradas.",
    },
  },
  returns: {
    policy: {
      label: "Si el comprador no puede ir",
      note: "El comprador lo ve antes de pagar. Vale para las entradas que se reserven a partir de ahora.",
    },
    until: { label: "Devoluciones hasta", note: "Si está vacío, hasta que empiece el evento." },
    fee_percent: { label: "Porcentaje que se descuenta" },
    needs_approval: { label: "Yo decido sobre cada devolución", note: "En Pedidos, Solicitudes de devolución." },
    fee_cents: { label: "Gastos" },
    may_transfer: { label: "Las entradas se pueden transferir", note: "Quien tiene una entrada puede pasarla a otra persona con un enlace." },
  },
  line: {
    has_line: { label: "Sala de espera", note: "Los compradores entran por tandas, en el orden que decide un sorteo." },
    wave_size: { label: "Personas por tanda" },
    wave_seconds: { label: "Segundos entre tandas" },
    pass_seconds: { label: "Segundos para elegir entradas" },
    grace_seconds: { label: "Segundos extra si se pasa el turno" },
    longer_pass_seconds: {
      label: "Segundos para elegir para quien necesite más tiempo",
      note: "Cualquiera puede pedir un turno más largo, sin motivo ni justificante, y tú no ves quién lo pide. Si está vacío, dura el triple.",
    },
    entry: {
      label: "Quién tiene puesto en la cola",
      note: "Con un puesto por correo, no sirve de nada entrar con muchas identidades inventadas. Cada persona confirma su correo con un código y no necesita cuenta. Los códigos se crean en Códigos promocionales. Cuando alguien ha entrado, la norma ya no se puede cambiar.",
    },
    groups: {
      label: "Hasta seis personas pueden compartir un puesto",
      note: "Un grupo se forma antes del sorteo y participa como una sola persona. En su turno, cada miembro puede comprar. Solo con un puesto por correo o por cuenta. Prevé tandas más pequeñas: con cada puesto pueden entrar seis personas.",
    },
    ballot: {
      label: "Repartir las entradas por sorteo",
      note: "El público se inscribe con sus preferencias hasta el sorteo, que se hace a la hora de apertura de la venta. Después, las entradas se ofrecen en el orden del sorteo: cada persona tiene un día para pagar y, si no, pasan a la siguiente. Nadie más puede comprar. No se aplican los grupos ni las tandas.",
    },
    ballot_cards: {
      label: "Tarjetas en el sorteo",
      note: "El público guarda una tarjeta al inscribirse. No se cobra nada hasta que alguien consigue entradas en el sorteo. Si el banco rechaza la tarjeta, hay un día para pagar de otra forma. Si hay preguntas obligatorias, no se cobra en las tarjetas.",
    },
    better_odds: {
      label: "Más posibilidades para quien no tuvo suerte antes",
      note: "Cada persona tiene un número en el sorteo. Cada vez que no le toca en un sorteo tuyo de este tipo, recibe uno más, hasta cinco. Cuando le toca, vuelve a tener uno. Cuenta el mejor. Márcalo ya en tu primer sorteo para que cuente en el siguiente. Solo con un puesto por correo, cuenta o tarjeta. Vale para las salas de espera nuevas.",
    },
    randomness: {
      label: "Qué decide el orden",
      note: "Recomendamos el número público, porque así ni siquiera la tienda puede conocer ni influir en el orden de antemano. La venta se abre cuando ese número es público, y puede retrasarse si hay problemas en internet. Con solo la clave, la venta nunca espera, pero el público tiene que confiar en que nadie de la tienda la haya mirado. Vale para las salas de espera nuevas.",
    },
    follow_stock: { label: "Ajustar las tandas a las entradas que quedan", note: "Las tandas se reducen a medida que se agotan las entradas." },
    shop_url: {
      label: "Dirección de otra tienda",
      note: "Si las entradas las vende otra tienda, los compradores van allí en su turno con un pase que la tienda comprueba. El evento no necesita entonces tipos de entrada.",
    },
    pass_algorithm: { label: "Firma de los pases", note: "Solo para otra tienda." },
  },
  tier: {
    name: { label: "Nombre" },
    description: { label: "Descripción" },
    price_cents: { label: "Precio", note: "Por entrada o paquete. Pon 0 si es gratis." },
    currency: { label: "Moneda", note: "Todo el evento usa la misma moneda." },
    capacity: { label: "Cantidad", note: "Cuántas vendes en total. Si está vacío, solo cuenta el aforo del evento." },
    admits: { label: "Personas que entran", note: "A cuántas personas da acceso cada entrada o paquete." },
    sale_starts_at: { label: "A la venta desde" },
    sale_ends_at: { label: "A la venta hasta" },
    max_per_order: { label: "Máximo por pedido" },
    low_stock_at: { label: "Alarma de pocas entradas", note: "El equipo técnico recibe una alarma cuando solo queda este número de entradas." },
    is_sponsorship: { label: "Patrocinio", note: "Se muestra como patrocinio a los compradores y se distingue en los informes de ventas." },
    seating: {
      label: "Plazas accesibles",
      note: "Cualquiera puede comprar plazas para silla de ruedas, sin justificante. Cada pedido admite tres de acompañante por cada una de ellas.",
    },
    hidden: { label: "Ocultar en las listas", note: "No aparece en ninguna lista. Quien tenga el enlace puede comprarla." },
    requires_code: {
      label: "Solo con código",
      note: "Hace falta un código promocional que dé acceso a estas entradas. La lista de espera no las ofrece.",
    },
  },
  included: {
    "included_fee.cents": { label: "Gastos de gestión incluidos", note: "Por entrada. Se muestran junto al precio, sin sumarle nada." },
    "included_fee.percent": { label: "Más un % del precio" },
    "tax.none": { label: "Sin impuestos", note: "Los recibos no mencionan impuestos, aunque tengas impuestos predeterminados." },
    "tax.percent": { label: "Impuestos incluidos, en %", note: "Por ejemplo, 21. Si está vacío, se aplican los impuestos predeterminados de tu perfil." },
    "tax.exempt_because": { label: "Motivo de la exención", note: "Para un 0 %. Aparece en los recibos." },
  },
};
