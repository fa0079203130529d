/** Texts of the door, in all languages of the same type. */

import { useTexts, type Language } from "../texts";
import { en } from "./texts/en";
import { es } from "./texts/es";

export type DoorTexts = typeof en;

const TEXTS: Record<Language, DoorTexts> = { en, es };

/** The door's texts in the language that was chosen for all pages, and the browser's form of it for times. */
export function useDoorTexts(): { d: DoorTexts; locale: string } {
  const { language, locale } = useTexts();
  return { d: TEXTS[language], locale };
}

/** The time of day at the event. */
export function timeOf(epochSeconds: number, timeZone: string, locale: string): string {
  return new Intl.DateTimeFormat(locale, { hour: "numeric", minute: "2-digit", timeZone }).format(new Date(1000 * epochSeconds));
}
