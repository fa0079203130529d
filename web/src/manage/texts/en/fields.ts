/** The fields in the forms of events and ticket types. */

export const fieldTexts = {
  event: {
    name: { label: "Name" },
    venue: { label: "Venue" },
    address: { label: "Address" },
    city: { label: "City" },
    category: { label: "Category" },
    country: { label: "Country", note: "The country's code, such as ES or GB. It decides which of the default taxes in your profile apply." },
    region: { label: "Region", note: "Only if the region has its own taxes. Enter the end of its ISO code, such as CN for ES-CN." },
    postal_code: { label: "Postal code", note: "Needed if Stripe calculates the taxes." },
    description: { label: "Description" },
    starts_at: { label: "Starts" },
    ends_at: { label: "Ends" },
    doors_minutes: {
      label: "Minutes from doors to start",
      note: "For example 60: the doors open an hour before the start, and buyers see this time. If you leave this empty, buyers do not see when the doors open.",
    },
    refundable_until: {
      label: "Buyers may return tickets until",
      note: "Until then, buyers can return unused tickets themselves and get the full price back. The email about the change mentions this.",
    },
    timezone: { label: "Time zone", note: "All times on this page are in this time zone." },
    on_sale_at: {
      label: "Sale opens",
      note: "Until then, people gather in a waiting room, and a draw decides the order. If you leave this empty, tickets go on sale as soon as you publish the event.",
    },
    capacity: {
      label: "Event capacity",
      note: "The total number of tickets for sale across all types. If empty, only the quantity of each type counts.",
    },
    purchase_limit: { label: "Tickets per buyer", note: "How many tickets one person can buy in total. 2 to 4 is usual for an event that sells out." },
    hold_seconds: { label: "Seconds to pay", note: "How long buyers have to pay. 180 is usual for cards, 600 if buyers need their bank's app." },
    allows_reentry: { label: "People may leave and come back", note: "Staff scan the tickets of people who leave. The same tickets then let them in again." },
    publishes_report: {
      label: "Publish the sale report",
      note: "After the sale opens, the draw page shows how many people joined, how long they waited, and where the tickets went.",
    },
  },
  returns: {
    policy: { label: "If buyers cannot come", note: "Buyers see this before they pay. It applies to tickets that are reserved from now on." },
    until: { label: "Returns until", note: "If empty, until the event starts." },
    fee_percent: { label: "Percentage that you keep" },
    needs_approval: { label: "I decide on each return", note: "Under Orders, Return requests." },
    fee_cents: { label: "Fee" },
    may_transfer: { label: "Tickets can be transferred", note: "Owners may give their ticket to somebody else with a link." },
  },
  line: {
    has_line: { label: "Waiting room", note: "Buyers enter in waves, in an order decided by a draw." },
    wave_size: { label: "People per wave" },
    wave_seconds: { label: "Seconds between waves" },
    pass_seconds: { label: "Seconds to choose tickets" },
    grace_seconds: { label: "Extra seconds after a missed turn" },
    longer_pass_seconds: {
      label: "Seconds to choose for people who need more time",
      note: "Everybody can ask for a longer turn, without a reason or proof, and you do not see who does. If empty, three times the usual turn.",
    },
    entry: {
      label: "Who gets a place in line",
      note: "With one place for each email address, a crowd of made-up guests gains nothing. Buyers confirm their address with a code by email, and need no account. You create codes under Promo codes. Once somebody has joined, the rule can no longer be changed.",
    },
    groups: {
      label: "Up to six people may share a place",
      note: "Friends form a group before the draw and have one chance together. When it is their turn, each of them can buy. Needs one place for each email address or account. Plan smaller waves, because each place may let in six people.",
    },
    ballot: {
      label: "Allocate tickets by ballot",
      note: "People register until the draw, which takes place when the sale would otherwise open. Then the tickets are offered in the order of the draw: each winner has a day to pay, and after that the next person gets the offer. Nobody else can buy. Groups and waves do not apply.",
    },
    ballot_cards: {
      label: "Cards in the ballot",
      note: "People save a card when they register. Nothing is charged until the draw gives them tickets. If a card is declined, its owner has a day to pay in another way. If buyers have to answer questions, cards are not charged.",
    },
    better_odds: {
      label: "Better odds for people who were not drawn before",
      note: "Everybody has one number in the draw. Each time people are not drawn in one of your ballots with better odds, they get one more, up to five. Once they are drawn, they are back to one. The best number counts. Choose this for your first ballot too, so that it counts for the next one. Only for ballots with one place for each email address, account or card. Applies to new waiting rooms.",
    },
    randomness: {
      label: "What decides the order",
      note: "We recommend the public random number, because then not even the shop can know or influence the order in advance. The sale opens only once the number is public, which can take longer if the internet has trouble. With the key alone, the sale never waits, but buyers have to trust that nobody in the shop looked at the key. Applies to new waiting rooms.",
    },
    follow_stock: { label: "Match wave size to remaining tickets", note: "Waves get smaller as tickets run out." },
    shop_url: {
      label: "Address of another shop",
      note: "If another shop sells the tickets, buyers go there when it is their turn, with a pass that the shop checks. The event then needs no ticket types.",
    },
    pass_algorithm: { label: "Signature of the passes", note: "Only for another shop." },
  },
  tier: {
    name: { label: "Name" },
    description: { label: "Description" },
    price_cents: { label: "Price", note: "Per ticket or package. Enter 0 if it is free." },
    currency: { label: "Currency", note: "The whole event uses the same currency." },
    capacity: { label: "Quantity", note: "How many you sell in total. If empty, only the event's capacity counts." },
    admits: { label: "People admitted", note: "How many people each ticket or package admits." },
    sale_starts_at: { label: "On sale from" },
    sale_ends_at: { label: "On sale until" },
    max_per_order: { label: "Maximum per order" },
    low_stock_at: { label: "Low-stock alarm", note: "The operators get an alarm when only this many are left." },
    is_sponsorship: { label: "Sponsorship", note: "Shown to buyers as a sponsorship, and marked as one in sales reports." },
    seating: {
      label: "Accessible seats",
      note: "Everybody can buy wheelchair spaces, without proof. An order can have three companion seats for each wheelchair space in it.",
    },
    hidden: { label: "Hide from lists", note: "Not listed anywhere. Anyone who has the link can buy it." },
    requires_code: { label: "Only with a code", note: "Buyers need a promo code that unlocks these tickets. The waitlist does not offer them." },
  },
  included: {
    "included_fee.cents": { label: "Fee in the price", note: "Per ticket. Buyers see it beside the price, and pay nothing extra." },
    "included_fee.percent": { label: "Plus a percentage of the price" },
    "tax.none": { label: "No tax", note: "Receipts do not mention tax, whatever your default taxes are." },
    "tax.percent": { label: "Tax in the price, in percent", note: "For example 8.875. If empty, the default taxes in your profile apply." },
    "tax.exempt_because": { label: "Reason for the exemption", note: "For a tax of 0 percent. Receipts show it." },
  },
};
