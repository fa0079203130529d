/** The texts of the widget for other websites, in Spanish. */

import type { widgetTexts as en } from "./en-widget";
import { saleTexts } from "./es-sale";

export const widgetTexts: typeof en = {
  ...saleTexts,
  buy: "Conseguir entradas",
  open: "Más información",
  wait: "Apuntarse a la lista de espera",
  none: "Ahora mismo no hay eventos.",
  failed: "Ahora mismo no se pueden mostrar los eventos.",
  shop: "Ir a la tienda de entradas",
};
