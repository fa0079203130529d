/** Texts of these pages: a file for each language, which has a file for each room, in the same type. */

import { useTexts, type InEachLanguage } from "../texts";
import type { en } from "./texts/en";

export type RoomTexts = typeof en;

export const TEXTS: InEachLanguage<RoomTexts> = {
  en: async () => (await import("./texts/en")).en,
  es: async () => (await import("./texts/es")).es,
};

/** A room's texts in the language that was chosen for all pages. */
export function useRoomTexts<Room extends keyof RoomTexts>(room: Room): RoomTexts[Room] {
  return useTexts<RoomTexts>().own[room];
}
