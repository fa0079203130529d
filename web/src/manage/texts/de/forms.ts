/** Texts that all forms share. */

import type { formTexts as english } from "../en/forms";

export const formTexts: typeof english = {
  save: "Speichern",
  saved: "Gespeichert",
  discard: "Meine Änderungen verwerfen",
  back: "Nein, zurück",
  yes: "Ja",
  no: "Nein",
  nothing: "nichts",
  conflictTitle: "Jemand anders hat Änderungen gespeichert",
  conflictText: "Diese Änderungen stehen jetzt im Formular. Wo Sie etwas anderes eingegeben haben, steht noch Ihr Text. Vergleichen Sie beides, und speichern Sie dann noch einmal.",
  mineKept: (mine) => `Ihre Eingabe war: ${mine}.`,
  theirsTaken: "Sie verwenden die andere Fassung.",
  takeTheirs: "Andere Fassung verwenden",
  unsaved: "Noch nicht gespeichert. Dieser Tab behält Ihre Änderungen, bis Sie sie speichern.",
  optional: (label) => `${label} (optional)`,
  more: "Mehr anzeigen",
  otherLanguages: "Andere Sprachen",
  otherLanguagesNote: "Wer eine dieser Sprachen liest, sieht diese Texte auf Seiten, in E-Mails und auf Tickets. Für ein leeres Feld gilt der Text oben.",
  scrollSideways: "Diese Tabelle ist breiter als der Bildschirm: Scrollen Sie seitwärts",
};
