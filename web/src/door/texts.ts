/** The texts of the door: one file per language, all of the same type. */

import { useTexts } from "../texts";
import { inEachLanguage } from "../texts/languages";
import type { en } from "./texts/en";

export type DoorTexts = typeof en;

export const TEXTS = inEachLanguage(import.meta.glob<Record<string, DoorTexts>>("./texts/??.ts"));

/** The door's texts in the chosen language, and the browser's locale for times. */
export function useDoorTexts(): { d: DoorTexts; locale: string } {
  const { own, locale } = useTexts<DoorTexts>();
  return { d: own, locale };
}
