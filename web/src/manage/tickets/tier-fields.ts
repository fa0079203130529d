/** The fields in the form of a ticket type or package, in the order of the form. */

import type { Schemas } from "../../client";
import type { Row } from "../parts/field-table";

export const TIER_FIELDS = {
  name: { kind: "text", place: "main", required: true, maxLength: 200, label: { en: "Name", es: "Nombre" } },
  description: { kind: "area", place: "main", optional: true, maxLength: 10_000, label: { en: "Description", es: "Descripción" } },
  price_cents: {
    kind: "price",
    place: "main",
    half: true,
    required: true,
    maxLength: 14,
    label: { en: "Price", es: "Precio" },
    note: { en: "Per ticket or package. Enter 0 if it is free.", es: "Por entrada o paquete. Pon 0 si es gratis." },
  },
  currency: {
    kind: "choice",
    place: "main",
    half: true,
    label: { en: "Currency", es: "Moneda" },
    note: { en: "The whole event uses the same currency.", es: "Todo el evento usa la misma moneda." },
  },
  capacity: {
    kind: "number",
    place: "main",
    half: true,
    optional: true,
    min: 1,
    max: 1_000_000,
    label: { en: "Quantity", es: "Cantidad" },
    note: {
      en: "How many you sell in total. If empty, only the event's capacity counts.",
      es: "Cuántas vendes en total. Si está vacío, solo cuenta el aforo del evento.",
    },
  },
  admits: {
    kind: "number",
    place: "main",
    half: true,
    required: true,
    min: 1,
    max: 100,
    label: { en: "People admitted", es: "Personas que entran" },
    note: { en: "How many people each ticket or package admits.", es: "A cuántas personas da acceso cada entrada o paquete." },
  },
  sale_starts_at: { kind: "time", place: "more", half: true, optional: true, label: { en: "On sale from", es: "A la venta desde" } },
  sale_ends_at: { kind: "time", place: "more", half: true, optional: true, label: { en: "On sale until", es: "A la venta hasta" } },
  max_per_order: {
    kind: "number",
    place: "more",
    half: true,
    optional: true,
    min: 1,
    max: 50,
    label: { en: "Maximum per order", es: "Máximo por pedido" },
  },
  low_stock_at: {
    kind: "number",
    place: "more",
    half: true,
    optional: true,
    min: 0,
    max: 1_000_000,
    label: { en: "Low-stock alarm", es: "Alarma de pocas entradas" },
    note: {
      en: "The operators get an alarm when only this many are left.",
      es: "El equipo técnico recibe una alarma cuando quedan tan pocas.",
    },
  },
  is_sponsorship: {
    kind: "check",
    place: "more",
    label: { en: "Sponsorship", es: "Patrocinio" },
    note: {
      en: "Shown to buyers as a sponsorship, and marked as one in sales reports.",
      es: "Se muestra como patrocinio a los compradores y se distingue en los informes de ventas.",
    },
  },
  seating: {
    kind: "choice",
    place: "more",
    nullable: true,
    label: { en: "Accessible seats", es: "Plazas accesibles" },
    note: {
      en: "Everybody can buy wheelchair spaces, without proof. An order can have three companion seats for each wheelchair space in it.",
      es: "Cualquiera puede comprar plazas para silla de ruedas, sin justificante. Cada pedido admite tres de acompañante por cada una de ellas.",
    },
  },
  hidden: {
    kind: "check",
    place: "more",
    label: { en: "Hide from lists", es: "Ocultar en las listas" },
    note: {
      en: "Not listed anywhere. Anyone who has the link can buy it.",
      es: "No aparece en ninguna lista. Quien tenga el enlace puede comprarla.",
    },
  },
  requires_code: {
    kind: "check",
    place: "more",
    label: { en: "Only with a code", es: "Solo con código" },
    note: {
      en: "Buyers need a promo code that opens these tickets. The waitlist does not offer them.",
      es: "Hace falta un código promocional que abra estas entradas. La lista de espera no las ofrece.",
    },
  },
} satisfies { [name in keyof Schemas["TierFields"]]?: Row };

/** The fields of `included_fee` and `tax`. */
export const INCLUDED_FIELDS = {
  "included_fee.cents": {
    kind: "price",
    place: "included",
    half: true,
    optional: true,
    maxLength: 14,
    label: { en: "Fee in the price", es: "Gastos de gestión incluidos" },
    note: { en: "Per ticket. Buyers see it beside the price, and pay nothing on top.", es: "Por entrada. Se muestran junto al precio, sin sumarle nada." },
  },
  "included_fee.percent": {
    kind: "text",
    place: "included",
    half: true,
    optional: true,
    maxLength: 6,
    label: { en: "Plus % of the price", es: "Más un % del precio" },
  },
  "tax.none": {
    kind: "check",
    place: "included",
    label: { en: "No tax", es: "Sin impuestos" },
    note: {
      en: "Receipts do not mention tax, whatever your default taxes are.",
      es: "Los recibos no mencionan impuestos, aunque tengas impuestos predeterminados.",
    },
  },
  "tax.percent": {
    kind: "text",
    place: "included",
    half: true,
    optional: true,
    maxLength: 6,
    label: { en: "Tax in the price, in percent", es: "Impuestos incluidos, en %" },
    note: {
      en: "For example 8.875. If empty, the default taxes in your profile apply.",
      es: "Por ejemplo, 21. Si está vacío, se aplican los impuestos predeterminados de tu perfil.",
    },
  },
  "tax.exempt_because": {
    kind: "text",
    place: "included",
    half: true,
    optional: true,
    maxLength: 200,
    label: { en: "Why it is exempt", es: "Motivo de la exención" },
    note: { en: "For a tax of 0 percent. Receipts show it.", es: "Para un 0 %. Aparece en los recibos." },
  },
} satisfies Record<string, Row>;
