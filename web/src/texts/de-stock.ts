/** The texts about the stock ledger, in German. */

import type { stockTexts as english } from "./en-stock";

const entries = (count: number) => `${count.toLocaleString("de")} ${count === 1 ? "Eintrag" : "Einträge"}`;

export const stockTexts: typeof english = {
  title: "Wohin alle Tickets gegangen sind",
  intro: "Jede Änderung der Anzahl der Tickets und der zurückgehaltenen Kontingente steht in einer öffentlichen Liste, die nur wächst.",
  none: "Die Liste beginnt mit der Veröffentlichung des Events.",
  all: "Alle Ticketarten zusammen",
  hidden: "Eine nicht aufgeführte Ticketart",
  counted: (when) => `Gezählt am ${when}`,
  of: (capacity) => `${capacity} Tickets`,
  noLimit: "Unbegrenzt",
  parts: { sold: "verkauft", held: "werden gerade gekauft", available: "im Verkauf", back: "zurückgehalten" },
  issued: (count) => `davon ${count} ausgegeben`,
  returned: (count) => `Verkauft und zurückgegeben: ${count}`,
  reasons: { artist: "Künstler", press: "Presse", house: "Haus", accessible: "barrierefreie Plätze", presale: "Vorverkauf", box_office: "Abendkasse", other: "andere Gründe" },
  changes: (count) => (count === 1 ? "1 Änderung" : `${count} Änderungen`),
  published: "Veröffentlicht",
  causes: { manager: "vom Veranstalter geändert", time: "zur festgelegten Zeit freigegeben", sold_out: "freigegeben, weil die Tickets ausverkauft waren", file: "vom Shop geändert" },
  given: (count, reason) => `${count} ausgegeben (${reason})`,
  revoked: (count, reason) => `${count} zurückgenommen (${reason})`,
  right: (count) => `Ihr Browser hat ${entries(count)} geprüft: Nichts wurde geändert oder weggelassen, und der Shop hat die Liste signiert.`,
  unsigned: (count) => `Ihr Browser hat ${entries(count)} geprüft: Nichts wurde geändert oder weggelassen. Die Signatur kann er nicht prüfen.`,
  later: (first) => `Die Liste ist lang, deshalb beginnt diese Seite mit Eintrag ${first}. Frühere Änderungen stehen im Dokument.`,
  wrong: "Diese Liste stimmt nicht",
  wrongNote: "Ein Eintrag wurde geändert oder weggelassen, oder die Signatur ist nicht die des Shops. Speichern Sie das Dokument, und wenden Sie sich an den Veranstalter.",
  key: "Schlüssel des Shops. Vergleichen Sie ihn mit dem, was andere sehen:",
  download: "Die Liste als Dokument",
};
