/** The texts about the stock ledger, in English. */

const plural = new Intl.PluralRules("en");
const entries = (count: number) => `${count.toLocaleString("en")} ${plural.select(count) === "one" ? "entry" : "entries"}`;

export const stockTexts = {
  title: "Where all the tickets went",
  intro: "Every change to the number of tickets, and to the number held back, is recorded in a public list that only grows.",
  none: "The list begins when the event is published.",
  all: "All ticket types together",
  hidden: "A ticket type that is not listed",
  counted: (when: string) => `Counted on ${when}`,
  of: (capacity: string) => `${capacity} tickets`,
  noLimit: "No limit",
  parts: { sold: "sold", held: "being bought", available: "on sale", back: "held back" },
  issued: (count: string) => `of which ${count} given out`,
  returned: (count: string) => `Sold tickets returned: ${count}`,
  reasons: { artist: "artist", press: "press", house: "house", accessible: "accessible seats", presale: "presale", box_office: "box office", other: "other reasons" },
  changes: (count: number) => (plural.select(count) === "one" ? "1 change" : `${count} changes`),
  published: "Published",
  causes: { manager: "changed by a manager", time: "released at the scheduled time", sold_out: "released because tickets had sold out", file: "changed by the shop" },
  given: (count: string, reason: string) => `${count} given out (${reason})`,
  revoked: (count: string, reason: string) => `${count} taken back (${reason})`,
  right: (count: number) => `Your browser has checked ${entries(count)}: none has been changed or left out, and the shop has signed the list.`,
  unsigned: (count: number) => `Your browser has checked ${entries(count)}: none has been changed or left out. It cannot check the signature.`,
  later: (first: string) => `The list is long, so this page begins with entry ${first}. Earlier changes are in the document.`,
  wrong: "This list is wrong",
  wrongNote: "An entry was changed or left out, or the signature is not the shop's. Save the document, and contact the promoter.",
  key: "The shop's key. Compare it with the key that other people see:",
  download: "The list as a document",
};
