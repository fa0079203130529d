/** Selects the changed fields of an audit log entry that people can read, with the values before and after. Pure. */

/** Fields for storage and bookkeeping, which no page sets and which mean nothing to people. */
export const HIDDEN = [
  "suspended", "payments_off",
  ...["id", "event_id", "stock_id", "shards", "pool_id", "pool_shards", "promoter_id", "slug", "removed", "version"],
  ...["created_at", "updated_at", "deleted_at", "stripe_price_id", "date", "end_date", "withdrawn_opening", "public_changes"],
];

/** `isLong`: the values do not fit a line, so the page only names the field. */
export interface ShownChange {
  name: string;
  before: unknown;
  after: unknown;
  isLong: boolean;
}

type Values = Record<string, unknown>;

/** List the visible changes. A field that holds several settings becomes one change per changed setting: `waiting_room` -> `wave_size`. */
export function changesOf(changes: Record<string, { before: unknown; after: unknown }>): ShownChange[] {
  const known = Object.entries(changes).filter(([name]) => !HIDDEN.includes(name));
  return known.flatMap(([name, { before, after }]) => (isSettings(name) ? partsOf(name, before, after) : [change(name, before, after)]));
}

const isSettings = (name: string) => name === "waiting_room" || name === "waitlist" || name === "returns";

function partsOf(name: string, before: unknown, after: unknown): ShownChange[] {
  const [old, now] = [before, after].map((value) => (value ?? {}) as Values) as [Values, Values];
  const parts = [...new Set([...Object.keys(old), ...Object.keys(now)])].filter((part) => old[part] !== now[part]);
  const shown = parts.map((part) => change(part === "enabled" ? `has_${name}` : part, old[part] ?? null, now[part] ?? null));
  return shown.length > 0 ? shown : [{ name, before, after, isLong: true }];
}

function change(name: string, before: unknown, after: unknown): ShownChange {
  return { name, before, after, isLong: [before, after].some((value) => isObject(value) || (Array.isArray(value) && value.some(isObject))) };
}

const isObject = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);
