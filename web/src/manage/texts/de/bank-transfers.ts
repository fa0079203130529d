/** Orders that are paid by bank transfer. */

import type { bankTransferTexts as english } from "../en/bank-transfers";

const rows = (count: number) => (count === 1 ? "1 Überweisung" : `${count.toLocaleString("de")} Überweisungen`);

export const bankTransferTexts: typeof english = {
  title: "Überweisungen",
  lead: "Erfassen Sie jede Überweisung so, wie Ihre Bank sie anzeigt. Sobald eine Bestellung ganz bezahlt ist, werden die Tickets versendet.",
  reference: "Verwendungszweck mit der Bestellnummer",
  amount: (currency) => `Betrag (${currency})`,
  amountNote: "Mit Minuszeichen, wenn Sie Geld zurückgesendet haben.",
  date: "Datum auf dem Kontoauszug",
  dateNote: "Gleiches Datum und gleicher Betrag werden für eine Bestellung nur einmal erfasst.",
  record: "Überweisung erfassen",
  fileNote: "Oder wählen Sie Ihren Kontoauszug als CSV-Datei mit den Spalten reference, amount und date. Andere Zahlungen in der Datei werden ignoriert. Die Datei muss alle Überweisungen eines Tages enthalten.",
  file: "Kontoauszug wählen",
  results: {
    recorded: (count) => `${rows(count)} erfasst.`,
    known: (count) => `${rows(count)} schon früher erfasst.`,
    no_order: (count) => `${rows(count)} ohne Bestellnummer dieses Events.`,
    several_orders: (count) => `${rows(count)} mit mehreren Bestellnummern. Erfassen Sie für jede Bestellung einen Teil des Betrags.`,
    no_refund: (count) => `${rows(count)} an Käufer, aber es ist keine Erstattung über diesen Betrag fällig.`,
    too_many: (count) => `${rows(count)} nicht erfasst, weil die Bestellung schon 100 Überweisungen hat. Senden Sie dieses Geld zurück.`,
    failed: (count) => `${rows(count)} nicht erfasst, weil der Shop die Bestellung nicht lesen oder speichern kann. Informieren Sie den Shop, und wählen Sie die Datei später noch einmal.`,
  },
  none: "Noch keine Überweisungen",
  noneText: "Legen Sie bei einem Aktionscode „Tage zum Bezahlen per Überweisung“ fest. Bestellungen, die so bezahlt werden, erscheinen hier.",
  received: (amount, total) => `${amount} von ${total} erhalten`,
  until: (when) => `Tickets reserviert bis ${when}`,
  cancel: "Bestellung stornieren",
  cancelText: "Die Tickets werden sofort frei, und der Käufer bekommt eine E-Mail. Was schon eingegangen ist, müssen Sie zurücksenden.",
  toReturn: (amount) => `Senden Sie dem Käufer ${amount} zurück, und erfassen Sie das dann hier mit Minuszeichen.`,
};
