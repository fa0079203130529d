/** The list of events that a person sells or works at. */

import type { eventListTexts as english } from "../en/event-list";

export const eventListTexts: typeof english = {
  title: "Ihre Events",
  all: "Alle Events",
  create: "Neues Event",
  search: "Events suchen",
  none: "Noch keine Events",
  noneText: "Erstellen Sie Ihr erstes Event. Es bleibt ein Entwurf, den nur Sie und Ihr Team sehen, bis Sie es veröffentlichen.",
  noMatch: "Keine passenden Events",
  noDate: "Noch kein Datum",
  sold: (count, capacity) =>
    capacity === null ? `${count.toLocaleString("de")} verkauft` : `${count.toLocaleString("de")} von ${capacity.toLocaleString("de")} verkauft`,
  upcoming: "Kommende Events und laufender Verkauf",
  drafts: "Entwürfe",
  past: "Vergangen oder abgesagt",
  leave: "Verlassen",
  leaveNow: "Ja, dieses Event verlassen",
  leaveText: "Sie haben dann keinen Zugang mehr zu diesem Event. Um zurückzukommen, brauchen Sie eine neue Einladung.",
};
