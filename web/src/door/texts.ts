/** The texts of the door: one file per language, all of the same type. */

import { useTexts, type InEachLanguage } from "../texts";
import type { en } from "./texts/en";

export type DoorTexts = typeof en;

export const TEXTS: InEachLanguage<DoorTexts> = {
  en: async () => (await import("./texts/en")).en,
  es: async () => (await import("./texts/es")).es,
};

/** The door's texts in the chosen language, and the browser's locale for times. */
export function useDoorTexts(): { d: DoorTexts; locale: string } {
  const { own, locale } = useTexts<DoorTexts>();
  return { d: own, locale };
}
