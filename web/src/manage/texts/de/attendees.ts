/** The people whom an event's tickets admit. */

import type { attendeeTexts as english } from "../en/attendees";

export const attendeeTexts: typeof english = {
  title: "Besucher",
  csv: "Als CSV herunterladen",
  search: "Name, E-Mail, Code oder Bestellnummer",
  find: "Suchen",
  kind: "Ticketart",
  allKinds: "Alle",
  show: "Anzeigen",
  shown: {
    expected: "Alle mit gültigem Ticket",
    in: "Eingelassen",
    out: "Noch nicht da",
    frozen: "Gesperrt: Zahlung angefochten",
    void: "Nicht mehr gültig",
  },
  note: "Eine Zeile für jede Person, für die ein Ticket gilt. Verwenden Sie die Adressen nur für dieses Event: Der Verlauf hält fest, wer diese Liste öffnet oder herunterlädt.",
  none: "Keine Besucher",
  noneText: "Besucher erscheinen hier, sobald jemand kauft.",
  noMatch: "Nichts gefunden. Codes, Nummern und E-Mail-Adressen müssen vollständig sein; bei Namen genügt der Anfang. Käufe der letzten Sekunden fehlen vielleicht noch.",
  person: "Person",
  guestOf: (owner) => `Gast von ${owner}`,
  noName: "Kein Name und keine Adresse",
  ticket: "Ticket",
  door: "Am Einlass",
  cameIn: (time, gate) => `${time}${gate ? `, Eingang ${gate}` : ""}`,
  doorStates: { valid: "Noch nicht da", frozen: "Gesperrt: Zahlung angefochten", void: "Nicht mehr gültig" },
  order: "Bestellung",
  answers: "Antworten",
};
