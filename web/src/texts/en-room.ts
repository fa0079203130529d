/** The texts that nearly every waiting room needs, in English. */

export { entryTexts } from "./en-entry";
export { lineTexts } from "./en-line";
