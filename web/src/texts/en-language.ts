/** The name of this language, and the message that appears in all languages when no language could be loaded. */

import type { LanguageTexts } from "./languages";

export const languageTexts: LanguageTexts = {
  name: "English",
  missing: "This page did not load completely. Check your connection and reload.",
  again: "Reload",
};
