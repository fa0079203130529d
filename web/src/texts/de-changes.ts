/** The texts about what has changed at an event, in German. */

import type { changeTexts as english } from "./en-changes";

export const changeTexts: typeof english = {
  before: "vorher:",
  fields: {
    price_cents: "Preis",
    admits: "Personen pro Ticket",
    capacity: "Anzahl der Tickets",
    per_user_limit: "Höchstzahl der Tickets pro Bestellung",
    purchase_limit: "Höchstzahl der Tickets pro Person",
    on_sale_at: "Verkaufsstart",
    starts_at: "Beginn des Events",
    sale_starts_at: "Im Verkauf ab",
    sale_ends_at: "Im Verkauf bis",
  },
  on: { on_sale: "In den Verkauf genommen", requires_code: "Nur mit Zugangscode", has_waiting_room: "Mit Warteraum", has_ballot: "Die Tickets werden verlost", needs_ballot_card: "Die Verlosung verlangt eine hinterlegte Karte", better_odds: "Bessere Chancen nach erfolglosen Verlosungen", needs_address: "Ein Platz in der Warteschlange pro E-Mail-Adresse", needs_account: "Platz in der Warteschlange nur mit Konto", needs_access_code: "Platz in der Warteschlange nur mit einem Code des Veranstalters", needs_card: "Ein Platz in der Warteschlange pro Zahlungskarte" },
  off: { on_sale: "Aus dem Verkauf genommen", requires_code: "Kein Zugangscode mehr nötig", has_waiting_room: "Ohne Warteraum", has_ballot: "Keine Verlosung mehr", needs_ballot_card: "Die Verlosung braucht keine Karte mehr", better_odds: "Keine besseren Chancen nach erfolglosen Verlosungen", needs_address: "Ein Platz in der Warteschlange für alle", needs_account: "Platz in der Warteschlange ohne Konto", needs_access_code: "Platz in der Warteschlange ohne Code", needs_card: "Platz in der Warteschlange ohne Karte" },
  noLimit: "unbegrenzt",
  noTime: "kein fester Zeitpunkt",
};
