/**
 * The language of the pages: the one that the person chose, else the browser's, else English. Only that one is loaded: the texts that all pages
 * share, and those of the entry's own pages.
 */

import { createContext, type ComponentChildren } from "preact";
import { useContext, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Texts } from "./en";

/** `missing` and `again` are said in all languages when none could be loaded, so they are not in the files. */
const LANGUAGES = {
  en: {
    name: "English",
    load: async () => (await import("./en")).en,
    missing: "This page did not load completely. Check your connection and reload.",
    again: "Reload",
  },
  es: {
    name: "Español",
    load: async () => (await import("./es")).es,
    missing: "La página no se ha cargado por completo. Comprueba tu conexión y vuelve a cargarla.",
    again: "Volver a cargar",
  },
};
const KEY = "fairgate.language";

export type Language = keyof typeof LANGUAGES;
export const languages = Object.keys(LANGUAGES) as Language[];

/** How the texts of an entry's own pages are loaded: a file for each language. */
export type InEachLanguage<Own> = Record<Language, () => Promise<Own>>;

interface Loaded<Own> {
  language: Language;
  t: Texts;
  /** The texts of the entry's own pages; the shop has none. */
  own: Own;
}

interface Choice<Own> extends Loaded<Own> {
  /** For dates and amounts: the browser's own form of the language, such as en-GB. */
  locale: string;
  /** The language that is shown as chosen: another one while it is being loaded. */
  wanted: Language;
  /** The language that was asked for and could not be loaded, if any. */
  missing: Language | null;
  choose: (language: Language) => void;
}

const Context = createContext<Choice<unknown> | null>(null);

/** Within `TextsProvider`, which draws nothing before the texts are there. `Own` are the texts that the entry gave it. */
export const useTexts = <Own = unknown,>() => useContext(Context)! as Choice<Own>;
export const nameOf = (language: Language) => LANGUAGES[language].name;

export function TextsProvider({ own, children }: { own?: InEachLanguage<unknown>; children: ComponentChildren }) {
  const [wanted, setWanted] = useState(preferred);
  const [loaded, setLoaded] = useState<Loaded<unknown> | null>(null);
  const [missing, setMissing] = useState<Language | null>(null);
  const latest = useRef(wanted); // what is asked for by the time that a file has arrived
  const show = async (language: Language, insteadOfIt: Language[]) => {
    latest.current = language;
    setWanted(language);
    const found = await loadFirst([language, ...insteadOfIt], own);
    if (latest.current !== language) return;
    if (found) setLoaded(found);
    setMissing(found?.language === language ? null : language);
    setWanted(found?.language ?? loaded?.language ?? language);
  };
  useLayoutEffect(() => {
    void show(
      wanted,
      languages.filter((language) => language !== wanted),
    );
  }, []);
  useLayoutEffect(() => {
    document.documentElement.lang = loaded?.language ?? "en";
  }, [loaded]);
  if (!loaded) return missing ? <Missing /> : null;
  // Without a network another language may not be there: then the pages go on in the one that is, say so, and take the other one when they are
  // loaded again. Not before: browsers remember that a module could not be loaded.
  const choose = (language: Language) => {
    localStorage.setItem(KEY, language);
    void show(language, []);
  };
  const locale = navigator.languages.find((name) => name.startsWith(loaded.language) && isLocale(name)) ?? loaded.language;
  return <Context.Provider value={{ ...loaded, locale, wanted, missing, choose }}>{children}</Context.Provider>;
}

/** The first of the languages that can be loaded completely; null if none can. */
async function loadFirst(candidates: Language[], own?: InEachLanguage<unknown>): Promise<Loaded<unknown> | null> {
  for (const language of candidates) {
    try {
      const [t, ofEntry] = await Promise.all([LANGUAGES[language].load(), own?.[language]()]);
      return { language, t, own: ofEntry };
    } catch {
      // The next one may be in the browser's cache, or kept for the door.
    }
  }
  return null;
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
