/** What to do about an open case, as docs/reconciliation.md says it: by its kind, its id and its state. */

interface Known {
  kind: "refund" | "dispute" | "finding";
  id: string;
  next_try_at: string | null;
  reason?: string;
}

export function suggestionFor({ kind, id, next_try_at, reason }: Known) {
  if (kind === "dispute") return "dispute";
  if (kind === "refund") return next_try_at === null ? "refund_failed" : "refund_waits";
  if (id.startsWith("amounts_differ")) return "amounts_differ";
  if (id.startsWith("tickets_without_payment")) return "tickets_without_payment";
  if (id.startsWith("unknown_purchase")) return "unknown_purchase";
  if (id.startsWith("not_dealt_with")) return "not_dealt_with";
  if (id.startsWith("kept_of_dispute")) return "kept_of_dispute";
  return reason === "by_hand" ? "by_hand" : "other";
}
