/** Form controls for the values of a draft (use-draft.ts). Each has the name of its API field, so that refusals find it. */

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { Labelled } from "../../parts/form";
import type { Values } from "../draft";

interface Common<V extends Values> {
  name: string & keyof V;
  label: string;
  note?: string;
  draft: { values: V; set: (changes: Partial<V>) => void };
  errorOf: (name: string) => string | null;
  disabled?: boolean;
}

interface TextProps<V extends Values> extends Common<V> {
  type?: "text" | "number" | "datetime-local" | "date" | "email" | "decimal" | "color";
  required?: boolean;
  maxLength?: number;
  min?: number;
  max?: number;
  placeholder?: string;
  beside?: ComponentChildren;
  list?: string;
}

export function TextField<V extends Values>({ name, label, note, draft, errorOf, type = "text", beside, ...input }: TextProps<V>) {
  return (
    <Labelled label={label} note={note} error={errorOf(name)} beside={beside}>
      {(attributes) => (
        <input
          {...attributes}
          {...input}
          name={name}
          type={type === "decimal" ? "text" : type}
          inputMode={type === "decimal" ? "decimal" : undefined}
          autocomplete="off"
          value={(draft.values[name] as string | undefined) ?? ""}
          onInput={({ currentTarget }) => draft.set({ [name]: currentTarget.value } as Partial<V>)}
        />
      )}
    </Labelled>
  );
}

export function AreaField<V extends Values>({ name, label, note, draft, errorOf, ...area }: Common<V> & { maxLength: number; rows: number }) {
  return (
    <Labelled label={label} note={note} error={errorOf(name)}>
      {(attributes) => (
        <textarea
          {...attributes}
          {...area}
          name={name}
          value={(draft.values[name] as string | undefined) ?? ""}
          onInput={({ currentTarget }) => draft.set({ [name]: currentTarget.value } as Partial<V>)}
        />
      )}
    </Labelled>
  );
}

export function SelectField<V extends Values>({ name, label, note, draft, errorOf, options, disabled }: Common<V> & { options: readonly (readonly [string, string])[] }) {
  return (
    <Labelled label={label} note={note} error={errorOf(name)}>
      {(attributes) => (
        <select
          {...attributes}
          name={name}
          disabled={disabled}
          value={draft.values[name] as string}
          onChange={({ currentTarget }) => draft.set({ [name]: currentTarget.value } as Partial<V>)}
        >
          {options.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Labelled>
  );
}

export function CheckField<V extends Values>({ name, label, note, draft, errorOf, disabled }: Omit<Common<V>, "errorOf"> & Partial<Pick<Common<V>, "errorOf">>) {
  const id = useId();
  const error = errorOf?.(name);
  return (
    <div>
      <label class="check">
        <input
          type="checkbox"
          name={name}
          disabled={disabled}
          aria-invalid={error ? true : undefined}
          aria-describedby={error ? `${id}-error` : undefined}
          checked={draft.values[name] as boolean}
          onChange={({ currentTarget }) => draft.set({ [name]: currentTarget.checked } as Partial<V>)}
        />
        {label}
      </label>
      {note && <p class="small">{note}</p>}
      {error && (
        <p class="field-error" id={`${id}-error`}>
          {error}
        </p>
      )}
    </div>
  );
}
