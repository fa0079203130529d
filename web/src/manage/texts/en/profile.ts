/** A promoter's public profile. */

export const profileTexts = {
  title: "Your profile",
  lead: "What buyers can read about you.",
  verified: "You are verified: buyers can see this profile.",
  unverified: "A shop admin has not verified you yet. Until then, only you and the admins can see this profile. You can prepare events; before you can publish them, the shop may have to verify you.",
  losesVerification: "If you change your name, company or website, an admin has to verify you again.",
  name: "Name",
  nameNote: "The name that buyers know you by.",
  company: "Company (optional)",
  website: "Website (optional)",
  websiteError: "This is not a website address. An example: https://example.com.",
  email: "Email address for buyers (optional)",
  emailNote: "Everyone can see it. It can differ from the address you sign in with.",
  description: "About you (optional)",
  policies: "Refunds and terms (optional)",
  policiesNote: "For example, the last day on which you refund tickets. Buyers can read this before they pay, and in the email with their tickets.",
};

export const defaultTaxesTexts = {
  title: "Default taxes",
  lead: "The taxes in your prices, by the country and region of the event. They apply to ticket types that say nothing about tax, and to tickets that are reserved from now on. Orders keep the tax of their sale.",
  country: "Country",
  countryNote: "Its code, such as ES.",
  region: "Region (optional)",
  regionNote: "If empty, the whole country.",
  percent: "Tax in the price, in percent",
  exempt: "Why it is exempt (optional)",
  add: "Add a country or region",
  save: "Save taxes",
  remove: (place: string) => `Remove the tax for ${place}`,
};

export const paymentAccountTexts = {
  title: "Your payments",
  states: {
    none: "Buyers of your events pay to the shop. Connect a Stripe account of your own to get the money directly.",
    removed: "The shop has removed your Stripe account. Buyers of your events pay to the shop.",
    pending: "Your Stripe account is not complete. Until it is, buyers of your events pay to the shop.",
    active: "Buyers of your events pay to your Stripe account.",
    restricted: "Stripe lets your account take no payments, so the sales of your events are paused. Tickets that are sold stay valid. Sales resume by themselves once Stripe has what it needs.",
  },
  noPayouts: "Stripe does not pay out your money at the moment.",
  missing: "Stripe needs the following from you:",
  fee: (perTicket: string, percent: string) => `The shop's fee for each order is ${percent}% of the total, plus ${perTicket} in the event's currency for each ticket that costs money.`,
  balance: (available: string, pending: string) => `Balance: ${available} can be paid out to your bank, and ${pending} is on its way to you.`,
  payouts: "Payouts to your bank",
  connect: "Connect a Stripe account",
  resume: "Continue at Stripe",
};
