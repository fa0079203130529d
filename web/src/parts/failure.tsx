/** A failure in plain words: what it means, what to do, and the request id, which support needs. */

import { createContext, type ComponentChildren } from "preact";
import { useContext } from "preact/hooks";
import type { ApiFailure } from "../client";
import { useTexts } from "../texts";

/** What an entry says about refusals that only its pages meet, by their codes. */
export const FailureTexts = createContext<Record<string, string>>({});

/** What is said about a refusal with this code; null if there is nothing but the API's own words. */
export function useFailureText(): (code: string) => string | null {
  const { t } = useTexts();
  const more = useContext(FailureTexts);
  return (code) => more[code] ?? t.failure.codes[code] ?? null;
}

/** What is said about the rule that a field has broken, at the field; null if the API has not named it. */
export function useRuleText(): (failure: ApiFailure) => string | null {
  const { t } = useTexts();
  const more = useContext(FailureTexts);
  return ({ details: { rule, limit } }) => t.form.rules[String(rule)]?.(Number(limit)) ?? more[String(rule)] ?? null;
}

export function Failure({ failure, retry }: { failure: ApiFailure; retry?: () => void }) {
  const { t, language } = useTexts();
  const textOf = useFailureText();
  const ruleOf = useRuleText();
  const known = textOf(failure.code);
  const theirs = failure.status < 500 && language === "en" ? failure.message : ""; // the API's messages are in English
  return (
    <div class="notice notice-bad" role="alert">
      <p class="notice-title">{t.failure.title}</p>
      <p>{known || theirs || ruleOf(failure) || (failure.code === "invalid_input" ? t.form.invalid : textOf("unexpected"))}</p>
      {failure.requestId && (!known || failure.status >= 500) && <p class="small">{t.requestId(failure.requestId)}</p>}
      {retry && (
        <button type="button" class="button button-quiet" onClick={retry}>
          {t.retry}
        </button>
      )}
    </div>
  );
}

/** A state with a designed place of its own: a title, a sentence, a way on. */
export function Outcome({ tone, title, children }: { tone: "good" | "calm" | "bad"; title: string; children: ComponentChildren }) {
  return (
    <section class={`outcome outcome-${tone}`} role="status">
      <h2>{title}</h2>
      {children}
    </section>
  );
}

/** Where to go on from a page that has nothing to offer. */
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
