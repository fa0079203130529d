/** The texts of the widget for other websites, in English. */

import { saleTexts } from "./en-sale";

export const widgetTexts = {
  ...saleTexts,
  buy: "Get tickets",
  open: "More information",
  wait: "Join the waitlist",
  none: "There are no events at the moment.",
  failed: "The events cannot be shown at the moment.",
  shop: "Go to the ticket shop",
};
