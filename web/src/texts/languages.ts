/** The languages of the pages follow from the files in this folder; docs/web.md lists the files of a language. */

import type { DocumentLanguage } from "../api";

export type Language = DocumentLanguage;

/** What the files of `import.meta.glob` contain, by the language with which each file's name begins. */
export function inEachLanguage<Content>(files: Record<string, Content>): Record<Language, Content> {
  const contents = Object.entries(files).map(([path, content]) => [/([a-z]{2})[^/]*$/.exec(path)![1], content]);
  return Object.fromEntries(contents) as Record<Language, Content>;
}

/** As `inEachLanguage`, for files that each export their texts under the name of the language, and are loaded when the language is chosen. */
export function loadersByLanguage<Texts>(files: Record<string, () => Promise<Record<string, Texts>>>): Record<Language, () => Promise<Texts>> {
  const loaders = Object.entries(inEachLanguage(files)).map(([language, load]) => [language, async () => (await load())[language]!]);
  return Object.fromEntries(loaders) as Record<Language, () => Promise<Texts>>;
}
