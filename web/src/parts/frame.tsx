/** The frame of every page of every entry: skip link, header, offline banner, language choice. */

import type { ComponentChildren } from "preact";
import { useLocation } from "preact-iso";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { isSlow as isShopSlow, onSlowness } from "../slowness";
import { languageName, useTexts, type Language } from "../texts";

const meta = (name: string) => document.querySelector<HTMLMetaElement>(`meta[name=${name}]`)?.content;
const legal = meta("legal") || "/legal"; // the setting FAIRGATE_LEGAL_URL
const mailbox = meta("mailbox"); // only in a local run (infra/local/mailbox.py)

interface FrameProps {
  /** The address of the link on the name. */
  home: string;
  /** The name of these pages beside the shop's; the shop itself has none. */
  product?: string;
  navigation: ComponentChildren;
  /** Content above the page, such as a note that the session has ended. */
  banner?: ComponentChildren;
  /** Whether the page itself explains a lost connection. */
  saysOffline?: boolean;
  children: ComponentChildren;
}

export function Frame({ home, product, navigation, banner, saysOffline = false, children }: FrameProps) {
  const { t, languages, wanted, missing, choose } = useTexts();
  const { path } = useLocation();
  const isOnline = useOnline();
  const isSlow = useSlowness();
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  // Screen readers start at the new page. This runs before painting, so that it does not steal focus after an early key press.
  useLayoutEffect(() => {
    if (!first.current) main.current?.focus({ preventScroll: true });
    first.current = false;
  }, [path]);
  useEffect(() => keepFocus(main.current!), []);
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
        {!product && <a href="/manage">{t.sellTickets}</a>}
        <a href={legal}>{t.legal}</a>
        {mailbox && (
          <a href={mailbox} target="_blank">
            {t.mailbox}
          </a>
        )}
        <label>
          <span>{t.language}</span>
          <select value={wanted} onChange={({ currentTarget }) => choose(currentTarget.value as Language)}>
            {languages.map((name) => (
              <option key={name} value={name} lang={name}>
                {languageName(name)}
              </option>
            ))}
          </select>
        </label>
        <p class="language-missing" role="status">
          {missing ? t.languageMissing(languageName(missing)) : ""}
        </p>
      </footer>
    </>
  );
}

/**
 * Return the focus when the focused element has lost it: to the element itself once it is no longer disabled, or to the page if the element
 * is gone. People who click beside all controls keep no focus.
 */
function keepFocus(main: HTMLElement) {
  let focused: HTMLElement | null = null;
  addEventListener("focusin", ({ target }) => (focused = target as HTMLElement));
  addEventListener("pointerdown", ({ target }) => focused?.contains(target as Node) || (focused = null));
  const restore = () => document.activeElement === document.body && focused && (focused.isConnected ? focused : main).focus({ preventScroll: true });
  new MutationObserver(restore).observe(document.body, { subtree: true, childList: true, attributeFilter: ["disabled"] });
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
