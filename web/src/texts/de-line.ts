/** What people in line read about the tickets, in German. */

import type { lineTexts as english } from "./en-line";

const tickets = (count: number) => `${count.toLocaleString("de")} ${count === 1 ? "Ticket" : "Tickets"}`;

export const lineTexts: typeof english = {
  lasts: "Sehr wahrscheinlich noch da, wenn Sie an der Reihe sind",
  of: (percent) => `Mit etwa ${percent}\u00a0% Wahrscheinlichkeit vergeben, bevor Sie an der Reihe sind`,
  gone: "Ziemlich sicher vergeben, bevor Sie an der Reihe sind",
  note: "Wir schätzen die Chancen danach, was die bisher eingelassenen Personen gekauft haben.",
  between: (early, late) => `Beim bisherigen Tempo sind Sie zwischen ${early} und ${late} an der Reihe.`,
  toShop: (host) => `Zu ${host}`,
  toShopNote: (host) => `Die Tickets werden auf ${host} verkauft. Schließen Sie den Kauf dort ab, bevor Ihre Zeit abläuft.`,
  beacon: "Die Reihenfolge hängt auch von einer Zufallszahl ab, die ein unabhängiges Netzwerk nach dem Teilnahmeschluss veröffentlicht. Niemand kann sie vorher kennen, auch wir nicht.",
  roundLate: "Der Verkauf startet, sobald die öffentliche Zufallszahl für die Ziehung da ist. Lassen Sie diese Seite geöffnet: Ihr Platz bleibt Ihnen.",
  mayReturn: (count) => `Im Moment sind alle Tickets reserviert. ${tickets(count)} ${count === 1 ? "wird" : "werden"} vielleicht frei, wenn andere ihren Kauf nicht abschließen.`,
  waitlistFirst: "Personen auf der Warteliste bekommen vielleicht zuerst ein Angebot.",
};
