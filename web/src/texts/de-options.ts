/** The texts about what people can choose for their place in line, in German. */

import type { optionTexts as english } from "./en-options";

export const optionTexts: typeof english = {
  longer: (turn) => `Ich brauche mehr Zeit. Wenn ich an der Reihe bin, möchte ich ${turn} haben.`,
  longerNote: "Sie müssen keinen Grund nennen, und Ihr Platz bleibt gleich. Auch zum Bezahlen haben Sie dann mehr Zeit.",
  friends: "Gemeinsam mit Freunden",
  friendsNote: (most) => `Bis zu ${most} Personen können sich einen Platz in der Warteschlange und eine Chance in der Ziehung teilen. Wenn Sie an der Reihe sind, können alle kaufen. Alle brauchen eine eigene E-Mail-Adresse.`,
  first: "Betreten Sie zuerst den Warteraum. Dann können Sie hier eine Gruppe bilden und Ihre Freunde einladen.",
  form: "Gruppe bilden",
  members: (count, most) => `Ihre Gruppe hat ${count} von ${most} Mitgliedern.`,
  member: "Sie teilen sich diesen Platz mit Ihrer Gruppe. Wenn Sie an der Reihe sind, können alle im eigenen Browser kaufen, bis zur üblichen Höchstzahl.",
  invite: "Senden Sie den Link an die Personen, die dabei sein sollen.",
  show: "Gruppe anzeigen",
  until: (time) => `Bis ${time} können Sie Gruppen bilden, ihnen beitreten und sie verlassen.`,
  leave: "Gruppe verlassen",
  invited: "Jemand hat Sie in eine Gruppe eingeladen. Wenn Sie beitreten, teilen Sie sich deren Platz in der Warteschlange und geben Ihren eigenen auf. Wenn die Gruppe an der Reihe ist, können alle kaufen.",
  invitedFirst: "Jemand hat Sie in eine Gruppe eingeladen. Wenn Sie den Warteraum betreten, teilen Sie sich den Platz der Gruppe in der Warteschlange. Wenn die Gruppe an der Reihe ist, können alle kaufen.",
  accept: "Der Gruppe beitreten",
  decline: "Nein, danke",
  tooLate: "Diese Einladung kommt zu spät: Gruppen können nicht mehr geändert werden. Sie können allein teilnehmen.",
  link: "Link für Ihre Freunde",
  shared: "Komm in meine Gruppe für die Ticket-Ziehung",
};
