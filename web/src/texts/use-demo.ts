/** The texts about the demo identity in the language of the page. Only the pages of accounts load this file, with both languages. */

import { useTexts } from ".";
import { demoTexts as en } from "./en-demo";
import { demoTexts as es } from "./es-demo";

const TEXTS = { en, es };

export const useDemoTexts = () => TEXTS[useTexts().language];
