/** The fields of one part of a form, as its table says (field-table.ts). */

import type { ComponentChildren } from "preact";
import type { Values } from "../draft";
import { useRoomTexts } from "../texts";
import type { FieldText, Row, Table } from "./field-table";
import { AreaField, CheckField, SelectField, TextField } from "./fields";

/** How a form changes a row with what it knows: `note` and `placeholder` in the page's language, the `options` of a choice. */
export interface RowChanges {
  place?: string;
  note?: string;
  placeholder?: string;
  disabled?: boolean;
  options?: readonly (readonly [string, string])[];
}

interface Props<V extends Values, T extends Table> {
  table: T;
  texts: Record<keyof T, FieldText>;
  place: string;
  draft: { values: V; set: (changes: Partial<V>) => void };
  errorOf: (name: string) => string | null;
  changes?: Record<string, RowChanges>;
}

export function TableFields<V extends Values, T extends Table>({ table, texts, place, draft, errorOf, changes = {} }: Props<V, T>) {
  const form = useRoomTexts("forms");
  const rows = Object.entries(table).filter(([name, row]) => (changes[name]?.place ?? row.place) === place);
  const field = ([name, row]: [string, Row]) => {
    const { place: _, options = [], ...changed } = changes[name] ?? {};
    const { label, note } = texts[name]!;
    const common = { draft, errorOf, name: name as string & keyof V, label: row.optional ? form.optional(label) : label, note, ...changed };
    const typed = { ...common, required: row.required };
    switch (row.kind) {
      case "check":
        return <CheckField key={name} {...common} />;
      case "area":
        return <AreaField key={name} {...common} maxLength={row.maxLength} rows={row.rows ?? 3} />;
      case "choice":
        return <SelectField key={name} {...common} options={options} />;
      case "number":
        return <TextField key={name} {...typed} type="number" min={row.min} max={row.max} />;
      case "time":
        return <TextField key={name} {...typed} type="datetime-local" />;
      default:
        return <TextField key={name} {...typed} type={row.kind === "price" ? "decimal" : "text"} maxLength={row.maxLength} />;
    }
  };
  const lines: ComponentChildren[] = [];
  for (let index = 0; index < rows.length; index += 1) {
    const [row, next] = [rows[index]!, rows[index + 1]];
    if (!row[1].half || !next?.[1].half) lines.push(field(row));
    else {
      lines.push(
        <div key={row[0]} class="pair">
          {field(row)}
          {field(next)}
        </div>,
      );
      index += 1;
    }
  }
  return <>{lines}</>;
}
