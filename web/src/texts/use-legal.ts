/** The texts about legal texts in the language of the page. Only the parts that show them load this file, with both languages. */

import { useTexts } from ".";
import { legalTexts as en } from "./en-legal";
import { legalTexts as es } from "./es-legal";

const TEXTS = { en, es };

export const useLegalTexts = () => TEXTS[useTexts().language];
