/** The texts of the page of legal texts, in German. */

import type { legalTexts as english } from "./en-legal";

export const legalTexts: typeof english = {
  kinds: { imprint: "Impressum", terms: "AGB", privacy: "Datenschutz", refunds: "Erstattungen", accessibility: "Barrierefreiheit" },
  accept: "Wenn Sie fortfahren, stimmen Sie den AGB des Anbieters zu",
  none: "Der Shop hat hier keine rechtlichen Texte veröffentlicht.",
  cookies: "Cookies",
  cookiesText: "Dieser Shop verfolgt Sie nicht. Seine Cookies dienen nur dazu, dass Sie angemeldet bleiben oder ohne Konto Ihre Tickets behalten. Der Zahlungsdienstleister setzt eigene Cookies, um Betrug zu verhindern.",
  since: (date) => `In dieser Fassung seit ${date}`,
};
