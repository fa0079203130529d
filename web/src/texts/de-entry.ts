/** The texts about what a waiting room asks for before somebody joins, in German. */

import type { entryTexts as english } from "./en-entry";

export const entryTexts: typeof english = {
  address: "Damit alle die gleiche Chance haben, erhält jede E-Mail-Adresse einen Platz. Wir senden Ihnen einen Code, um Ihre Adresse zu bestätigen. Sie brauchen kein Konto.",
  send: "Code per E-Mail senden",
  mailed: (email) => `Wir haben einen Code an ${email} gesendet. Geben Sie ihn innerhalb von 15 Minuten ein.`,
  code: "Code mit sechs Ziffern",
  again: "Keine E-Mail? Neuen Code senden oder andere Adresse angeben",
  account: "Damit alle die gleiche Chance haben, erhält jedes Konto einen Platz. Melden Sie sich an, oder erstellen Sie ein Konto.",
  unverified: "Ihr Konto kann den Warteraum noch nicht betreten, weil seine E-Mail-Adresse nicht bestätigt ist. Bestätigen Sie die Adresse, und kommen Sie dann zurück.",
  card: "Damit alle die gleiche Chance haben, erhält jede Zahlungskarte einen Platz. Es wird nichts abgebucht.",
  saveCard: "Karte hinterlegen",
  failures: {
    groups_closed: "Gruppen können nicht mehr geändert werden. Sie können allein teilnehmen.",
    group_full: "Diese Gruppe ist voll. Sie können allein teilnehmen.",
    invitation_invalid: "Diese Einladung gilt nicht mehr. Sie können allein teilnehmen.",
    in_another_group: "Sie sind in einer anderen Gruppe. Verlassen Sie sie zuerst, und öffnen Sie dann den Link noch einmal.",
    not_in_group: "Sie sind nicht mehr in dieser Gruppe, oder Sie haben den Warteraum in einem anderen Browser betreten.",
    code_invalid: "Das ist nicht der Code aus unserer letzten E-Mail. Prüfen Sie die sechs Ziffern.",
    code_expired: "Dieser Code ist abgelaufen oder wurde zu oft falsch eingegeben. Lassen Sie sich einen neuen senden.",
    place_in_use: "Ihr Platz wird gerade benutzt: Jemand kauft mit Ihrer E-Mail-Adresse oder Karte Tickets. Schließen Sie diesen Kauf im anderen Browser ab, oder warten Sie, bis seine Reservierung abgelaufen ist.",
    waiting_room_stopped: "Dieser Warteraum kann nicht mehr betreten werden.",
  },
};
