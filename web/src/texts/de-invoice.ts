/** The texts about the company on an invoice, in German. */

import type { invoiceTexts as english } from "./en-invoice";

export const invoiceTexts: typeof english = {
  wanted: "Ich brauche eine Rechnung für eine Firma",
  company: "Firma",
  address: "Rechnungsanschrift",
  country: "Ländercode für eine elektronische Rechnung (optional)",
  countryForm: "Zwei Buchstaben, zum Beispiel DE oder AT",
  vatId: "USt-IdNr. (optional)",
  vatIdForm: "4 bis 30 Buchstaben und Ziffern, zum Beispiel DE123456789",
};
