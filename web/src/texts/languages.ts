/** The languages of the pages follow from the files in this folder; docs/web.md lists the files of a language. */

import type { DocumentLanguage } from "../api";

export type Language = DocumentLanguage;

export interface LanguageTexts {
  name: string;
  missing: string;
  again: string;
  /** Only of languages that are written from right to left. */
  dir?: "rtl";
}

/** What the files of `import.meta.glob` contain, by the language with which each file's name begins. */
export const inEachLanguage = <Content>(files: Record<string, Content>) =>
  Object.fromEntries(Object.entries(files).map(([path, content]) => [path.replace(/.*\//, "").slice(0, 2), content])) as Record<Language, Content>;
