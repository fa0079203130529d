/** The fields in the forms of events and ticket types. */

import type { fieldTexts as english } from "../en/fields";

export const fieldTexts: typeof english = {
  event: {
    name: { label: "Name" },
    venue: { label: "Ort" },
    address: { label: "Adresse" },
    city: { label: "Stadt" },
    category: { label: "Kategorie" },
    country: { label: "Land", note: "Der Code des Landes, zum Beispiel DE oder GB. Nach ihm richten sich die Standardsteuern in Ihrem Profil." },
    region: { label: "Region", note: "Nur wenn sie eigene Steuern hat: das Ende ihres ISO-Codes, zum Beispiel CN für ES-CN." },
    postal_code: { label: "Postleitzahl", note: "Nötig, wenn Stripe die Steuern berechnet." },
    description: { label: "Beschreibung" },
    starts_at: { label: "Beginn" },
    ends_at: { label: "Ende" },
    doors_minutes: {
      label: "Minuten vom Einlass bis zum Beginn",
      note: "Zum Beispiel 60: Der Einlass öffnet eine Stunde vor dem Beginn, und Käufer sehen diese Zeit. Wenn Sie das Feld leer lassen, sehen Käufer keine Einlasszeit.",
    },
    refundable_until: {
      label: "Käufer dürfen Tickets zurückgeben bis",
      note: "Bis dahin können Käufer unbenutzte Tickets selbst zurückgeben und erhalten den vollen Preis. In der E-Mail über die Änderung steht das auch.",
    },
    timezone: { label: "Zeitzone", note: "Alle Zeiten auf dieser Seite gelten in dieser Zeitzone." },
    on_sale_at: {
      label: "Verkaufsstart",
      note: "Bis dahin kommen alle in einen Warteraum, und eine Ziehung entscheidet über die Reihenfolge. Wenn Sie das Feld leer lassen, beginnt der Verkauf, sobald Sie das Event veröffentlichen.",
    },
    capacity: {
      label: "Kapazität des Events",
      note: "Wie viele Tickets aller Arten zusammen verkauft werden. Wenn leer, zählt nur die Menge jeder Art.",
    },
    purchase_limit: { label: "Tickets pro Käufer", note: "Wie viele Tickets eine Person insgesamt kaufen kann. Üblich sind 2 bis 4, wenn ein Event ausverkauft sein wird." },
    hold_seconds: { label: "Sekunden zum Bezahlen", note: "So lange haben Käufer Zeit. Üblich sind 180 für Karten, 600, wenn Käufer die App ihrer Bank brauchen." },
    allows_reentry: { label: "Besucher dürfen hinaus und wieder hinein", note: "Das Einlassteam scannt die Tickets von Besuchern, die hinausgehen. Dieselben Tickets lassen sie dann wieder ein." },
    publishes_report: {
      label: "Bericht zum Verkauf veröffentlichen",
      note: "Nach dem Verkaufsstart zeigt die Seite der Ziehung, wie viele Personen dabei waren, wie lange sie gewartet haben und wohin die Tickets gegangen sind.",
    },
  },
  returns: {
    policy: { label: "Wenn Käufer nicht kommen können", note: "Käufer sehen das, bevor sie bezahlen. Es gilt für Tickets, die ab jetzt reserviert werden." },
    until: { label: "Rückgabe bis", note: "Wenn leer, bis zum Beginn des Events." },
    fee_percent: { label: "Prozentsatz, den Sie behalten" },
    needs_approval: { label: "Ich entscheide über jede Rückgabe", note: "Unter „Bestellungen“, „Anträge auf Rückgabe“." },
    fee_cents: { label: "Gebühr" },
    may_transfer: { label: "Tickets können übertragen werden", note: "Besitzer dürfen ihr Ticket mit einem Link weitergeben." },
  },
  line: {
    has_line: { label: "Warteraum", note: "Käufer kommen in Wellen hinein, in einer Reihenfolge, über die eine Ziehung entscheidet." },
    wave_size: { label: "Personen pro Welle" },
    wave_seconds: { label: "Sekunden zwischen den Wellen" },
    pass_seconds: { label: "Sekunden zum Wählen der Tickets" },
    grace_seconds: { label: "Zusätzliche Sekunden, wenn jemand die Zeit verpasst hat" },
    longer_pass_seconds: {
      label: "Sekunden zum Wählen für Personen, die mehr Zeit brauchen",
      note: "Alle können um mehr Zeit bitten, ohne Grund und Nachweis, und Sie sehen nicht, wer das tut. Wenn leer, ist es dreimal so viel Zeit.",
    },
    entry: {
      label: "Wer einen Platz in der Warteschlange bekommt",
      note: "Bei einem Platz pro E-Mail-Adresse bringen erfundene Gäste nichts. Käufer bestätigen ihre Adresse mit einem Code per E-Mail und brauchen kein Konto. Codes erstellen Sie unter „Aktionscodes“. Sobald jemand den Warteraum betreten hat, kann die Regel nicht mehr geändert werden.",
    },
    groups: {
      label: "Bis zu sechs Personen dürfen sich einen Platz teilen",
      note: "Eine Gruppe bildet sich vor der Ziehung und hat eine gemeinsame Chance. Wenn sie an der Reihe ist, kann jede Person kaufen. Nur bei einem Platz pro E-Mail-Adresse oder Konto. Planen Sie kleinere Wellen, denn mit jedem Platz können sechs Personen eintreten.",
    },
    ballot: {
      label: "Tickets durch eine Verlosung vergeben",
      note: "Bis zur Ziehung, die zum Zeitpunkt des Verkaufsstarts stattfindet, können sich alle mit ihren Wünschen anmelden. Dann werden die Tickets in der Reihenfolge der Ziehung angeboten: Wer gezogen wird, hat einen Tag zum Bezahlen, danach bekommt die nächste Person das Angebot. Sonst kann niemand kaufen. Gruppen und Wellen gibt es nicht.",
    },
    ballot_cards: {
      label: "Karten in der Verlosung",
      note: "Bei der Anmeldung hinterlegen Personen eine Karte. Sie wird erst belastet, wenn die Ziehung ihnen Tickets gibt. Wird eine Karte abgelehnt, bleibt ein Tag, um auf andere Weise zu bezahlen. Wenn Käufer Fragen beantworten müssen, werden Karten nicht belastet.",
    },
    better_odds: {
      label: "Bessere Chancen für alle, die bisher nicht gezogen wurden",
      note: "Alle haben eine Nummer. Wer in einer Ihrer Verlosungen dieser Art nicht gezogen wird, bekommt eine Nummer dazu, bis zu fünf insgesamt. Wer gezogen wird, hat danach wieder eine. Die beste zählt. Wählen Sie das schon für Ihre erste Verlosung. Nur für Verlosungen mit einem Platz pro E-Mail-Adresse, Konto oder Karte. Gilt für neue Warteräume.",
    },
    randomness: {
      label: "Was über die Reihenfolge entscheidet",
      note: "Wir empfehlen die öffentliche Zufallszahl: Dann kann nicht einmal der Shop die Reihenfolge im Voraus kennen. Der Verkauf startet erst, wenn die Zahl öffentlich ist; bei Störungen im Internet kann das länger dauern. Mit dem Schlüssel allein wartet der Verkauf nie, aber Käufer müssen darauf vertrauen, dass niemand im Shop ihn angesehen hat. Gilt für neue Warteräume.",
    },
    follow_stock: { label: "Wellen an die übrigen Tickets anpassen", note: "Die Wellen werden kleiner, wenn die Tickets knapp werden." },
    shop_url: {
      label: "Adresse eines anderen Shops",
      note: "Wenn ein anderer Shop die Tickets verkauft, gehen Käufer dorthin, sobald sie an der Reihe sind, mit einer Zugangsberechtigung, die der Shop prüft. Das Event braucht dann keine Ticketarten.",
    },
    pass_algorithm: { label: "Signatur der Zugangsberechtigungen", note: "Nur für einen anderen Shop." },
  },
  tier: {
    name: { label: "Name" },
    description: { label: "Beschreibung" },
    price_cents: { label: "Preis", note: "Pro Ticket oder Paket. Geben Sie 0 ein, wenn es kostenlos ist." },
    currency: { label: "Währung", note: "Das ganze Event verwendet dieselbe Währung." },
    capacity: { label: "Menge", note: "Wie viele Sie insgesamt verkaufen. Wenn leer, zählt nur die Kapazität des Events." },
    admits: { label: "Für wie viele Personen", note: "Wie viele Personen mit jedem Ticket oder Paket eingelassen werden." },
    sale_starts_at: { label: "Im Verkauf ab" },
    sale_ends_at: { label: "Im Verkauf bis" },
    max_per_order: { label: "Höchstens pro Bestellung" },
    low_stock_at: { label: "Alarm bei wenigen Tickets", note: "Die Betreiber bekommen einen Alarm, wenn nur noch so viele übrig sind." },
    is_sponsorship: { label: "Sponsoring", note: "Käufer sehen es als Sponsoring, und in Verkaufsberichten ist es so gekennzeichnet." },
    seating: {
      label: "Barrierefreie Plätze",
      note: "Rollstuhlplätze können alle kaufen, ohne Nachweis. Zu jedem Rollstuhlplatz kann eine Bestellung drei Plätze für Begleitpersonen enthalten.",
    },
    hidden: { label: "In Listen verbergen", note: "Erscheint nirgends. Wer den Link hat, kann es kaufen." },
    requires_code: { label: "Nur mit Code", note: "Käufer brauchen einen Aktionscode, der diese Tickets freischaltet. Die Warteliste bietet sie nicht an." },
  },
  included: {
    "included_fee.cents": { label: "Gebühr im Preis", note: "Pro Ticket. Käufer sehen sie neben dem Preis und zahlen nichts zusätzlich." },
    "included_fee.percent": { label: "Dazu ein Anteil am Preis, in Prozent" },
    "tax.none": { label: "Keine Steuer", note: "Belege erwähnen keine Steuer, unabhängig von Ihren Standardsteuern." },
    "tax.percent": { label: "Steuer im Preis, in Prozent", note: "Zum Beispiel 19. Wenn leer, gelten die Standardsteuern in Ihrem Profil." },
    "tax.exempt_because": { label: "Grund der Befreiung", note: "Für eine Steuer von 0 Prozent. Er steht auf den Belegen." },
  },
};
