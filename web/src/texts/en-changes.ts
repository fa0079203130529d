/** The texts about what has changed at an event, in English. */

export const changeTexts = {
  before: "before:",
  fields: {
    price_cents: "Price",
    admits: "People per ticket",
    capacity: "Number of tickets",
    per_user_limit: "Maximum tickets per order",
    purchase_limit: "Maximum tickets per person",
    on_sale_at: "Sale opens",
    starts_at: "Event starts",
    sale_starts_at: "On sale from",
    sale_ends_at: "On sale until",
  } as Record<string, string>,
  on: { on_sale: "Put on sale", requires_code: "Only with an access code", has_waiting_room: "With a waiting room", has_ballot: "Tickets allocated by ballot", needs_ballot_card: "The ballot asks for a saved card", better_odds: "Better odds for people not drawn before", needs_address: "One place in line for each email address", needs_account: "Account required to join the line", needs_access_code: "Code required to join the line", needs_card: "One place in line for each payment card" } as Record<string, string>,
  off: { on_sale: "Taken off sale", requires_code: "No longer needs an access code", has_waiting_room: "Without a waiting room", has_ballot: "No longer a ballot", needs_ballot_card: "The ballot no longer needs a card", better_odds: "No better odds for people not drawn before", needs_address: "A place in line for everybody", needs_account: "No account needed to join the line", needs_access_code: "No code needed to join the line", needs_card: "No card needed to join the line" } as Record<string, string>,
  noLimit: "no limit",
  noTime: "no set time",
};
