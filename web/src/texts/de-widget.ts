/** The texts of the widget for other websites, in German. */

import { saleTexts } from "./de-sale";
import type { widgetTexts as en } from "./en-widget";

export const widgetTexts: typeof en = {
  ...saleTexts,
  buy: "Tickets kaufen",
  open: "Mehr erfahren",
  wait: "Auf die Warteliste",
  none: "Zurzeit gibt es keine Events.",
  failed: "Die Events können zurzeit nicht angezeigt werden.",
  shop: "Zum Ticketshop",
};
