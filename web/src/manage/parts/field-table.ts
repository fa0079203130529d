/** Forms as tables: a row per field says how the field is typed and limited. Its values in the form and in the API follow. */

import { fromLocal, toLocal } from "../zoned-time";

/** The name of a field, and a note below it (texts/en/fields.ts). */
export interface FieldText {
  label: string;
  note?: string;
}

/** `place`: the part of the form. Two `half` rows in a row share a line. `optional`: the label says that the field may stay empty. */
interface Common {
  place: string;
  half?: true;
  required?: true;
  optional?: true;
}

/** An empty text is sent as null if it is `nullable`. A `price` is converted by its form, because it depends on the currency. */
export type Row = Common &
  (
    | { kind: "text" | "area"; maxLength: number; rows?: number; nullable?: true }
    | { kind: "price"; maxLength: number }
    | { kind: "number"; min: number; max: number }
    | { kind: "choice"; nullable?: true }
    | { kind: "time" | "check" }
  );

export type Table = Record<string, Row>;

/** The values in the form: numbers as typed, times local to the event. */
export type ValuesOf<T extends Table> = { [name in keyof T]: T[name]["kind"] extends "check" ? boolean : string };

type Sent<R extends Row> = R["kind"] extends "check"
  ? boolean
  : R["kind"] extends "number"
    ? R extends { required: true }
      ? number
      : number | null
    : R extends { nullable: true } | { kind: "time" }
      ? string | null
      : string;

/** The values for the API, without prices. */
export type FieldsOf<T extends Table> = { [name in keyof T as T[name]["kind"] extends "price" ? never : name]: Sent<T[name]> };

type ApiValue = string | number | boolean | null | undefined;

export function emptyValues<T extends Table>(table: T): ValuesOf<T> {
  return convert(table, ({ kind }) => (kind === "check" ? false : "")) as ValuesOf<T>;
}

export function toValues<T extends Table>(table: T, entry: { [name in keyof T]?: ApiValue }, timezone: string): ValuesOf<T> {
  return convert(table, ({ kind }, name) => {
    const value = entry[name];
    if (kind === "check") return value === true;
    return kind === "time" ? toLocal(value as string | null, timezone) : String(value ?? "");
  }) as ValuesOf<T>;
}

export function toFields<T extends Table>(table: T, values: ValuesOf<T>, timezone: string): FieldsOf<T> {
  return convert(table, (row, name) => {
    const value = values[name]!;
    if (typeof value === "boolean") return value;
    if (row.kind === "price") return undefined;
    if (row.kind === "time") return fromLocal(value, timezone);
    const typed = value.trim();
    if (row.kind === "number") return typed === "" ? (row.required ? row.min : null) : Number(typed);
    return typed === "" && "nullable" in row ? null : typed;
  }) as FieldsOf<T>;
}

export function labels(...texts: Record<string, FieldText>[]): Record<string, string> {
  return Object.fromEntries(texts.flatMap(Object.entries).map(([name, { label }]: [string, FieldText]) => [name, label]));
}

function convert<T extends Table>(table: T, value: (row: Row, name: keyof T) => unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(table).map(([name, row]) => [name, value(row, name)]));
}
