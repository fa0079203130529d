/** The part of a form for texts in other languages. Each of its fields has the name of the API's field: `names.es`. */

import { languageName, LANGUAGE_CODES, type Language } from "../../texts";
import type { Values } from "../draft";
import { useRoomTexts } from "../texts";
import { AreaField, TextField } from "./fields";

/** A text of the form that may have other languages: `rows` makes it an area. */
export interface OtherText {
  label: string;
  maxLength: number;
  rows?: number;
}

export const otherLabels = (texts: Record<string, OtherText>) =>
  Object.fromEntries(Object.entries(texts).flatMap(([map, { label }]) => LANGUAGE_CODES.map((code) => [`${map}.${code}`, `${label}, ${languageName(code)}`])));

interface Props<V extends Values> {
  texts: Record<string, OtherText>;
  draft: { values: V; set: (changes: Partial<V>) => void };
  errorOf: (name: string) => string | null;
}

export function OtherLanguages<V extends Values>({ texts, draft, errorOf }: Props<V>) {
  const own = useRoomTexts("forms");
  const labels = otherLabels(texts);
  const names = Object.keys(labels);
  const field = (map: string, code: Language) => {
    const { rows, maxLength } = texts[map]!;
    const name = `${map}.${code}`;
    const common = { name, label: labels[name]!, draft, errorOf, maxLength };
    return rows ? <AreaField key={name} {...common} rows={rows} /> : <TextField key={name} {...common} />;
  };
  return (
    <details class="more" open={names.some((name) => errorOf(name) !== null)}>
      <summary>{own.otherLanguages}</summary>
      <div class="fields">
        <p class="small">{own.otherLanguagesNote}</p>
        {LANGUAGE_CODES.flatMap((code) => Object.keys(texts).map((map) => field(map, code)))}
      </div>
    </details>
  );
}
