/** The name of this language, and the message that appears in all languages when no language could be loaded. */

import type { languageTexts as en } from "./en-language";

export const languageTexts: typeof en = {
  name: "Deutsch",
  missing: "Diese Seite wurde nicht vollständig geladen. Prüfen Sie Ihre Verbindung, und laden Sie die Seite neu.",
  again: "Neu laden",
};
