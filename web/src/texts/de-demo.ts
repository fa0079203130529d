/** The texts about the demo identity, in German. */

import type { demoTexts as english } from "./en-demo";

export const demoTexts: typeof english = {
  title: "Demo-Identität",
  offer: "Dieser Shop ist eine Demo. Sie können ihn ohne Passwort ausprobieren, unter einem erfundenen Namen, den dieser Browser speichert. Nichts schützt diesen Namen, verwenden Sie ihn also für nichts Echtes.",
  use: "Demo-Identität verwenden",
  text: "Sie benutzen diese Demo als erfundene Person. Wer den Namen kennt, kann ihn verwenden. Verwenden Sie ihn also für nichts Echtes.",
  leave: "Demo-Identität ablegen",
};
