/** Account forms: labelled fields with their errors, passwords that can be shown, and one submission at a time. */

import type { ComponentChildren, ComponentProps } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { useTexts } from "../texts";
import { Failure, useFailureText, useRuleText } from "./failure";
import { useAction } from "./hooks";

/** The invalid field for error codes of the API that do not name one. */
const FIELD_OF_CODE: Record<string, string> = { wrong_password: "current_password" };

interface FormProps {
  /** Handles the fields. If it fails, the form shows the reason and keeps the input. */
  onSubmit: (fields: Record<string, string>) => Promise<void>;
  button: string;
  /** The form is not the page's main action. */
  isQuiet?: boolean;
  class?: string;
  /** Renders the fields, given a function that returns the error of a field. */
  children: (errorOf: (name: string) => string | null, isWorking: boolean) => ComponentChildren;
}

export function Form({ onSubmit, button, isQuiet, children, class: look = "panel" }: FormProps) {
  const { t, language } = useTexts();
  const textOf = useFailureText();
  const ruleOf = useRuleText();
  const { isWorking, failure, run } = useAction();
  const form = useRef<HTMLFormElement>(null);
  const named = failure && (FIELD_OF_CODE[failure.code] ?? String(failure.details.path ?? "").replace("$.", ""));
  const atFault = named && form.current?.elements.namedItem(named) ? named : null;
  useEffect(() => {
    if (atFault) (form.current!.elements.namedItem(atFault) as HTMLInputElement).focus();
  }, [failure]);
  const errorOf = (name: string) => {
    if (name !== atFault) return null;
    return textOf(failure!.code) ?? ruleOf(failure!) ?? (language === "en" ? failure!.message : t.form.invalid);
  };
  const submit = (submitted: SubmitEvent) => {
    submitted.preventDefault();
    const fields = Object.fromEntries(new FormData(form.current!)) as Record<string, string>;
    run(() => onSubmit(fields));
  };
  return (
    <form class={`form ${look}`} ref={form} onSubmit={submit}>
      {children(errorOf, isWorking)}
      {failure && !atFault && <Failure failure={failure} />}
      <button type="submit" class={isQuiet ? "button button-quiet" : "button"} disabled={isWorking}>
        {isWorking ? t.checkout.working : button}
      </button>
    </form>
  );
}

interface FieldProps {
  name: string;
  label: string;
  note?: string;
  error: string | null;
  type: "text" | "email" | "tel" | "password";
  autocomplete: "off" | "username" | "email" | "current-password" | "new-password" | "one-time-code" | "given-name" | "family-name" | "organization" | "tel";
  autocapitalize?: "off";
  spellcheck?: boolean;
  inputmode?: "numeric";
  minLength?: number;
  maxLength: number;
  required?: boolean;
  value?: string;
  defaultValue?: string;
  onInput?: (event: { currentTarget: HTMLInputElement }) => void;
  /** Content beside the input. */
  children?: ComponentChildren;
}

export function Field({ label, note, error, children, ...input }: FieldProps) {
  return (
    <Labelled label={label} note={note} error={error} beside={children}>
      {(attributes) => <input {...attributes} {...(input as ComponentProps<"input">)} />}
    </Labelled>
  );
}

interface LabelledProps {
  label: string;
  note?: string;
  error: string | null;
  /** Content beside the control. */
  beside?: ComponentChildren;
  /** Renders the control with the attributes that link it to its label, note and error. */
  children: (attributes: { id: string; "aria-invalid"?: true; "aria-describedby"?: string }) => ComponentChildren;
}

/** Any control with its label, a note and its error. */
export function Labelled({ label, note, error, beside, children }: LabelledProps) {
  const id = useId();
  const describedBy = [note && `${id}-note`, error && `${id}-error`].filter(Boolean).join(" ");
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div class="field-row">
        {children({ id, "aria-invalid": error ? true : undefined, "aria-describedby": describedBy || undefined })}
        {beside}
      </div>
      {note && (
        <p class="small" id={`${id}-note`}>
          {note}
        </p>
      )}
      {error && (
        <p class="field-error" id={`${id}-error`}>
          {error}
        </p>
      )}
    </div>
  );
}

interface PasswordProps {
  name?: string;
  label: string;
  isNew?: boolean;
  error: string | null;
}

export function PasswordField({ name = "password", label, isNew = false, error }: PasswordProps) {
  const { t } = useTexts();
  const [isShown, setShown] = useState(false);
  const verb = isShown ? t.form.hide : t.form.show;
  return (
    <Field
      name={name}
      label={label}
      note={isNew ? t.form.passwordNote : undefined}
      error={error}
      type={isShown ? "text" : "password"}
      autocomplete={isNew ? "new-password" : "current-password"}
      autocapitalize="off"
      spellcheck={false}
      minLength={isNew ? 12 : undefined}
      maxLength={128}
      required
    >
      <button type="button" class="link" aria-label={`${verb}: ${label}`} onClick={() => setShown(!isShown)}>
        {verb}
      </button>
    </Field>
  );
}

interface EmailProps {
  label?: string;
  value: string;
  onValue: (value: string) => void;
  error: string | null;
}

/** The address of a person. */
export function EmailField({ label, value, onValue, error }: EmailProps) {
  const { t } = useTexts();
  return (
    <Field
      name="email"
      label={label ?? t.form.email}
      error={error}
      type="email"
      autocomplete="username"
      autocapitalize="off"
      maxLength={254}
      required
      value={value}
      onInput={({ currentTarget }) => onValue(currentTarget.value)}
    />
  );
}
