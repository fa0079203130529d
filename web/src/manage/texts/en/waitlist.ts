/** Who waits for tickets of an event. */

const listed = (names: string[]) => new Intl.ListFormat("en", { type: "disjunction" }).format(names);
const tickets = (count: number) => (count === 1 ? "1 ticket" : `${count.toLocaleString("en")} tickets`);

export const waitlistTexts = {
  title: "Waitlist",
  lead: "Tickets that come back are offered by themselves, in order of arrival: held for one person, then for the next. You need not do anything here.",
  switchedOff: "The waitlist of this event is switched off: nobody can join, and nothing is offered.",
  show: "Show in the list",
  figures: "Figures of the waitlist",
  waiting: "Waiting",
  offered: "Have an offer",
  accepted: "Offers paid",
  declined: "Offers declined",
  expired: "Offers expired",
  conversion: "Share that was paid",
  demand: "What they wait for",
  demandNote: "People who accept several kinds of tickets count for each kind.",
  ticket: "Ticket",
  people: "People",
  tickets: "Tickets",
  line: "In order of arrival",
  none: { waiting: "Nobody waits", offered: "Nobody has an offer" },
  noneText: {
    waiting: "When the tickets are sold out, people can join the waitlist on the event's page.",
    offered: "As soon as tickets come back, they are offered to somebody who waits.",
  },
  wish: (count: number, tiers: string[]) => `${count.toLocaleString("en")} × ${listed(tiers)}`,
  joined: (when: string) => `Since ${when}`,
  most: (price: string) => `at most ${price} each`,
  passedOver: (when: string) => `Too few tickets for them since ${when}`,
  until: (when: string) => `Offer until ${when}`,
  offer: "Offer tickets now",
  offerConfirm: "Yes, offer them now",
  offerEffect: "“Offer tickets now” offers tickets to somebody out of turn. It is refused when fewer are left than they ask for, and while the sale is paused.",
  offerText: (count: number) => `Held for this person alone until the offer ends: ${tickets(count)}. They get a mail about it. If they do not pay by then, the next one gets the offer.`,
  overtakes: (count: number) => (count === 1 ? "One person who came earlier may get a ticket later because of it." : `${count} people who came earlier may get tickets later because of it.`),
  offerRecorded: "The history of the event says that you did it. The offer cannot be taken back.",
  done: (user: string, until: string) => `Tickets are held for ${user} until ${until}.`,
};
