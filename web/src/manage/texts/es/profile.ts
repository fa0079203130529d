/** A promoter's public profile. */

import type { brandTexts as englishBrand, defaultTaxesTexts as englishTaxes, legalTextsTexts as englishLegal, paymentAccountTexts as englishAccount, profileTexts as english } from "../en/profile";

export const profileTexts: typeof english = {
  title: "Tu perfil",
  lead: "Lo que los compradores pueden leer sobre ti.",
  verified: "Tu perfil está verificado: los compradores pueden verlo.",
  unverified: "La administración de la tienda todavía no te ha verificado. Hasta entonces, solo tú y los administradores podéis ver este perfil. Mientras tanto puedes preparar eventos; para publicarlos, puede que la tienda tenga que verificarte.",
  losesVerification: "Si cambias el nombre, la empresa o la web, un administrador tendrá que verificarte de nuevo.",
  name: "Nombre",
  nameNote: "El nombre por el que te conocen los compradores.",
  company: "Empresa (opcional)",
  website: "Web (opcional)",
  websiteError: "Esto no es la dirección de una web. Un ejemplo: https://example.com.",
  email: "Correo para los compradores (opcional)",
  emailNote: "Cualquiera puede verlo. Puede ser distinto del correo con el que inicias sesión.",
  description: "Sobre ti (opcional)",
  policies: "Devoluciones y condiciones (opcional)",
  policiesNote: "Por ejemplo, hasta cuándo devuelves el importe de las entradas. Los compradores pueden leerlo antes de pagar y en el correo con sus entradas.",
  account: "Cuenta bancaria",
  accountNote: "Los compradores a los que des un código para pagar por transferencia ingresan el dinero en esta cuenta. Solo la ven ellos, los administradores y tú.",
  "bank_account.holder": "Titular",
  "bank_account.iban": "IBAN",
  "bank_account.bic": "BIC",
  invoices: "Facturas",
  invoicesNote: "Indica tu nombre, dirección y NIF tal como deben figurar en las facturas. A partir de entonces, tus compradores recibirán una factura por cada pedido y una factura rectificativa por cada reembolso. Solo verán estos datos tú, los administradores y los compradores con factura.",
  "invoices.name": "Nombre en las facturas",
  "invoices.address": "Dirección en las facturas",
  "invoices.country": "Código de país, para facturas electrónicas (opcional)",
  "invoices.tax_id": "NIF",
  "invoices.prefix": "Comienzo de los números de factura (opcional)",
  invoicesPrefixNote: "Hasta 10 letras mayúsculas y cifras; por ejemplo, FG para FG-I2026-000001.",
  invoicesUnverified: "Los compradores recibirán sus facturas cuando un administrador haya verificado tu perfil.",
  invoicesFile: "Facturas en CSV",
  invoicesOfShop: "Facturas de la tienda",
  invoicesOfShopNote: "Indica el nombre, la dirección y el NIF de la tienda tal como deben figurar en las facturas. A partir de entonces, quienes compren entradas de eventos que vende la propia tienda recibirán una factura por cada pedido y una factura rectificativa por cada reembolso. Para dejar de emitir facturas, borra todos los campos.",
  saveOfShop: "Guardar las facturas de la tienda",
};

export const defaultTaxesTexts: typeof englishTaxes = {
  title: "Impuestos predeterminados",
  lead: "Los impuestos incluidos en tus precios, según el país y la región del evento. Se aplican a los tipos de entrada que no indican ninguno y a las entradas que se reserven a partir de ahora. Los pedidos conservan el impuesto de su venta.",
  country: "País",
  countryNote: "Su código, como ES.",
  region: "Región (opcional)",
  regionNote: "Si está vacía, todo el país.",
  percent: "Impuestos incluidos, en %",
  exempt: "Motivo de la exención (opcional)",
  add: "Añadir un país o una región",
  save: "Guardar impuestos",
  remove: (place: string) => `Quitar el impuesto de ${place}`,
};

