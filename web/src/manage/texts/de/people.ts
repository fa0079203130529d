/** The people who work at an event. */

import type { peopleTexts as english } from "../en/people";

export const peopleTexts: typeof english = {
  title: "Team",
  you: "Sie",
  by: (who) => `von ${who}`,
  anAdmin: "einem Admin des Shops",
  former: (name) => `${name} (nicht mehr im Team)`,
  lead: "Die Personen, die mit Ihnen an diesem Event arbeiten.",
  none: "Bisher nur Sie",
  noneText: "Laden Sie Personen in die Leitung ein, um das Event gemeinsam zu verwalten, und für den Einlass, um Tickets zu prüfen.",
  inviteTitle: "Jemanden einladen",
  invite: "Einladung senden",
  email: "E-Mail-Adresse",
  emailNote: "Die Person bekommt eine E-Mail. Annehmen kann sie die Einladung, sobald sie sich mit genau dieser Adresse angemeldet hat.",
  role: "Rolle",
  roleNotes: {
    staff: "Prüft Tickets am Einlass. Sieht Tickets, aber keine Preise und Bestellungen, und kann nichts ändern.",
    cashier: "Arbeitet am Einlass, verkauft an der Abendkasse Tickets und erstattet sie. Sieht nur die eigene Kasse.",
    accountant: "Sieht die Verkäufe, das Geld und die Abrechnung des Events, aber nichts über die Käufer.",
    coordinator: "Verwaltet das Event und den Verkauf, sieht und erstattet Bestellungen und lädt das Einlassteam ein.",
  },
  changeTo: { staff: "Rolle ändern: Einlass", cashier: "Rolle ändern: Abendkasse", accountant: "Rolle ändern: Buchhaltung", coordinator: "Rolle ändern: Leitung" },
  invited: (email) => `Einladung gesendet an ${email}`,
  pending: (role, when) => `${role}, eingeladen am ${when}, noch nicht angenommen`,
  since: (role, when) => `${role}, eingeladen am ${when}`,
  remove: "Entfernen",
  removeNow: "Ja, entfernen",
  removeText: "Die Person verliert den Zugang innerhalb von 15 Minuten. Sie können sie jederzeit wieder einladen.",
  doorTitle: "Einlass auf einem Gerät öffnen",
  doorText: "Das Einlassteam scannt diesen Code mit seinem Telefon oder Tablet. Er öffnet die Einlassseite für dieses Event. Er enthält kein Passwort: Am Gerät ist eine Anmeldung nötig.",
  doorCode: "QR-Code, der die Einlassseite öffnet",
  doorLink: "Einlassseite auf diesem Gerät öffnen",
  boxOfficeLink: "Abendkasse auf diesem Gerät öffnen",
};
