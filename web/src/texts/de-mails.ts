/** The texts about messages before a turn, in German. */

import type { mailTexts as english } from "./en-mails";

export const mailTexts: typeof english = {
  ask: "Benachrichtigen, bevor ich an der Reihe bin",
  afterDraw: (email) => `Wir senden ${email ? `an ${email}` : "Ihnen"} nach der Ziehung eine E-Mail mit Ihrem Platz und eine weitere etwa fünf Minuten, bevor Sie an der Reihe sind.`,
  beforeTurn: (email) => `Wir senden ${email ? `an ${email}` : "Ihnen"} eine E-Mail, etwa fünf Minuten bevor Sie an der Reihe sind.`,
  pushAfterDraw: "Dieser Browser zeigt Ihnen nach der Ziehung eine Nachricht mit Ihrem Platz und eine weitere etwa fünf Minuten, bevor Sie an der Reihe sind.",
  pushBeforeTurn: "Dieser Browser zeigt Ihnen eine Nachricht, etwa fünf Minuten bevor Sie an der Reihe sind.",
  blocked: "Ihr Browser blockiert Benachrichtigungen dieses Shops, deshalb schreiben wir Ihnen eine E-Mail.",
  emailToo: "Auch per E-Mail",
  accountToo: "Wenn Sie die E-Mail-Adresse Ihres Kontos bestätigt haben, senden wir Ihnen auch eine E-Mail.",
  stop: "Diese Nachrichten abbestellen",
  failures: { turn_not_ahead: "Sie sind schon an der Reihe, deshalb können wir Sie nicht mehr vorher benachrichtigen." },
};
