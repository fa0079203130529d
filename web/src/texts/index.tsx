/** The language of the pages: the one that the buyer chose, else the browser's, else English. */

import { createContext, type ComponentChildren } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import { en, type Texts } from "./en";
import { es } from "./es";

const LANGUAGES = { en, es };
const KEY = "fairgate.language";

export type Language = keyof typeof LANGUAGES;
export const languages = Object.keys(LANGUAGES) as Language[];

interface Choice {
  t: Texts;
  language: Language;
  /** For dates and amounts: the browser's own form of the language, such as en-GB. */
  locale: string;
  choose: (language: Language) => void;
}

const Context = createContext<Choice>({ t: en, language: "en", locale: "en", choose: () => {} });

export const useTexts = () => useContext(Context);
export const nameOf = (language: Language) => LANGUAGES[language].name;

export function TextsProvider({ children }: { children: ComponentChildren }) {
  const [language, setLanguage] = useState<Language>(preferred);
  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
  const choose = (chosen: Language) => {
    localStorage.setItem(KEY, chosen);
    setLanguage(chosen);
  };
  const locale = navigator.languages.find((name) => name.startsWith(language) && isLocale(name)) ?? language;
  return <Context.Provider value={{ t: LANGUAGES[language], language, locale, choose }}>{children}</Context.Provider>;
}

/** Some browsers name languages that they refuse themselves, such as en-US@posix. */
function isLocale(name: string): boolean {
  try {
    return Intl.getCanonicalLocales(name).length > 0;
  } catch {
    return false;
  }
}

function preferred(): Language {
  const wanted = [localStorage.getItem(KEY), ...navigator.languages].map((name) => name?.slice(0, 2));
  return languages.find((language) => language === wanted.find((name) => languages.some((known) => known === name))) ?? "en";
}
