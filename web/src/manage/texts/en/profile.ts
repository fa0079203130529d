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
