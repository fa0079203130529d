/** The texts about returning tickets, in German. */

import type { returnTexts as english } from "./en-returns";

const tickets = (count: number) => (count === 1 ? "1 Ticket" : `${count} Tickets`);

export const returnTexts: typeof english = {
  title: "Sie können Ihre Tickets zurückgeben",
  until: (time) => `Wenn Sie nicht mehr kommen können, können Sie Ihre Tickets bis ${time} zurückgeben.`,
  fee: (amount) => `Wir behalten eine Gebühr von ${amount} ein.`,
  action: (amount) => `Tickets zurückgeben und ${amount} erhalten`,
  meaning: (count, amount) =>
    `${count === 1 ? "Ihr Ticket wird" : `Ihre ${count} Tickets werden`} sofort ungültig, und das lässt sich nicht rückgängig machen. Wir senden ${amount} auf die Karte oder das Konto zurück, mit dem Sie bezahlt haben.`,
  now: (count) => `${tickets(count)} zurückgeben`,
  ask: "Rückgabe beantragen",
  askMeaning: "Der Veranstalter entscheidet. Bis dahin bleiben Ihre Tickets gültig. Die Antwort senden wir Ihnen per E-Mail.",
  askNow: (count) => `Rückgabe von ${tickets(count)} beantragen`,
  reason: "Grund",
  reasons: { cannot_come: "Ich kann nicht kommen", ill: "Ich bin krank", wrong_tickets: "Ich habe die falschen Tickets gekauft", other: "Ein anderer Grund" },
  requests: {
    open: (count) => `Sie haben die Rückgabe von ${tickets(count)} beantragt. Der Veranstalter hat noch nicht entschieden.`,
    declined: (count) => `Der Veranstalter hat die Rückgabe von ${tickets(count)} abgelehnt.`,
  },
  withdraw: "Tickets behalten: Antrag zurückziehen",
  askedTitle: "Der Veranstalter entscheidet",
  doneTitle: "Sie haben Ihre Tickets zurückgegeben",
  resale: "Wenn Sie nicht kommen können",
  resaleMeaning: "Bieten Sie Ihre Tickets zum gezahlten Preis zum Weiterverkauf an. Die Tickets bleiben gültig, bis jemand sie kauft; bis dahin können Sie das Angebot zurückziehen. Wenn ein Ticket verkauft ist, schreiben wir Ihnen eine E-Mail und erstatten den Preis.",
  resaleUntil: (time) => `Sie können sie bis ${time} anbieten.`,
  ticket: (number) => `Ticket ${number}`,
  youGet: (amount) => `Sie erhalten ${amount} zurück.`,
  failures: {
    returns_closed: "Die Frist für die Rückgabe ist abgelaufen.",
    tickets_not_returnable: "Diese Tickets können nicht zurückgegeben werden: Sie wurden benutzt oder weitergegeben, oder sie gelten nicht mehr. Laden Sie die Seite neu.",
    tickets_being_sold: "Jemand kauft dieses Ticket gerade. Versuchen Sie es in ein paar Minuten noch einmal.",
  },
  listed: "Im Weiterverkauf",
  offer: "Zum Weiterverkauf anbieten",
  unlist: "Zurückziehen",
  offerAll: (count) => `Alle ${count} Tickets anbieten`,
  doneText: (amount) => `Wir senden ${amount} auf die Karte oder das Konto zurück, mit dem Sie bezahlt haben. Bei den Banken dauert das bis zu zehn Tage.`,
};
