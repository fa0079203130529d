/** The texts about the demo identity, in German. */

import type { demoTexts as english } from "./en-demo";

export const demoTexts: typeof english = {
  title: "Demo-Identität",
  offer: "Dieser Shop ist eine Demo. Sie können ihn ohne Passwort ausprobieren, unter einem erfundenen Namen, den dieser Browser speichert. Nichts schützt diesen Namen, geben Sie also keine echten Daten ein.",
  use: "Demo-Identität verwenden",
  text: "Sie benutzen diese Demo als erfundene Person. Wer den Namen kennt, kann ihn verwenden. Geben Sie also keine echten Daten ein.",
  leave: "Demo-Identität ablegen",
};
