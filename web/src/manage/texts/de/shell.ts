/** The frame of the pages for managers. */

import type { shellTexts as english } from "../en/shell";

export const shellTexts: typeof english = {
  product: "Verwalten",
  navigation: "Verwalten",
  thisEvent: "Dieses Event",
  shop: "Zum Shop",
  door: "Einlass",
  account: "Konto",
  asBuyer: "Den Shop als Käufer ansehen",
  overview: "Alle Events",
  roles: { staff: "Einlass", cashier: "Abendkasse", accountant: "Buchhaltung", coordinator: "Leitung", promoter: "Veranstalter", admin: "Admin" },
  signInTitle: "Melden Sie sich an, um Events zu verwalten",
  signInText: "Diese Seiten sind für alle, die Tickets verkaufen oder bei Events arbeiten.",
  becomePromoter: "Veranstalterkonto erstellen",
  nothingTitle: "Noch nichts zu verwalten",
  nothingText: "Sie sind angemeldet, haben aber noch keine Events. Wenn Sie eingeladen wurden, nehmen Sie die Einladung in Ihrem Konto an, oder melden Sie sich mit der eingeladenen Adresse an.",
  secondFactorTitle: "Richten Sie zuerst die Anmeldung in zwei Schritten ein",
  secondFactorText: "Dieser Shop verlangt von allen, die Events verwalten, einen zweiten Schritt beim Anmelden. Richten Sie ihn auf der Seite Ihres Kontos ein, und kommen Sie dann zurück.",
  toAccount: "Zu meinem Konto",
  sellHere: "Mit diesem Konto Tickets verkaufen",
  noAccessTitle: "Sie haben keinen Zugang zu dieser Seite",
  noAccessText: "Wenn Sie ihn brauchen, fragen Sie den Veranstalter des Events.",
  noEventTitle: "Event nicht gefunden",
  noEventText: "Vielleicht wurde es gelöscht, oder die Adresse ist unvollständig.",
  noPageTitle: "Seite nicht gefunden",
  noPageText: "Prüfen Sie die Adresse, oder wählen Sie eine Seite aus dem Menü.",
};
