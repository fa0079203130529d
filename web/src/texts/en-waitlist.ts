/** The texts of the waitlist, in English. */

import { EXACT_PLACES, rounded } from "./approximate";

const plural = new Intl.PluralRules("en");
const people = (count: number) => `${count.toLocaleString("en")} ${plural.select(count) === "one" ? "person" : "people"}`;
const tickets = (count: number) => `${count.toLocaleString("en")} ${plural.select(count) === "one" ? "ticket" : "tickets"}`;

export const waitlistTexts = {
  title: "Waitlist",
  own: "My waitlists and ballots",
  rule: "We offer returned tickets to people on the waitlist, in the order in which they joined.",
  signIn: "You need an account to join.",
  toSignIn: "Sign in to join",
  quantity: "Number of tickets",
  any: "Any, cheapest first",
  nothingElse: "Nothing else",
  wish: (rank: number) => (rank === 0 ? "Which tickets?" : `Choice ${rank + 1}`),
  join: "Join the waitlist",
  waiting: "You are on the waitlist",
  asked: (count: number) => `You are waiting for ${tickets(count)}`,
  before: (count: number | null, wanted: number | null): string => {
    if (count === null || wanted === null) return "We are working out your place. It will appear here within a minute or two.";
    if (count === 0) return "Nobody is ahead of you.";
    return count < EXACT_PLACES
      ? `Ahead of you: ${people(count)} waiting for ${tickets(wanted)}.`
      : `Ahead of you: about ${people(rounded(count))} waiting for about ${tickets(rounded(wanted))}.`;
  },
  waitingNote: "We cannot promise that tickets will be returned. If they are, your offer appears under Account and on the event page.",
  registered: "You are registered for the ballot",
  almost: "Your registration is not complete",
  wished: (count: number) => `You asked for ${tickets(count)}`,
  withoutCard: "You are not in the draw yet.",
  drawn: (position: number | null): string => (position === null ? "You are in the draw." : `The draw gave you place ${position.toLocaleString("en")}.`),
  drawnNote: "After the draw, we offer the tickets in the order of the draw.",
  fewerFirst: "People who want fewer tickets may get an offer before you.",
  mail: (address: string): string => `We also email the offer to ${address}.`,
  notConfirmed: "You have not confirmed this address yet, so please make sure it is right:",
  noMail: "A demo identity has no email address, so please check back here from time to time.",
  offered: (count: number): string => (count === 1 ? "There is a ticket for you" : "There are tickets for you"),
  until: (count: number, when: string): string =>
    count === 1
      ? `We are holding it for you until ${when}. If you do not pay by then, it goes to the next person.`
      : `We are holding them for you until ${when}. If you do not pay by then, they go to the next person.`,
  charging: "We are charging your saved card. We will email your tickets within a few hours.",
  cardRefused: "We could not charge your saved card. Please pay with any card.",
  left: "Time left",
  takeUp: "Accept the offer",
  decline: { title: "Decline the offer", text: "The offer goes to the next person, and you lose your place.", button: "Decline now" },
  leave: { title: "Leave the waitlist", text: "You lose your place.", button: "Leave now" },
  withdraw: { title: "Withdraw from the ballot", text: "You can register again until registration closes.", button: "Withdraw now" },
  over: {
    accepted: "You have bought the tickets you were waiting for.",
    declined: "You have declined the offer. You can join again at the end of the waitlist.",
    expired: "You did not buy the tickets in time. You can join again at the end of the waitlist.",
    left: "You have left the waitlist. You can join again at the end.",
    closed: "The waitlist is closed.",
    withdrawn: "You are no longer in the draw.",
  } as Record<string, string>,
  expiredOnSale: "You did not buy the tickets in time. Tickets are on sale now, and you can buy them without waiting.",
  failures: {
    tickets_available: "Tickets of this type are available now. You can buy them without waiting.",
    account_required: "Please sign in or register to join the waitlist.",
    waitlist_closed: "This event no longer has a waitlist.",
  } as Record<string, string>,
};
