/** The name of this language, and the message that appears in all languages when no language could be loaded. */

export const languageTexts = {
  name: "English",
  missing: "This page did not load completely. Check your connection and reload.",
  again: "Reload",
};
