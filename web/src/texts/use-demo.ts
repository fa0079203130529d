/** The texts about the demo identity in the language of the page. Only the pages of accounts load this file, with all languages. */

import { useTexts } from ".";
import type { demoTexts as en } from "./en-demo";
import { inEachLanguage } from "./languages";

const TEXTS = inEachLanguage(import.meta.glob<typeof en>("./??-demo.ts", { eager: true, import: "demoTexts" }));

export const useDemoTexts = () => TEXTS[useTexts().language];
