/** The state of a sale, for the shop and for the widget on other websites, in German. */

import type { saleTexts as english } from "./en-sale";

export const saleTexts: typeof english = {
  from: (price) => `ab ${price}`,
  free: "Kostenlos",
  salesFrom: (when) => `Im Verkauf ab ${when}`,
  status: {
    on_sale: "Im Verkauf",
    paused: "Unterbrochen",
    scheduled: "Bald im Verkauf",
    sold_out: "Ausverkauft",
    closed: "Verkauf beendet",
    cancelled: "Abgesagt",
    draft: "Entwurf",
    test: "Test",
  },
};
