/** The waitlist of an event. */

const listed = (names: string[]) => new Intl.ListFormat("en", { type: "disjunction" }).format(names);
const tickets = (count: number) => (count === 1 ? "1 ticket" : `${count.toLocaleString("en")} tickets`);

export const waitlistTexts = {
  title: "Waitlist",
  ballotLead: "The people who have registered, in the order in which they registered. After the draw, the tickets are offered automatically in the order of the draw. You do not have to do anything.",
  lead: "Returned tickets are offered automatically, in the order in which people joined. Each offer holds tickets for one person; if they do not pay in time, it passes to the next. You do not have to do anything.",
  switchedOff: "This event's waitlist is turned off: nobody can join, and no tickets are offered.",
  show: "Show",
  figures: "Waitlist figures",
  waiting: "Waiting",
  offered: "With an offer",
  accepted: "Offers paid",
  declined: "Offers declined",
  expired: "Offers expired",
  conversion: "Share of offers paid",
  demand: "Demand by ticket type",
  demandNote: "People who accept several ticket types are counted under each type.",
  ticket: "Ticket",
  people: "People",
  tickets: "Tickets",
  line: "In the order they joined",
  none: { waiting: "Nobody is waiting", offered: "No open offers" },
  noneText: {
    waiting: "People can join the waitlist on the event's page while the tickets are sold out.",
    offered: "As soon as tickets are returned, they are offered to the next person in line.",
  },
  wish: (count: number, tiers: string[]) => `${count.toLocaleString("en")} × ${listed(tiers)}`,
  joined: (when: string) => `Joined ${when}`,
  maxPrice: (price: string) => `up to ${price} each`,
  passedOver: (when: string) => `Not enough tickets for this request since ${when}`,
  until: (when: string) => `Offer ends ${when}`,
  offer: "Offer tickets now",
  offerConfirm: "Yes, offer them now",
  offerEffect: "Use “Offer tickets now” to offer tickets to someone out of turn. This is not possible if fewer tickets are left than the person asked for, or while the sale is paused.",
  offerText: (count: number) => `We hold ${tickets(count)} for this person until the offer ends, and email them about it. If they do not pay by then, the offer goes to the next person.`,
  overtakes: (count: number) =>
    count === 1
      ? "One person who joined earlier may have to wait longer."
      : `${count} people who joined earlier may have to wait longer.`,
  offerRecorded: "The event's history records this with your name. You cannot withdraw the offer.",
  done: (user: string, until: string) => `Tickets are on hold for ${user} until ${until}.`,
};
