/** Reads a list of guests for complimentary tickets from a CSV file. */

import type { Schemas } from "../../client";
import { readLines } from "../parts/csv-file";

export type Guest = Schemas["ComplimentaryRow"];

/**
 * Return the rows of a CSV file whose first line names the columns `name`, `email` and `number`. Columns may be separated by commas,
 * semicolons or tabs. Without a number, a person gets one ticket. A row's id is its address and how often the address came before, so
 * that a longer file can be sent again. A file without these columns has no rows.
 */
export function readGuests(text: string): Guest[] {
  const [header = [], ...lines] = readLines(text.replace(/^\uFEFF/, ""));
  const columns = header.map((name) => name.trim().toLowerCase());
  const [name, email, number] = ["name", "email", "number"].map((column) => columns.indexOf(column)) as [number, number, number];
  if (name < 0 || email < 0) return [];
  const seen = new Map<string, number>();
  return lines.map((cells) => {
    const address = (cells[email] ?? "").trim();
    const key = address.toLowerCase();
    seen.set(key, (seen.get(key) ?? 0) + 1);
    return { id: `${key}#${seen.get(key)}`, name: (cells[name] ?? "").trim(), email: address, quantity: Number(cells[number]?.trim() || 1) };
  });
}