export const brandTexts: typeof englishBrand = {
  logo: "Tu logotipo",
  logoNote: "JPEG, PNG o WebP. Aparece sobre fondo blanco encima del nombre de tus eventos.",
  colors: "Tus colores",
  lead: "Los botones y enlaces de las páginas de tus eventos tienen estos colores. Quienes usan el modo oscuro ven el segundo. Todo el mundo debe poder leerlos, así que no se aceptan colores con poco contraste.",
  color: "En páginas claras",
  darkColor: "En páginas oscuras",
  likeShop: "Usar los colores de la tienda",
  save: "Guardar colores",
};

export const legalTextsTexts: typeof englishLegal = {
  title: "Textos legales",
  lead: "Tu aviso legal, tus condiciones, tu política de privacidad y otros textos. Los compradores los encuentran en las páginas de tus eventos y al pagar. Si tienes condiciones, los compradores las aceptan allí, y cada pedido conserva el texto que aceptó su comprador.",
  titleOfShop: "Textos legales de la tienda",
  leadOfShop: "Están en la página «Aviso legal y privacidad», a la que enlazan todas las páginas, y se aplican a los eventos que vende la propia tienda.",
  kind: "Tipo",
  language: "Idioma",
  languageNote: "Dos letras, por ejemplo en o es.",
  text: "Texto",
  textNote: "Texto sin formato. Las líneas en blanco separan los párrafos. Déjalo vacío si el texto está en una página tuya.",
  url: "O la dirección de tu página",
  publish: "Publicar",
  change: "Cambiar",
  changeNamed: (name: string) => `Cambiar: ${name}`,
  remove: "Quitar",
  removeNamed: (name: string) => `Quitar: ${name}`,
  useTemplate: "Empezar con una plantilla",
  accessibilityTemplate:
    "Queremos que todas las personas puedan comprar entradas aquí en las mismas condiciones.\n\nLas páginas de esta tienda pretenden cumplir las WCAG 2.2, nivel AA, y la norma EN 301 549. Se prueban con comprobaciones automáticas de todas las páginas y solo con el teclado, y funcionan en una pantalla de 320 píxeles y con el texto al doble de su tamaño normal.\n\nEn la sala de espera puedes pedir más tiempo para tu turno sin dar ningún motivo. Las plazas para sillas de ruedas y los asientos de acompañante, si el evento los tiene, se venden en la misma venta, el mismo sorteo y la misma fila que las demás entradas.\n\nLimitaciones conocidas: [describe lo que todavía no funciona o borra esta frase].\n\nSi algo te impide comprar, o si necesitas una entrada de otra manera, escribe a [dirección]. Respondemos en un plazo de [número] días laborables. Si no te satisface nuestra respuesta, puedes dirigirte a [la autoridad de tu país].\n\nEsta declaración se hizo el [fecha].",
};

export const paymentAccountTexts: typeof englishAccount = {
  title: "Tus cobros",
  states: {
    none: "Los compradores de tus eventos pagan a la tienda. Conecta tu propia cuenta de Stripe para cobrar directamente.",
    removed: "La tienda ha retirado tu cuenta de Stripe. Los compradores de tus eventos pagan a la tienda.",
    pending: "Tu cuenta de Stripe no está completa. Hasta que lo esté, los compradores de tus eventos pagan a la tienda.",
    active: "Los compradores de tus eventos pagan a tu cuenta de Stripe.",
    restricted: "Stripe no permite que tu cuenta cobre, así que la venta de tus eventos está en pausa. Las entradas vendidas siguen siendo válidas. La venta se reanuda sola cuando Stripe tenga lo que necesita.",
  },
  noPayouts: "Stripe no te está transfiriendo el dinero por ahora.",
  missing: "Stripe necesita lo siguiente:",
  fee: (perTicket: string, percent: string) => `La comisión de la tienda por pedido es el ${percent} % del total más ${perTicket}, en la moneda del evento, por cada entrada de pago.`,
  balance: (available: string, pending: string) => `Saldo: ${available} disponibles para transferir a tu banco y ${pending} pendientes de liberarse.`,
  payouts: "Transferencias a tu banco",
  connect: "Conectar una cuenta de Stripe",
  resume: "Seguir en Stripe",
};
