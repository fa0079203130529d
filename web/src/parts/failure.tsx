/** Shows a failure in plain words: what it means, what to do, and the request id for support. */

import { createContext, type ComponentChildren } from "preact";
import { useContext } from "preact/hooks";
import type { ApiFailure } from "../client";
import { useTexts } from "../texts";

/** Texts for errors that only the pages of an entry or a part of a page meet, by error code. They replace the shared texts. */
export const FailureTexts = createContext<Record<string, string>>({});

/** The text for an error code; null if only the API's own message exists. */
export function useFailureText(): (code: string) => string | null {
  const { t } = useTexts();
  const more = useContext(FailureTexts);
  return (code) => more[code] ?? t.failure.codes[code] ?? null;
}

/** The text for the validation rule that a field broke; null if the API did not name one. */
export function useRuleText(): (failure: ApiFailure) => string | null {
  const { t } = useTexts();
  const more = useContext(FailureTexts);
  return ({ details: { rule, limit } }) => t.form.rules[String(rule)]?.(Number(limit)) ?? more[String(rule)] ?? null;
}

export function Failure({ failure, retry }: { failure: ApiFailure; retry?: () => void }) {
  const { t, language } = useTexts();
  const failureText = useFailureText();
  const ruleText = useRuleText();
  const known = failureText(failure.code);
  const theirs = failure.status < 500 && language === "en" ? failure.message : ""; // the API's messages are in English
  return (
    <div class="notice notice-bad" role="alert">
      <p class="notice-title">{t.failure.title}</p>
      <p>{known || theirs || ruleText(failure) || (failure.code === "invalid_input" ? t.form.invalid : failureText("unexpected"))}</p>
      {failure.requestId && (!known || failure.status >= 500) && <p class="small">{t.requestId(failure.requestId)}</p>}
      {retry && (
        <button type="button" class="button button-quiet" onClick={retry}>
          {t.retry}
        </button>
      )}
    </div>
  );
}

/** An important state of a page: a title, a sentence, and a next step. */
export function Outcome({ tone, title, children }: { tone: "good" | "calm" | "bad"; title: string; children: ComponentChildren }) {
  return (
    <section class={`outcome outcome-${tone}`} role="status">
      <h2>{title}</h2>
      {children}
    </section>
  );
}

/** Links for pages with nothing to offer. */
export function OtherWays() {
  const { t } = useTexts();
  return (
    <p class="row">
      <a href="/tickets">{t.nav.tickets}</a>
      <a href="/">{t.allEvents}</a>
    </p>
  );
}

export function Skeleton({ lines }: { lines: number }) {
  const { t } = useTexts();
  return (
    <div class="skeleton" role="status">
      <span class="hidden">{t.loading}</span>
      {Array.from({ length: lines }, (_, index) => (
        <span class="skeleton-line" key={index} />
      ))}
    </div>
  );
}
