/**
 * The language of the pages: the chosen one, else the browser's, else English. Only that language is loaded: the texts shared by all pages,
 * and the texts of the entry's own pages.
 */

import { createContext, render, type ComponentChildren } from "preact";
import { useContext, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Texts } from "./en";
import type { languageTexts } from "./en-language";
import { inEachLanguage, type Language } from "./languages";

const LANGUAGES = inEachLanguage(import.meta.glob<typeof languageTexts>("./??-language.ts", { eager: true, import: "languageTexts" }));
const LOADERS = inEachLanguage(import.meta.glob<Record<string, Texts>>("./??.ts"));
const DEFAULT = "en";
const KEY = "fairgate.language";

export type { Language };
const all = Object.keys(LANGUAGES) as Language[];
/** The languages of the shop, including languages that an entry's own pages lack. */
export const LANGUAGE_CODES = all;

/** Loaders for the texts of an entry's own pages: one file per language, which exports them under the name of the language. A language without a file is not offered on these pages. */
type OwnLoaders = Partial<Record<Language, () => Promise<Record<string, unknown>>>>;

interface Loaded<Own> {
  language: Language;
  t: Texts;
  /** The texts of the entry's own pages. The shop has none. */
  own: Own;
}

interface Choice<Own> extends Loaded<Own> {
  /** The languages that these pages have. */
  languages: Language[];
  /** The browser's variant of the language for dates and amounts, such as en-GB. */
  locale: string;
  /** The language shown as chosen, which may still be loading. */
  wanted: Language;
  /** The chosen language, if it could not be loaded. */
  missing: Language | null;
  choose: (language: Language) => void;
}

const Context = createContext<Choice<unknown> | null>(null);

/** Use within the pages that `start` shows. `Own` is the type of the entry's texts. */
export const useTexts = <Own = unknown,>() => useContext(Context)! as Choice<Own>;
export const languageName = (language: Language) => LANGUAGES[language].name;

/** Show the pages in the document once their texts are loaded. Until then, the document keeps the words that it arrived with. */
export async function start(pages: ComponentChildren, own?: OwnLoaders) {
  const languages = own ? all.filter((language) => language in own) : all;
  const wanted = preferred(languages);
  const first = await loadFirst([wanted, DEFAULT, ...languages], own);
  const shown = first ? <TextsProvider first={first} languages={languages} missing={first.language === wanted ? null : wanted} own={own} children={pages} /> : <Missing />;
  render(shown, document.getElementById("app")!);
}

interface ProviderProps {
  first: Loaded<unknown>;
  languages: Language[];
  /** The wanted language, if `first` is another one. */
  missing: Language | null;
  own: OwnLoaders | undefined;
  children: ComponentChildren;
}

function TextsProvider({ first, languages, missing: firstMissing, own, children }: ProviderProps) {
  const [loaded, setLoaded] = useState(first);
  const [wanted, setWanted] = useState(loaded.language);
  const [missing, setMissing] = useState(firstMissing);
  const latest = useRef(wanted); // the language wanted when a file arrives
  const show = async (language: Language) => {
    latest.current = language;
    setWanted(language);
    const found = await loadFirst([language], own);
    if (latest.current !== language) return;
    if (found) setLoaded(found);
    setMissing(found ? null : language);
    setWanted(found?.language ?? loaded.language);
  };
  useLayoutEffect(() => {
    document.documentElement.lang = loaded.language;
    document.documentElement.dir = LANGUAGES[loaded.language].dir ?? "ltr";
  }, [loaded]);
  // Offline, another language may be unavailable: the pages then stay in the current language, say so, and switch on the next load. They
  // cannot switch earlier, because a browser does not retry a module that it could not load.
  const choose = (language: Language) => {
    localStorage.setItem(KEY, language);
    void show(language);
  };
  const locale = navigator.languages.find((name) => name.startsWith(loaded.language) && isLocale(name)) ?? loaded.language;
  return <Context.Provider value={{ ...loaded, languages, locale, wanted, missing, choose }}>{children}</Context.Provider>;
}

/** Load the first language that can be loaded completely; null if none can. */
async function loadFirst(candidates: Language[], own?: OwnLoaders): Promise<Loaded<unknown> | null> {
  for (const language of candidates) {
    try {
      const [t, ownTexts] = await Promise.all([LOADERS[language](), own?.[language]?.()]);
      return { language, t: t[language]!, own: ownTexts?.[language] };
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
        {all.map((language) => (
          <p key={language} lang={language}>
            {LANGUAGES[language].missing}
          </p>
        ))}
        <button type="button" class="button" onClick={() => location.reload()}>
          {all.map((language, place) => (
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

function preferred(languages: Language[]): Language {
  const wanted = [localStorage.getItem(KEY), ...navigator.languages].map((name) => name?.slice(0, 2));
  return languages.find((language) => language === wanted.find((name) => languages.some((known) => known === name))) ?? DEFAULT;
}
