/** Texts of these pages: each room has files of its own in `texts/`, one for each language, of the same type. */

import { useTexts, type Language } from "../texts";

/** The texts in the language that was chosen for all pages. */
export function useRoomTexts<T>(texts: Record<Language, T>): T {
  return texts[useTexts().language];
}
