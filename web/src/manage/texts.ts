/** Texts of these pages: each room has a file of its own in `texts/`, with all languages in the same type. */

import { useTexts, type Language } from "../texts";

/** What a file of texts exports: a language that it lacks is an error of the types in that file. */
export type InEachLanguage<T> = Record<Language, T>;

/** The texts in the language that was chosen for all pages. */
export function useRoomTexts<T>(texts: InEachLanguage<T>): T {
  return texts[useTexts().language];
}
