/** The texts of the waitlist, in German. */

import { EXACT_PLACES, rounded } from "./approximate";
import type { waitlistTexts as english } from "./en-waitlist";

const people = (count: number) => `${count.toLocaleString("de")} ${count === 1 ? "Person" : "Personen"}`;
const tickets = (count: number) => `${count.toLocaleString("de")} ${count === 1 ? "Ticket" : "Tickets"}`;

export const waitlistTexts: typeof english = {
  title: "Warteliste",
  own: "Meine Wartelisten und Verlosungen",
  rule: "Zurückgegebene Tickets bieten wir den Personen auf der Warteliste an, in der Reihenfolge ihrer Anmeldung.",
  signIn: "Für die Warteliste brauchen Sie ein Konto.",
  toSignIn: "Anmelden und eintragen",
  quantity: "Anzahl der Tickets",
  any: "Beliebige, günstigste zuerst",
  nothingElse: "Nichts anderes",
  wish: (rank) => (rank === 0 ? "Welche Tickets?" : `${rank + 1}. Wahl`),
  join: "Auf die Warteliste setzen",
  waiting: "Sie stehen auf der Warteliste",
  asked: (count) => `Sie warten auf ${tickets(count)}`,
  before: (count, wanted) => {
    if (count === null || wanted === null) return "Wir ermitteln Ihren Platz. Er erscheint hier in ein bis zwei Minuten.";
    if (count === 0) return "Vor Ihnen ist niemand.";
    return count < EXACT_PLACES
      ? `Vor Ihnen: ${people(count)}, die auf ${tickets(wanted)} ${count === 1 ? "wartet" : "warten"}.`
      : `Vor Ihnen: etwa ${people(rounded(count))}, die auf etwa ${tickets(rounded(wanted))} warten.`;
  },
  waitingNote: "Wir können nicht versprechen, dass Tickets zurückgegeben werden. Falls doch, erscheint Ihr Angebot unter „Konto“ und auf der Seite des Events.",
  registered: "Sie sind für die Verlosung angemeldet",
  almost: "Ihre Anmeldung ist noch nicht vollständig",
  wished: (count) => `Ihr Wunsch: ${tickets(count)}`,
  withoutCard: "Sie nehmen noch nicht an der Ziehung teil.",
  drawn: (position) => (position === null ? "Sie nehmen an der Ziehung teil." : `Sie haben bei der Ziehung Platz ${position.toLocaleString("de")} bekommen.`),
  drawnNote: "Nach der Ziehung bieten wir die Tickets in der gezogenen Reihenfolge an.",
  fewerFirst: "Wer weniger Tickets möchte, bekommt vielleicht vor Ihnen ein Angebot.",
  mail: (address) => `Das Angebot senden wir auch an ${address}.`,
  notConfirmed: "Sie haben diese Adresse noch nicht bestätigt. Bitte prüfen Sie, ob sie stimmt:",
  noMail: "Eine Demo-Identität hat keine E-Mail-Adresse. Bitte schauen Sie ab und zu hier nach.",
  offered: (count) => (count === 1 ? "Es gibt ein Ticket für Sie" : "Es gibt Tickets für Sie"),
  until: (count, when) =>
    count === 1
      ? `Es ist bis ${when} für Sie reserviert. Wenn Sie bis dahin nicht bezahlen, geht es an die nächste Person.`
      : `Die Tickets sind bis ${when} für Sie reserviert. Wenn Sie bis dahin nicht bezahlen, gehen sie an die nächste Person.`,
  charging: "Wir belasten Ihre gespeicherte Karte. Ihre Tickets kommen innerhalb weniger Stunden per E-Mail.",
  cardRefused: "Wir konnten Ihre gespeicherte Karte nicht belasten. Bitte zahlen Sie mit einer beliebigen Karte.",
  left: "Verbleibende Zeit",
  takeUp: "Angebot annehmen",
  decline: { title: "Angebot ablehnen", text: "Das Angebot geht an die nächste Person, und Sie verlieren Ihren Platz.", button: "Jetzt ablehnen" },
  leave: { title: "Warteliste verlassen", text: "Sie verlieren Ihren Platz.", button: "Jetzt verlassen" },
  withdraw: { title: "Von der Verlosung abmelden", text: "Bis zum Anmeldeschluss können Sie sich wieder anmelden.", button: "Jetzt abmelden" },
  over: {
    accepted: "Sie haben die Tickets gekauft, auf die Sie gewartet haben.",
    declined: "Sie haben das Angebot abgelehnt. Sie können sich wieder hinten auf die Warteliste setzen.",
    expired: "Sie haben die Tickets nicht rechtzeitig gekauft. Sie können sich wieder hinten auf die Warteliste setzen.",
    left: "Sie haben die Warteliste verlassen. Sie können sich wieder hinten eintragen.",
    closed: "Die Warteliste ist geschlossen.",
    withdrawn: "Sie nehmen nicht mehr an der Ziehung teil.",
  },
  expiredOnSale: "Sie haben die Tickets nicht rechtzeitig gekauft. Jetzt sind Tickets im Verkauf, und Sie können ohne Warten kaufen.",
  failures: {
    tickets_available: "Tickets dieser Art sind jetzt verfügbar. Sie können ohne Warten kaufen.",
    account_required: "Bitte melden Sie sich an, oder erstellen Sie ein Konto, um auf die Warteliste zu kommen.",
    waitlist_closed: "Dieses Event hat keine Warteliste mehr.",
  },
};
