/** The texts about access codes of a waiting room, in German. */

import type { accessTexts as english } from "./en-access";

export const accessTexts: typeof english = {
  intro: "Um den Warteraum zu betreten, brauchen Sie einen Code des Veranstalters. Ein Code gilt für so viele Personen, wie der Veranstalter festgelegt hat.",
  joined: "Wenn dieses Konto schon einmal dabei war, lassen Sie das Feld leer.",
  code: "Zugangscode",
  refused: {
    code_required: "Geben Sie den Code ein, den Sie vom Veranstalter bekommen haben.",
    code_invalid: "Dieser Code gilt nicht für diesen Warteraum. Vielleicht ist er falsch getippt, abgelaufen oder zurückgezogen.",
    code_used: "Dieser Code wurde schon von anderen aufgebraucht. Bitten Sie den Veranstalter um einen anderen.",
  },
  appeal: "Ist das ein Fehler? Schreiben Sie dem Veranstalter",
  text: "Was ist passiert?",
  note: "Sie können einmal schreiben. Der Veranstalter antwortet auf dieser Seite und kann Ihnen einen Platz geben. Wir löschen Ihre Nachricht eine Woche nach dem Verkauf.",
  send: "An den Veranstalter senden",
  status: { open: "Der Veranstalter hat Ihre Nachricht", granted: "Der Veranstalter hat Ihnen einen Platz gegeben", denied: "Der Veranstalter hat Ihnen keinen Platz gegeben" },
  wait: "Die Antwort finden Sie in diesem Browser auf dieser Seite. Wenn Sie vor dem Teilnahmeschluss einen Platz bekommen, nehmen Sie an der Ziehung teil, auch wenn Sie gerade nicht da sind.",
  failures: {
    appeal_exists: "Sie haben dem Veranstalter zu diesem Event schon geschrieben.",
    too_many_appeals: "Der Veranstalter kann zu diesem Event keine Nachrichten mehr annehmen.",
    refusal_unknown: "Versuchen Sie noch einmal, den Warteraum zu betreten, und schreiben Sie dann Ihre Nachricht.",
    waiting_room_stopped: "Dieser Warteraum kann nicht mehr betreten werden.",
  },
};
