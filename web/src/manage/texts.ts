/** The texts of the pages for managers: one object per language, made of one file for each area of the pages. All languages have the type of the English texts. */

import { useTexts } from "../texts";
import { inEachLanguage } from "../texts/languages";
import type { en } from "./texts/en";

export type RoomTexts = typeof en;

export const TEXTS = inEachLanguage(import.meta.glob<Record<string, RoomTexts>>("./texts/??.ts"));

/** The texts of one area of the pages, in the chosen language. */
export function useRoomTexts<Room extends keyof RoomTexts>(room: Room): RoomTexts[Room] {
  return useTexts<RoomTexts>().own[room];
}

/** Gives the name of a payment provider by its code in the API. A company is named by its code: `stripe` is Stripe. */
export function useProviderName() {
  const names = useRoomTexts("providers");
  return (code: string) => names[code] ?? code.charAt(0).toUpperCase() + code.slice(1);
}
