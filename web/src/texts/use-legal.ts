/** The texts about legal texts in the language of the page. Only the parts that show them load this file, with all languages. */

import { useTexts } from ".";
import type { legalTexts as en } from "./en-legal";
import { inEachLanguage } from "./languages";

const TEXTS = inEachLanguage(import.meta.glob<typeof en>("./??-legal.ts", { eager: true, import: "legalTexts" }));

export const useLegalTexts = () => TEXTS[useTexts().language];
