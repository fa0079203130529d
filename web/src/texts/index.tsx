/** The language of the pages: the one that the buyer chose, else the browser's, else English. Only that one is loaded. */

import { createContext, type ComponentChildren } from "preact";
import { useContext, useLayoutEffect, useState } from "preact/hooks";
import type { Texts } from "./en";

/** `missing` and `again` are said in all languages when none could be loaded, so they are not in the files. */
const LANGUAGES = {
  en: {
    name: "English",
    load: async () => (await import("./en")).en,
    missing: "The page could not be loaded completely. Check your connection and load it again.",
    again: "Load again",
  },
  es: {
    name: "Español",
    load: async () => (await import("./es")).es,
    missing: "La página no se ha cargado por completo. Comprueba tu conexión y cárgala otra vez.",
    again: "Cargar otra vez",
  },
};
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

const Context = createContext<Choice | null>(null);

/** Within `TextsProvider`, which draws nothing before the texts are there. */
export const useTexts = () => useContext(Context)!;
export const nameOf = (language: Language) => LANGUAGES[language].name;

export function TextsProvider({ children }: { children: ComponentChildren }) {
  const [language, setLanguage] = useState(preferred);
  const [loaded, setLoaded] = useState<{ language: Language; t: Texts } | null>(null);
  const [isMissing, setMissing] = useState(false);
  useLayoutEffect(() => {
    let isOld = false;
    const load = async () => {
      const t: Texts = await LANGUAGES[language].load();
      if (!isOld) setLoaded({ language, t });
    };
    // Without a network another language may not be there: then the pages go on in the one that is.
    load().catch(() => (loaded ? setLanguage(loaded.language) : setMissing(true)));
    return () => void (isOld = true);
  }, [language]);
  useLayoutEffect(() => {
    document.documentElement.lang = loaded?.language ?? "en";
  }, [loaded]);
  if (!loaded) return isMissing ? <Missing /> : null;
  const choose = (chosen: Language) => {
    localStorage.setItem(KEY, chosen);
    setLanguage(chosen);
  };
  const locale = navigator.languages.find((name) => name.startsWith(loaded.language) && isLocale(name)) ?? loaded.language;
  return <Context.Provider value={{ ...loaded, locale, choose }}>{children}</Context.Provider>;
}

/** Said in all languages, because none could be loaded. */
function Missing() {
  return (
    <main class="page">
      <h1>Fairgate</h1>
      <div class="notice notice-bad" role="alert">
        {languages.map((language) => (
          <p key={language} lang={language}>
            {LANGUAGES[language].missing}
          </p>
        ))}
        <button type="button" class="button" onClick={() => location.reload()}>
          {languages.map((language, place) => (
            <span key={language} lang={language}>
              {place > 0 && " · "}
              {LANGUAGES[language].again}
            </span>
          ))}
        </button>
      </div>
    </main>
  );
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
