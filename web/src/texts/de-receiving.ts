/** The texts for people who are offered a ticket, in German. */

import type { receivingTexts as english } from "./en-receiving";

export const receivingTexts: typeof english = {
  from: (giver) => `${giver ?? "Jemand"} hat ein Ticket für Sie.`,
  meaning: (giver) =>
    `Wenn Sie annehmen, gehört das Ticket nur Ihnen. Sie bekommen einen neuen Code, und der Code ${giver ? `von ${giver}` : "der anderen Person"} gilt nicht mehr. Hier zahlen Sie nichts. Solange das Ticket nicht benutzt ist, können Sie es weitergeben.`,
  openUntil: (when) => `Sie können bis ${when} annehmen.`,
  emailNote: "An diese Adresse senden wir das Ticket, und mit ihr finden Sie es auch wieder.",
  accept: "Ticket annehmen",
  doneTitle: "Das Ticket gehört Ihnen",
  doneText: "Es hat einen neuen Code, und der alte gilt nicht mehr.",
  mailedTo: (email) => `Wir senden es auch an ${email}.`,
  failures: {
    transfer_not_found: "Dieser Link wurde schon benutzt oder zurückgezogen. Bitten Sie um einen neuen.",
    transfer_expired: "Dieser Link ist abgelaufen. Bitten Sie um einen neuen.",
    transfer_to_self: "Dieses Ticket gehört Ihnen schon. Senden Sie den Link an die Person, die es bekommen soll.",
  },
};
