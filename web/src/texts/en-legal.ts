/** The texts of the page of legal texts, in English. */

export const legalTexts = {
  kinds: { imprint: "Legal notice", terms: "Terms", privacy: "Privacy", refunds: "Refund policy", accessibility: "Accessibility" },
  accept: "By continuing, you accept the seller's terms",
  none: "The shop has not published any legal texts here.",
  cookies: "Cookies",
  cookiesText: "This shop does not track you. Its cookies only keep you signed in, or keep your tickets if you have no account. The payment provider sets cookies of its own to prevent fraud.",
  since: (date: string) => `This version dates from ${date}`,
};
