/** A three-way merge of a form: the loaded values, the typed values, and the values that others saved in the meantime. A missing value is empty. */

export type Values = Record<string, string | boolean>;

/** A field that someone else changed. `mine` is set if this form changed it to something else. */
export interface TheirChange {
  field: string;
  before: string | boolean;
  theirs: string | boolean;
  mine?: string | boolean;
}

/** List the fields that others changed since `base` was loaded, in form order. The same change on both sides is not a conflict. */
export function theirChanges(base: Values, mine: Values, theirs: Values): TheirChange[] {
  return Object.keys({ ...theirs, ...base }).flatMap((field) => {
    const [before, typed, saved] = [base[field] ?? "", mine[field] ?? "", theirs[field] ?? ""];
    if (saved === before || saved === typed) return [];
    return [{ field, before, theirs: saved, ...(typed !== before && { mine: typed }) }];
  });
}

/** Merge the values: what was typed, and their values where nothing was typed. */
export function merge(base: Values, mine: Values, theirs: Values): Values {
  const merged = (field: string) => (mine[field] ?? "") === (base[field] ?? "") ? theirs[field] : mine[field];
  return Object.fromEntries(Object.keys({ ...theirs, ...mine }).map((field) => [field, merged(field) ?? ""]));
}

export function isSame(one: Values, other: Values): boolean {
  return Object.keys({ ...one, ...other }).every((field) => (one[field] ?? "") === (other[field] ?? ""));
}

/** Return the entries of `after` that differ from `before`. */
export function differences<T extends object>(before: T, after: T): Partial<T> {
  const changed = Object.entries(after).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name as keyof T]));
  return Object.fromEntries(changed) as Partial<T>;
}
