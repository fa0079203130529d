/** The waitlist of an event. */

import type { waitlistTexts as english } from "../en/waitlist";

const listed = (names: string[]) => new Intl.ListFormat("de", { type: "disjunction" }).format(names);
const tickets = (count: number) => (count === 1 ? "1 Ticket" : `${count.toLocaleString("de")} Tickets`);

export const waitlistTexts: typeof english = {
  title: "Warteliste",
  ballotLead: "Die Personen, die sich angemeldet haben, in der Reihenfolge ihrer Anmeldung. Bei der Ziehung werden die Tickets automatisch in der gezogenen Reihenfolge angeboten. Sie müssen nichts tun.",
  lead: "Zurückgegebene Tickets werden automatisch angeboten, in der Reihenfolge der Anmeldung. Jedes Angebot reserviert Tickets für eine Person; bezahlt sie nicht rechtzeitig, geht es an die nächste. Sie müssen nichts tun.",
  switchedOff: "Die Warteliste dieses Events ist ausgeschaltet: Niemand kann sich eintragen, und es werden keine Tickets angeboten.",
  show: "Anzeigen",
  figures: "Zahlen der Warteliste",
  waiting: "Warten",
  offered: "Mit Angebot",
  accepted: "Bezahlte Angebote",
  declined: "Abgelehnte Angebote",
  expired: "Abgelaufene Angebote",
  conversion: "Anteil bezahlter Angebote",
  demand: "Nachfrage pro Ticketart",
  demandNote: "Wer mehrere Ticketarten nehmen würde, zählt bei jeder.",
  ticket: "Ticket",
  people: "Personen",
  tickets: "Tickets",
  line: "In der Reihenfolge der Anmeldung",
  none: { waiting: "Niemand wartet", offered: "Keine offenen Angebote" },
  noneText: {
    waiting: "Solange die Tickets ausverkauft sind, kann man sich auf der Seite des Events auf die Warteliste setzen.",
    offered: "Sobald Tickets zurückkommen, werden sie der nächsten Person angeboten.",
  },
  wish: (count, tiers) => `${count.toLocaleString("de")} × ${listed(tiers)}`,
  joined: (when) => `Eingetragen am ${when}`,
  maxPrice: (price) => `bis zu ${price} pro Ticket`,
  passedOver: (when) => `Seit ${when} nicht genug Tickets für diesen Wunsch`,
  until: (when) => `Angebot endet am ${when}`,
  offer: "Jetzt Tickets anbieten",
  offerConfirm: "Ja, jetzt anbieten",
  offerEffect: "Mit „Jetzt Tickets anbieten“ bieten Sie jemandem außer der Reihe Tickets an. Das geht nicht, wenn zu wenige übrig sind oder der Verkauf unterbrochen ist.",
  offerText: (count) => `Wir reservieren ${tickets(count)} für diese Person, bis das Angebot endet, und schreiben ihr eine E-Mail darüber. Bezahlt sie bis dahin nicht, geht das Angebot an die nächste Person.`,
  overtakes: (count) => count === 1 ? "Eine Person, die früher da war, muss dadurch vielleicht länger warten." : `${count} Personen, die früher da waren, müssen dadurch vielleicht länger warten.`,
  offerRecorded: "Der Verlauf des Events hält das mit Ihrem Namen fest. Sie können das Angebot nicht zurückziehen.",
  done: (user, until) => `Tickets sind für ${user} bis ${until} reserviert.`,
};
