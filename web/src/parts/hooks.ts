/** Shared hooks of the pages: load, refresh, tick, set the title and the colors, store values. */

import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { ApiFailure, type EventWithTiers } from "../api";
import { now } from "../server-time";
import { useTexts } from "../texts";

export interface Loaded<T> {
  value: T | null;
  failure: ApiFailure | null;
  reload: () => Promise<void>;
}

/**
 * Load once per `key`, and with `everySeconds` repeatedly while the page is visible, unless the reply was a 404. After a failure, the old
 * value stays. The first page of a visit may have arrived with the API's reply for the page `path`, which is shown until `load` has finished.
 */
export function useLoaded<T>(load: () => Promise<T>, key: string, everySeconds?: number, path?: string): Loaded<T> {
  const [state, setState] = useState<{ key: string; value: T | null; failure: ApiFailure | null }>(() => ({ key, ...arrived<T>(path) }));
  const latest = useRef({ load, key });
  latest.current = { load, key };
  const reload = useCallback(async () => {
    try {
      const value = await latest.current.load();
      if (latest.current.key === key) setState({ key, value, failure: null }); // a late reply must not replace the reply for a newer key
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error;
      if (latest.current.key === key) setState((before) => ({ key, value: before.key === key ? before.value : null, failure: error }));
    }
  }, [key]);
  useEffect(() => void reload(), [reload]);
  const isMissing = state.key === key && !state.value && state.failure?.status === 404;
  const seconds = isMissing ? undefined : everySeconds;
  useEffect(() => {
    const refresh = () => document.visibilityState === "visible" && void reload();
    const timer = seconds ? setInterval(refresh, 1000 * seconds * (0.8 + 0.4 * Math.random())) : undefined;
    addEventListener("online", refresh);
    if (seconds) document.addEventListener("visibilitychange", refresh);
    return () => {
      clearInterval(timer);
      removeEventListener("online", refresh);
      document.removeEventListener("visibilitychange", refresh);
    };
  }, [reload, seconds]);
  return state.key === key ? { ...state, reload } : { value: null, failure: null, reload };
}

/**
 * Like `useLoaded`, for data with promoters' texts: load again when the reader chooses another language, and show the old texts until then.
 * After a 404, nothing is loaded again. The document's own reply counts only if it arrived in the language of the page.
 */
export function useTranslated<T>(load: () => Promise<T>, key: string, everySeconds?: number, path?: string): Loaded<T> {
  const { language } = useTexts();
  const shown = useRef(language);
  const loaded = useLoaded(load, key, everySeconds, language === document.documentElement.lang ? path : undefined);
  useEffect(() => {
    if (shown.current !== language && loaded.failure?.status !== 404) void loaded.reload();
    shown.current = language;
  }, [language]);
  return loaded;
}

/** The reply in the document (chalicelib/catalog/pages.py), if it is for the page `path`; null in it means that nothing is there. Returned once. */
function arrived<T>(path: string | undefined): { value: T | null; failure: ApiFailure | null } {
  const block = document.getElementById("reply");
  if (!block || block.dataset.path !== path) return { value: null, failure: null };
  block.remove();
  const value: T | null = JSON.parse(block.textContent!);
  return { value, failure: value === null ? new ApiFailure("not_found", 404, "", null) : null };
}

/** The server's time in epoch seconds, updated every second. */
export function useNow(): number {
  const [time, setTime] = useState(now);
  useEffect(() => {
    const timer = setInterval(() => setTime(now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return time;
}

export function useTitle(title: string | null | undefined): void {
  useEffect(() => {
    document.title = title ? `${title} · Fairgate` : "Fairgate";
  }, [title]);
}

/** A value of this tab that survives reloads. */
export function useKept<T>(key: string, initial: T): [T, (value: T) => void] {
  const [value, setValue] = useState<T>(() => JSON.parse(sessionStorage.getItem(key) ?? "null") ?? initial);
  const keep = (changed: T) => {
    sessionStorage.setItem(key, JSON.stringify(changed));
    setValue(changed);
  };
  return [value, keep];
}

/** Run one action at a time: a second click during an action does nothing. */
export function useAction(): { isWorking: boolean; failure: ApiFailure | null; run: (action: () => Promise<void>) => void } {
  const busy = useRef(false);
  const [isWorking, setWorking] = useState(false);
  const [failure, setFailure] = useState<ApiFailure | null>(null);
  const run = async (action: () => Promise<void>) => {
    if (busy.current) return;
    busy.current = true;
    setWorking(true);
    setFailure(null);
    try {
      await action();
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error;
      setFailure(error);
    } finally {
      busy.current = false;
      setWorking(false);
    }
  };
  return { isWorking, failure, run: (action) => void run(action) };
}

/** Focus a heading when it appears, because the button that led to it has gone. */
export function takeFocus(heading: HTMLElement | null) {
  heading?.focus();
}

/** Give the buttons and links of the page the colors of the event's promoter, until the page is left. The frame around it stays the shop's. */
export function useBrand(brand: EventWithTiers["brand"] | undefined) {
  useLayoutEffect(() => {
    const { style } = document.querySelector("main")!;
    if (brand?.color) style.cssText = `--own-color:${brand.color};--own-dark-color:${brand.dark_color}`;
    return () => (style.cssText = "");
  }, [brand]);
}
