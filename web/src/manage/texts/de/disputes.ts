/** Disputes: the bank's reasons, by the provider's codes, and advice for the response. */

import type { disputeTexts as english } from "../en/disputes";

const reasons: Record<string, string> = {
  fraudulent: "Der Karteninhaber sagt, die Zahlung sei nicht von ihm",
  unrecognized: "Der Karteninhaber erkennt die Zahlung nicht wieder",
  product_not_received: "Der Käufer sagt, er habe keine Tickets bekommen",
  product_unacceptable: "Der Käufer sagt, das Event sei nicht das gewesen, wofür er bezahlt hat",
  duplicate: "Der Käufer sagt, er habe doppelt bezahlt",
  credit_not_processed: "Der Käufer sagt, eine Erstattung sei nicht angekommen",
  general: "Anderer Grund",
};
const advice: Record<string, string> = {
  fraudulent: "Zeigen Sie, dass der Karteninhaber die Tickets gekauft oder benutzt hat: die Bestellung mit der E-Mail-Adresse und, aus dem Verlauf, wer die Tickets wann und wo gescannt hat.",
  unrecognized: "Zeigen Sie, was gekauft wurde: die Bestellung, das Event und den Termin. Oft hat der Käufer den Kauf nur vergessen; dann hilft es, ihm zu schreiben.",
  product_not_received: "Zeigen Sie, dass die Tickets angekommen sind: den Status der E-Mails (unter „E-Mails“) und, aus dem Verlauf, wann die Tickets am Einlass benutzt wurden.",
  product_unacceptable: "Zeigen Sie, was die Seite des Events versprochen hat und was stattgefunden hat. Wenn sich etwas geändert hat, geben Sie an, wann Sie die Käufer informiert haben.",
  duplicate: "Suchen Sie nach anderen Bestellungen des Käufers. Wenn es zwei gibt, zeigen Sie, dass jede ihre eigenen Tickets hat. War eine ein Versehen, akzeptieren Sie die Zahlungsanfechtung.",
  credit_not_processed: "Zeigen Sie die Erstattung, die mit Datum in der Bestellung steht. Wenn keine Erstattung zugesagt war, zeigen Sie Ihre Bedingungen.",
};

export const disputeTexts: typeof english = {
  none: "Keine Zahlungsanfechtungen",
  noneText: "Wenn die Bank eines Käufers Geld zurückfordert, erscheint die Zahlungsanfechtung hier, mit der Frist für Ihre Antwort.",
  amount: "Geforderter Betrag",
  reason: "Grund",
  since: "Eröffnet",
  due: "Antworten bis",
  order: "Bestellung",
  reasons,
  advice,
  generalAdvice: "Zeigen Sie die Bestellung, ihre E-Mails und, aus dem Verlauf, wann die Tickets benutzt wurden.",
  where: "Antworten Sie im Dashboard des Zahlungsdienstleisters. Bis die Bank entschieden hat, gelten die Tickets nicht am Einlass, und in der Bestellung kann nichts erstattet werden.",
  outcomes: {
    won: "Die Bank hat zu Ihren Gunsten entschieden: Das Geld ist wieder da, und die Tickets gelten.",
    lost: "Die Bank hat zugunsten des Käufers entschieden: Der Käufer behält das Geld, und Tickets im gleichen Wert sind ungültig.",
  },
};
