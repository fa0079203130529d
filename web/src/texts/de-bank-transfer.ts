/** The texts about paying by bank transfer, in German. */

import type { bankTransferTexts as english } from "./en-bank-transfer";

export const bankTransferTexts: typeof english = {
  choose: (days) => (days === 1 ? "Ich zahle innerhalb eines Tages per Überweisung" : `Ich zahle innerhalb von ${days} Tagen per Überweisung`),
  title: "Überweisen Sie das Geld auf dieses Konto",
  holder: "Kontoinhaber",
  amount: "Betrag",
  reference: "Verwendungszweck",
  received: (amount, missing) => `Wir haben ${amount} erhalten. Es fehlen noch ${missing}.`,
  until: "Ihre Tickets bleiben reserviert, bis das Geld da ist, längstens bis:",
  note: "Geben Sie genau diesen Betrag und diesen Verwendungszweck an. Ihre Tickets kommen per E-Mail, sobald das Geld beim Anbieter eingegangen ist.",
};
