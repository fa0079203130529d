/** The texts that nearly every waiting room needs, in German. */

export { entryTexts } from "./de-entry";
export { lineTexts } from "./de-line";
