/** What surrounds every page: the way to the content, the name, the navigation, the language. */

import type { ComponentChildren } from "preact";
import { useLocation } from "preact-iso";
import { useEffect, useRef, useState } from "preact/hooks";
import { withNext } from "../pages/sign-in";
import { useBuyer } from "../session";
import { languages, nameOf, useTexts, type Language } from "../texts";

/** Pages that are no place to return to after signing in. */
const STARTING_POINTS = /^\/($|sign-in|register|forgot-password|verify-email|reset-password)/;
/** Pages that show nothing to a stranger. */
const PERSONAL = /^\/(tickets|orders|account)|\/checkout$/;

/** Pages that say in their own words what a lost network means. */
const SAYS_IT_ITSELF = /\/line$/;

export function Layout({ children }: { children: ComponentChildren }) {
  const { t, language, choose } = useTexts();
  const { path, url, route } = useLocation();
  const { buyer, hasEnded } = useBuyer();
  const isOnline = useOnline();
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  useEffect(() => {
    if (!first.current) main.current?.focus({ preventScroll: true }); // so that a screen reader begins at the new page
    first.current = false;
  }, [path]);
  const again = withNext("/sign-in", STARTING_POINTS.test(path) ? undefined : url);
  const mustSignIn = hasEnded && path !== "/sign-in";
  useEffect(() => {
    if (mustSignIn && PERSONAL.test(path)) route(again, true);
  }, [mustSignIn, path]);
  return (
    <>
      <a class="skip" href="#content">
        {t.skip}
      </a>
      <header class="top">
        <a class="brand" href="/">
          <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
            <path class="brand-gate" d="M4 3h24v26h-6V16a6 6 0 0 0-12 0v13H4z" />
            <circle class="brand-light" cx="16" cy="18" r="2.6" />
          </svg>
          Fairgate
        </a>
        <nav aria-label={t.nav.label}>
          <a href="/" aria-current={path === "/" ? "page" : undefined}>
            {t.nav.events}
          </a>
          <a href="/tickets" aria-current={path === "/tickets" ? "page" : undefined}>
            {t.nav.tickets}
          </a>
          {buyer ? (
            <a href="/account" aria-current={path === "/account" ? "page" : undefined}>
              {t.nav.account}
            </a>
          ) : (
            <a href={path === "/sign-in" ? url : again} aria-current={path === "/sign-in" ? "page" : undefined}>
              {t.signIn.title}
            </a>
          )}
        </nav>
      </header>
      {mustSignIn && (
        <p class="banner" role="status">
          {t.signIn.endedShort} <a href={again}>{t.signIn.again}</a>
        </p>
      )}
      {!isOnline && !SAYS_IT_ITSELF.test(path) && (
        <p class="banner" role="status">
          {t.offline}
        </p>
      )}
      <main id="content" tabIndex={-1} ref={main}>
        {children}
      </main>
      <footer class="bottom">
        <p>{t.footer}</p>
        <label>
          <span>{t.language}</span>
          <select value={language} onChange={({ currentTarget }) => choose(currentTarget.value as Language)}>
            {languages.map((name) => (
              <option key={name} value={name} lang={name}>
                {nameOf(name)}
              </option>
            ))}
          </select>
        </label>
      </footer>
    </>
  );
}

function useOnline(): boolean {
  const [isOnline, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const update = () => setOnline(navigator.onLine);
    addEventListener("online", update);
    addEventListener("offline", update);
    return () => (removeEventListener("online", update), removeEventListener("offline", update));
  }, []);
  return isOnline;
}
