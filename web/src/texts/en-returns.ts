/** The texts about returning tickets, in English. */

export const returnTexts = {
  title: "You can return your tickets",
  until: (time: string) => `If you can no longer come, you can return your tickets until ${time}.`,
  fee: (amount: string) => `We keep a fee of ${amount}.`,
  action: (amount: string) => `Return tickets and get ${amount} back`,
  meaning: (count: number, amount: string) =>
    `${count === 1 ? "Your ticket becomes" : `Your ${count} tickets become`} invalid immediately, and this cannot be undone. We will send ${amount} back to the card or account you paid with.`,
  now: (count: number) => (count === 1 ? "Return 1 ticket" : `Return ${count} tickets`),
  ask: "Ask to return tickets",
  askMeaning: "The promoter decides. Until then, your tickets stay valid. We will email you the answer.",
  askNow: (count: number) => (count === 1 ? "Ask to return 1 ticket" : `Ask to return ${count} tickets`),
  reason: "Reason",
  reasons: { cannot_come: "I cannot come", ill: "I am ill", wrong_tickets: "I bought the wrong tickets", other: "Another reason" },
  requests: {
    open: (count: number) => `You have asked to return ${count === 1 ? "1 ticket" : `${count} tickets`}. The promoter has not decided yet.`,
    declined: (count: number) => `The promoter has declined to take ${count === 1 ? "1 ticket" : `${count} tickets`} back.`,
  },
  withdraw: "Keep the tickets: withdraw the request",
  askedTitle: "The promoter will decide",
  doneTitle: "You have returned your tickets",
  resale: "If you cannot come",
  resaleMeaning: "Offer your tickets for resale at the price you paid. They stay valid until somebody buys them, and you can withdraw them until then. When a ticket sells, we will email you and send you the refund.",
  resaleUntil: (time: string) => `You can offer them until ${time}.`,
  ticket: (number: string) => `Ticket ${number}`,
  youGet: (amount: string) => `you get ${amount} back.`,
  failures: {
    returns_closed: "The deadline for returning tickets has passed.",
    tickets_not_returnable: "These tickets cannot be returned: they have been used or given to someone else, or are no longer valid. Reload the page.",
    tickets_being_sold: "Somebody is buying this ticket right now. Try again in a few minutes.",
  },
  listed: "For resale",
  offer: "Offer for resale",
  unlist: "Withdraw",
  offerAll: (count: number) => `Offer all ${count} tickets`,
  doneText: (amount: string) => `We are sending ${amount} back to the card or account you paid with. Banks take up to ten days.`,
};
