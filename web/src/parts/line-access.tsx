/** What a waiting room asks of people who need an access code. Loaded only there. */

import type { ApiFailure } from "../client";
import { useTexts, type Language } from "../texts";
import { accessTexts as en } from "../texts/en-access";
import { accessTexts as es } from "../texts/es-access";
import { Failure, FailureTexts } from "./failure";
import { Field, Form } from "./form";

/** Both languages are in this file, because one is smaller than a second request. */
const TEXTS: Record<Language, typeof en> = { en, es };

interface Props {
  eventId: string;
  failure: ApiFailure | null;
  /** Whether the visitor has an account, which may have joined in another browser. */
  isOptional: boolean;
  enter: () => void;
}

export function AccessCode({ eventId, failure, isOptional, enter }: Props) {
  const { t, language } = useTexts();
  const texts = TEXTS[language];
  const key = `fairgate.access.${eventId}`; // which `use-place.ts` reads
  const submit = async ({ code }: Record<string, string>) => {
    localStorage.setItem(key, code!.trim());
    enter();
  };
  const reason = String(failure?.details.reason);
  return (
    <FailureTexts.Provider value={{ ...texts.failures, entry_refused: texts.refused[reason] ?? "" }}>
      {failure && <Failure failure={failure} />}
      <Form onSubmit={submit} button={t.line.join} class="fields">
        {(errorOf) => (
          <>
            <p>
              {texts.intro} {isOptional && texts.joined}
            </p>
            <Field name="code" label={texts.code} error={errorOf("code")} type="text" value={localStorage.getItem(key) ?? ""} autocomplete="off" autocapitalize="off" spellcheck={false} maxLength={64} required={!isOptional} />
          </>
        )}
      </Form>
    </FailureTexts.Provider>
  );
}
