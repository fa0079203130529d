/** Payouts of the payment provider to the bank. */

import type { payoutTexts as english } from "../en/payouts";

export const payoutTexts: typeof english = {
  title: "Auszahlungen",
  lead: "Was der Zahlungsdienstleister an Ihre Bank gesendet hat: alle Verkäufe über Ihr Konto bei ihm, abzüglich Erstattungen, Zahlungsanfechtungen und Gebühren. Andere Shops auf demselben Konto sind enthalten.",
  none: "Noch keine Auszahlungen",
  noneText: "Der Dienstleister zahlt nach dem Zeitplan in seinem Dashboard aus, zum ersten Mal ein paar Tage nach der ersten Zahlung.",
  noProvider: "Kein Zahlungsdienstleister",
  noProviderText: "Zahlungen in dieser Umgebung sind simuliert, es gibt also kein Geld auszuzahlen.",
  provider: "Auszahlungen von",
  books: "Abgleich",
  comparedUntil: (when) => `Unsere Bücher sind bis ${when} mit denen des Dienstleisters abgeglichen.`,
  notCompared: "Die Bücher wurden noch nicht abgeglichen. Das geschieht automatisch alle 15 Minuten.",
  findings: (count) => `Abweichungen im letzten Abgleich: ${count}. In den offenen Fällen steht, was zu tun ist.`,
  noFindings: "Der letzte Abgleich hat keine Abweichungen gefunden.",
  cases: "Offene Fälle",
  states: { pending: "Steht aus", in_transit: "Unterwegs", paid: "Ausgezahlt", failed: "Zurückgekommen", cancelled: "Storniert" },
  arrival: (date) => `bei der Bank am ${date}`,
  made: (date) => `erstellt am ${date}`,
  automatic: "automatisch",
  byHand: "von Hand",
  failure: "Die Bank hat sie zurückgesendet. Korrigieren Sie das Bankkonto im Dashboard des Dienstleisters.",
  detail: "Grund des Dienstleisters:",
  isCompared: "Alle Zahlungen bis zu diesem Tag sind mit unseren Büchern abgeglichen.",
  isNotCompared: "Einige Zahlungen bis zu diesem Tag sind noch nicht mit unseren Büchern abgeglichen.",
};
