/** What surrounds every page of every entry: the way to the content, the name, a lost network, the language. */

import type { ComponentChildren } from "preact";
import { useLocation } from "preact-iso";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { isSlow as isShopSlow, onSlowness } from "../slowness";
import { languages, nameOf, useTexts, type Language } from "../texts";

interface FrameProps {
  /** Where the name leads, and what stands beside it. */
  home: string;
  product?: string;
  navigation: ComponentChildren;
  /** What stands above the page, such as a session that has ended. */
  banner?: ComponentChildren;
  /** Whether the page says in its own words what a lost network means. */
  saysOffline?: boolean;
  children: ComponentChildren;
}

export function Frame({ home, product, navigation, banner, saysOffline = false, children }: FrameProps) {
  const { t, wanted, missing, choose } = useTexts();
  const { path } = useLocation();
  const isOnline = useOnline();
  const isSlow = useSlowness();
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  // So that a screen reader begins at the new page; before it is painted, because a key that is pressed at once shall not be taken back.
  useLayoutEffect(() => {
    if (!first.current) main.current?.focus({ preventScroll: true });
    first.current = false;
  }, [path]);
  return (
    <>
      <a class="skip" href="#content">
        {t.skip}
      </a>
      <header class="top">
        <a class="brand" href={home}>
          <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
            <path class="brand-gate" d="M4 3h24v26h-6V16a6 6 0 0 0-12 0v13H4z" />
            <circle class="brand-light" cx="16" cy="18" r="2.6" />
          </svg>
          Fairgate
          {product && <span class="brand-product">{product}</span>}
        </a>
        {navigation}
      </header>
      {banner}
      {!isOnline && !saysOffline && (
        <p class="banner" role="status">
          {t.offline}
        </p>
      )}
      <p class="slow" role="status">
        {isSlow ? t.slow : ""}
      </p>
      <main id="content" tabIndex={-1} ref={main}>
        {children}
      </main>
      <footer class="bottom">
        <p>{t.footer}</p>
        <label>
          <span>{t.language}</span>
          <select value={wanted} onChange={({ currentTarget }) => choose(currentTarget.value as Language)}>
            {languages.map((name) => (
              <option key={name} value={name} lang={name}>
                {nameOf(name)}
              </option>
            ))}
          </select>
        </label>
        <p class="language-missing" role="status">
          {missing ? t.languageMissing(nameOf(missing)) : ""}
        </p>
      </footer>
    </>
  );
}

function useSlowness(): boolean {
  const [value, setValue] = useState(isShopSlow);
  useEffect(() => onSlowness(() => setValue(isShopSlow())), []);
  return value;
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
