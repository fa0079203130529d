/** The name of this language, and the message that appears in all languages when no language could be loaded. */

import type { languageTexts as en } from "./en-language";

export const languageTexts: typeof en = {
  name: "Español",
  missing: "La página no se ha cargado por completo. Comprueba tu conexión y vuelve a cargarla.",
  again: "Volver a cargar",
};
