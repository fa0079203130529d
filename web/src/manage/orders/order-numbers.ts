/** Order numbers as people read them. Pure, so that tests run it without a browser. */

const ORDER_ID = /^([0-9A-HJKMNP-TV-Z]{26})(-\d{1,2})?$/;
const PREFIX_LENGTH = 4;

/** The order id in an order or ticket number; null for anything else. */
export const parseOrderId = (words: string): string | null => ORDER_ID.exec(words.trim().toUpperCase())?.[1] ?? null;

/**
 * The order's number, for the id of an order or of one of its tickets, as in chalicelib/tickets/model.py. Returns other ids unchanged.
 * `event`: the order's event; without it, the number has no initials, which no search needs.
 */
export function orderNumber(id: string, event?: { id: string; slug: string }): string {
  const order = parseOrderId(id);
  if (order === null) return id;
  return [event && numberPrefix(event.slug || event.id), order.slice(-8, -4), order.slice(-4)].filter(Boolean).join("-");
}

/** The initials of a name, or the first three letters of a single word. */
function numberPrefix(name: string): string {
  const words = name.toUpperCase().match(/[A-Z0-9]+/g) ?? [];
  return (words.length > 1 ? words.map((word) => word[0]).join("") : words.join("").slice(0, 3)).slice(0, PREFIX_LENGTH);
}
