/**
 * The language of the pages: the chosen one, else the browser's, else English. Only that language is loaded: the texts shared by all pages,
 * and the texts of the entry's own pages.
 */

import { createContext, type ComponentChildren } from "preact";
import { useContext, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Texts } from "./en";

/** `missing` and `again` appear in all languages when no language could be loaded, so they are not in the files. */
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

/** Loaders for the texts of an entry's own pages: one file per language. */
export type InEachLanguage<Own> = Record<Language, () => Promise<Own>>;

interface Loaded<Own> {
  language: Language;
  t: Texts;
  /** The texts of the entry's own pages. The shop has none. */
  own: Own;
}

interface Choice<Own> extends Loaded<Own> {
  /** The browser's variant of the language for dates and amounts, such as en-GB. */
  locale: string;
  /** The language shown as chosen, which may still be loading. */
  wanted: Language;
  /** The chosen language, if it could not be loaded. */
  missing: Language | null;
  choose: (language: Language) => void;
}

const Context = createContext<Choice<unknown> | null>(null);

/** Use within `TextsProvider`, which renders nothing before the texts are loaded. `Own` is the type of the entry's texts. */
export const useTexts = <Own = unknown,>() => useContext(Context)! as Choice<Own>;
export const languageName = (language: Language) => LANGUAGES[language].name;

export function TextsProvider({ own, children }: { own?: InEachLanguage<unknown>; children: ComponentChildren }) {
  const [wanted, setWanted] = useState(preferred);
  const [loaded, setLoaded] = useState<Loaded<unknown> | null>(null);
  const [missing, setMissing] = useState<Language | null>(null);
  const latest = useRef(wanted); // the language wanted when a file arrives
  const show = async (language: Language, fallbacks: Language[]) => {
    latest.current = language;
    setWanted(language);
    const found = await loadFirst([language, ...fallbacks], own);
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
  // Offline, another language may be unavailable: the pages then stay in the current language, say so, and switch on the next load. Not
  // before, because browsers remember that a module could not be loaded.
  const choose = (language: Language) => {
    localStorage.setItem(KEY, language);
    void show(language, []);
  };
  const locale = navigator.languages.find((name) => name.startsWith(loaded.language) && isLocale(name)) ?? loaded.language;
  return <Context.Provider value={{ ...loaded, locale, wanted, missing, choose }}>{children}</Context.Provider>;
}

/** Load the first language that can be loaded completely; null if none can. */
async function loadFirst(candidates: Language[], own?: InEachLanguage<unknown>): Promise<Loaded<unknown> | null> {
  for (const language of candidates) {
    try {
      const [t, ownTexts] = await Promise.all([LANGUAGES[language].load(), own?.[language]()]);
      return { language, t, own: ownTexts };
    } catch {
      // The next language may be in the browser's cache, or stored for the door.
    }
  }
  return null;
}

/** The message in all languages, because none could be loaded. */
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

/** Some browsers list languages that they do not accept themselves, such as en-US@posix. */
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
