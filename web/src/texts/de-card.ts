/** The texts of the page on which somebody saves a card for a waiting room, in German. */

import type { cardTexts as english } from "./en-card";

export const cardTexts: typeof english = {
  title: "Ihre Karte für den Warteraum",
  intro: "Jede Zahlungskarte erhält einen Platz. Ihre Bank prüft die Karte und bittet Sie vielleicht um eine Bestätigung. Es wird nichts abgebucht, und wir behalten die Karte nicht: Wie Sie bezahlen, wählen Sie beim Kauf.",
  ballotTitle: "Ihre Karte für die Verlosung",
  ballotIntro: "Ihre Bank prüft die Karte und bittet Sie vielleicht um eine Bestätigung. Jetzt wird nichts abgebucht oder reserviert. Unser Zahlungsdienstleister behält die Karte, bis Ihre Anmeldung endet, und löscht sie dann.",
  accept: (amount) => `Wenn ich bei der Ziehung Tickets bekomme, dürfen Sie diese Karte dafür einmal mit höchstens ${amount} belasten, ohne mich noch einmal zu fragen. Bis zur Ziehung kann ich mich abmelden.`,
  save: "Karte hinterlegen",
  back: "Zurück zum Warteraum",
  incomplete: "Das Formular ist nicht vollständig. Prüfen Sie die Kartendaten.",
  simulated: "Dieser Shop simuliert Karten. Wählen Sie eine:",
  cards: { "card-1": "Die erste Karte", "card-2": "Die zweite Karte", "declined-later": "Eine Karte, die die Bank beim Belasten ablehnt", declined: "Eine Karte, die die Bank ablehnt" },
  failures: {
    card_refused: "Ihre Bank hat diese Karte nicht bestätigt, und es wurde nichts abgebucht. Prüfen Sie die Angaben, oder verwenden Sie eine andere Karte. Eine Karte in einer Wallet wie Apple Pay geht hier nicht.",
    rate_limited: "Es wurden zu viele Karten ausprobiert. Warten Sie eine Stunde, und versuchen Sie es noch einmal.",
    amount_changed: "Die Preise haben sich geändert. Laden Sie diese Seite neu, um den neuen Betrag zu sehen.",
    card_not_wanted: "Diese Anmeldung ist beendet, oder sie braucht keine Karte.",
    payments_unavailable: "Dieser Shop kann im Moment keine Karten annehmen. Versuchen Sie es später noch einmal.",
    waiting_room_stopped: "Dieser Warteraum kann nicht mehr betreten werden.",
  },
};
