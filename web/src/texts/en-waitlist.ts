/** What the waitlist says, in English. */

const plural = new Intl.PluralRules("en");
const people = (count: number) => `${count.toLocaleString("en")} ${plural.select(count) === "one" ? "person" : "people"}`;
const tickets = (count: number) => `${count.toLocaleString("en")} ${plural.select(count) === "one" ? "ticket" : "tickets"}`;

export const waitlistTexts = {
  title: "Waitlist",
  own: "My waitlists",
  rule: "Tickets that come back are offered to those on the waitlist, in the order in which they joined.",
  signIn: "To join, you need an account.",
  toSignIn: "Sign in to join",
  quantity: "Number of tickets",
  any: "Any, the cheapest first",
  nothingElse: "Nothing else",
  wish: (rank: number) => (rank === 0 ? "Which tickets?" : `Choice ${rank + 1}`),
  join: "Join the waitlist",
  waiting: "You are on the waitlist",
  asked: (count: number) => `You wait for ${tickets(count)}`,
  before: (count: number, wanted: number) => (count === 0 ? "Nobody is before you." : `Before you: ${people(count)} waiting for ${tickets(wanted)}.`),
  waitingNote: "Tickets may never come back. If they do, the offer appears here and under Account. People who want fewer may be served before you.",
  mail: (address: string): string => `We also mail the offer to ${address}.`,
  notConfirmed: "You have not confirmed this address yet, so look whether it is right:",
  noMail: "There is no mail, because a demo identity has no address: look here again from time to time.",
  offered: (count: number): string => (count === 1 ? "There is a ticket for you" : "There are tickets for you"),
  until: (count: number, when: string): string =>
    count === 1
      ? `It is set aside for you until ${when}. If you do not pay by then, it goes to the next person.`
      : `They are set aside for you until ${when}. If you do not pay by then, they go to the next person.`,
  left: "Time left",
  takeUp: "Take up the offer",
  decline: { title: "Decline the offer", text: "What was offered goes to the next person, and you lose your place.", button: "Decline now" },
  leave: { title: "Leave the waitlist", text: "You lose your place.", button: "Leave now" },
  over: {
    accepted: "You have bought the tickets that you waited for.",
    declined: "You have declined the offer. You may join again at the end.",
    expired: "Your offer was not paid in time. You may join again at the end.",
    left: "You have left the waitlist. You may join again at the end.",
    closed: "The waitlist is closed.",
  } as Record<string, string>,
  failures: {
    tickets_available: "There are tickets of this kind now: buy them without waiting.",
    waitlist_closed: "This event has no waitlist any more.",
  } as Record<string, string>,
};
