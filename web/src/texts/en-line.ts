/** What people in line read about the tickets, in English. */

const tickets = (count: number) => `${count.toLocaleString("en")} ${new Intl.PluralRules("en").select(count) === "one" ? "ticket" : "tickets"}`;

export const lineTexts = {
  lasts: "Very likely still available when it is your turn",
  of: (percent: number) => `Chance of selling out before your turn: about ${percent}%`,
  gone: "Almost certainly gone before your turn",
  note: "We estimate the chances from what people ahead of you have bought so far.",
  between: (early: string, late: string) => `At the pace of the line so far, your turn comes between ${early} and ${late}.`,
  toShop: (host: string) => `Go to ${host}`,
  toShopNote: (host: string) => `The tickets are sold at ${host}. Finish there before your time runs out.`,
  beacon: "The order also depends on a random number that an independent network publishes after the draw has closed. Nobody can know it in advance, not even us.",
  roundLate: "The sale opens as soon as the public random number for the draw has arrived. Keep this page open: you stay in line.",
  mayReturn: (count: number) => `All tickets are on hold at the moment. ${tickets(count)} may become available if other buyers do not finish paying.`,
  waitlistFirst: "People on the waitlist may get an offer first.",
};
