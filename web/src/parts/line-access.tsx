/** What a waiting room asks of people who need an access code, and the appeal of people whom it refused. Loaded only there. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { buyer } from "../api";
import { content, type ApiFailure, type Schemas } from "../client";
import { withWork } from "../proof-of-work";
import { useTexts } from "../texts";
import type { accessTexts as en } from "../texts/en-access";
import { inEachLanguage } from "../texts/languages";
import { Failure, FailureTexts, Outcome } from "./failure";
import { Field, Form, Labelled } from "./form";
import { useLoaded } from "./hooks";

/** All languages are in this file, because they are smaller than a second request. */
const TEXTS = inEachLanguage(import.meta.glob<typeof en>("../texts/??-access.ts", { eager: true, import: "accessTexts" }));

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
            <Field name="code" label={texts.code} error={errorOf("code")} type="text" defaultValue={localStorage.getItem(key) ?? ""} autocomplete="off" autocapitalize="off" spellcheck={false} maxLength={64} required={!isOptional} />
          </>
        )}
      </Form>
    </FailureTexts.Provider>
  );
}

const MAX_TEXT = 1000;

interface AppealProps {
  eventId: string;
  /** What shows that the waiting room has refused this visitor; missing on a later visit. */
  refusal: string | undefined;
  /** The button that joins. */
  children: ComponentChildren;
}

/** The form with which somebody writes to the promoter, once; then the answer, and the button that joins if it was granted. */
export function Appeal({ eventId, refusal, children }: AppealProps) {
  const { language } = useTexts();
  const texts = TEXTS[language];
  const [isOpen, setOpen] = useState(false);
  const [isDone, setDone] = useState(localStorage.getItem(`fairgate.appeal.${eventId}`) !== null);
  const { value: appeal } = useLoaded(async () => (isDone ? showAppeal(eventId) : null), `${isDone}`);
  if (appeal) {
    return (
      <Outcome tone={appeal.status === "granted" ? "good" : "calm"} title={texts.status[appeal.status]}>
        {appeal.answer && <p>{appeal.answer}</p>}
        {appeal.status === "open" && <p>{texts.wait}</p>}
        {appeal.status === "granted" && children}
      </Outcome>
    );
  }
  if (isDone || !refusal) return null;
  if (!isOpen) {
    return (
      <p>
        <button type="button" class="link" onClick={() => setOpen(true)}>
          {texts.appeal}
        </button>
      </p>
    );
  }
  const submit = async ({ text }: Record<string, string>) => {
    await writeAppeal(eventId, { refusal, text: text! });
    localStorage.setItem(`fairgate.appeal.${eventId}`, "1"); // which `line-entry.tsx` reads
    setDone(true);
  };
  return (
    <FailureTexts.Provider value={texts.failures}>
      <Form onSubmit={submit} button={texts.send} isQuiet class="fields">
        {(errorOf) => (
          <Labelled label={texts.text} note={texts.note} error={errorOf("text")}>
            {(attributes) => <textarea {...attributes} name="text" rows={4} maxLength={MAX_TEXT} required />}
          </Labelled>
        )}
      </Form>
    </FailureTexts.Provider>
  );
}

/** Return the visitor's appeal. If it was granted, keep what `use-place.ts` needs to join. */
async function showAppeal(event_id: string) {
  const appeal = await content(buyer.GET("/events/{event_id}/waiting-room/appeal", { params: { path: { event_id } } }));
  if (appeal.address_proof) localStorage.setItem(`fairgate.address.${event_id}`, appeal.address_proof);
  return appeal;
}

const writeAppeal = (event_id: string, body: Schemas["AppealBody"]) =>
  withWork((work) => content(buyer.POST("/events/{event_id}/waiting-room/appeal", { params: { path: { event_id } }, body: { ...body, ...work } })));
