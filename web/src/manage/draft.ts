/** What somebody types into a form beside what others have saved meanwhile: three versions of the same fields. */

export type Values = Record<string, string | boolean>;

/** A field that somebody else has changed. `mine` is there if it was changed here too, to something else. */
export interface TheirChange {
  field: string;
  before: string | boolean;
  theirs: string | boolean;
  mine?: string | boolean;
}

/** What others have changed since `base` was loaded, in the order of the fields. What both have changed alike is no conflict. */
export function theirChanges(base: Values, mine: Values, theirs: Values): TheirChange[] {
  return Object.keys(theirs).flatMap((field) => {
    const [before, typed, saved] = [base[field]!, mine[field]!, theirs[field]!];
    if (saved === before || saved === typed) return [];
    return [{ field, before, theirs: saved, ...(typed !== before && { mine: typed }) }];
  });
}

/** What the form shows after it: theirs where nothing was typed, else what was typed. */
export function merged(base: Values, mine: Values, theirs: Values): Values {
  return Object.fromEntries(Object.keys(theirs).map((field) => [field, mine[field] === base[field] ? theirs[field]! : mine[field]!]));
}

/** The entries of `after` that differ from those of `before`. */
export function differences<T extends object>(before: T, after: T): Partial<T> {
  const changed = Object.entries(after).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name as keyof T]));
  return Object.fromEntries(changed) as Partial<T>;
}
