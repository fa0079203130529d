/** What buyers read about a promoter. */

export const profileTexts = {
  title: "Your profile",
  lead: "What buyers can read about you.",
  verified: "You are verified: buyers can see this profile.",
  unverified: "An admin of the shop has not verified you yet. Until then only you and the admins see this profile. You can sell tickets all the same.",
  losesVerification: "If you change the name, the company or the website, an admin has to verify you again.",
  name: "Name",
  nameNote: "As buyers know you.",
  company: "Company (optional)",
  website: "Website (optional)",
  websiteError: "This is no address of a website. It looks like https://example.com.",
  email: "E-mail address for buyers (optional)",
  emailNote: "Everybody can read it. It need not be the one that you sign in with.",
  description: "About you (optional)",
};
