/** The texts that nearly every waiting room needs. Each page loads them together with the parts that show them, in its own language only. */

import { useTexts } from ".";
import { inEachLanguage, type Language } from "./languages";

type RoomTexts = typeof import("./en-room");

const LOADERS = inEachLanguage(import.meta.glob<RoomTexts>("./??-room.ts"));
const loaded: Partial<Record<Language, RoomTexts>> = {};

export async function loadRoomTexts(language: Language): Promise<void> {
  loaded[language] ??= await LOADERS[language]();
}

/** Use only in parts that are shown after `loadRoomTexts`. While another language is loading, these are the texts of an earlier one. */
export const useRoomTexts = (): RoomTexts => loaded[useTexts().language] ?? Object.values(loaded)[0]!;
