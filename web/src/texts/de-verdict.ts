/** What this browser says about a draw, in German. */

import type { verdictTexts as english } from "./en-verdict";

export const verdictTexts: typeof english = {
  page: "Öffentliche Seite dieser Ziehung",
  listed: "Ihr Browser hat auch die Liste aller Nummern geprüft, die vor dem Schlüssel veröffentlicht wurde: Ihre Nummer steht darauf.",
  verdicts: {
    fair: {
      title: "Ihr Platz wurde fair gezogen",
      text: "Niemand, auch wir nicht, konnte den Schlüssel austauschen, der über die Reihenfolge entscheidet: Ihr Browser hat seinen Fingerabdruck vor der Ziehung gespeichert, und der Schlüssel passt dazu. Aus diesem Schlüssel ergibt sich Ihr Platz.",
    },
    noted: {
      title: "Die Ziehung hat die Prüfung bestanden",
      text: "Niemand, auch wir nicht, konnte den Schlüssel austauschen, der über die Reihenfolge entscheidet: Ihr Browser hat seinen Fingerabdruck vor der Ziehung gespeichert, und der Schlüssel passt dazu.",
    },
    unseen: {
      title: "Der Schlüssel passt zum veröffentlichten Fingerabdruck",
      text: "Aus diesem Schlüssel ergibt sich die Reihenfolge. Ihr Browser hat den Fingerabdruck aber erst nach der Ziehung gesehen und kann deshalb nicht sagen, ob der Schlüssel bis dahin ausgetauscht wurde. Vergleichen Sie den Fingerabdruck mit einer Kopie, die jemand früher gespeichert hat.",
    },
    before: {
      title: "Die Ziehung hat noch nicht stattgefunden",
      text: "Zum Verkaufsstart bekommen alle in der Ziehung einen zufälligen Platz. Ihr Browser hat den Fingerabdruck des Schlüssels gespeichert, der über die Reihenfolge entscheidet, und prüft dann, dass wir diesen Schlüssel verwenden.",
    },
    off: { title: "Es gibt keine Ziehung", text: "Das Event endete oder wurde abgesagt, bevor der Verkauf startete. Deshalb werden keine Plätze gezogen." },
    empty: { title: "Niemand war in der Ziehung", text: "Zum Zeitpunkt der Ziehung war niemand im Warteraum. Die Plätze werden in der Reihenfolge vergeben, in der die Personen kommen." },
    late: {
      title: "Sie kamen nach der Ziehung",
      text: "Sie waren nicht in der Ziehung, weil Sie nach dem Teilnahmeschluss kamen. Ihr Platz liegt hinter allen gezogenen und richtet sich nach Ihrer Ankunft.",
    },
    unlisted: {
      title: "Achtung: Ihre Nummer steht nicht auf der veröffentlichten Liste",
      text: "Auf der Liste, die der Shop vor der Ziehung veröffentlicht hat, fehlt Ihre Nummer. Vielleicht werden Sie deshalb nicht eingelassen. Bitte machen Sie ein Bildschirmfoto dieser Seite, melden Sie es uns, und betreten Sie den Warteraum noch einmal.",
    },
    broken: {
      title: "Achtung: Die Ziehung passt nicht zu dem, was veröffentlicht wurde",
      text: "Der Schlüssel, der über die Reihenfolge entscheidet, oder die Liste der Nummern scheint ausgetauscht worden zu sein. Sie können sich auf diese Ziehung nicht verlassen. Bitte machen Sie ein Bildschirmfoto dieser Seite, und melden Sie es uns.",
    },
  },
};
