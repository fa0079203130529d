/** The texts that nearly every waiting room needs, in Spanish. */

export { entryTexts } from "./es-entry";
export { lineTexts } from "./es-line";
