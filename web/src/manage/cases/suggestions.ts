/** What an open case is and what to do about it, as docs/reconciliation.md says it: by its kind, its id and its state. */

const FINDINGS = ["amounts_differ", "tickets_without_payment", "unknown_purchase", "not_dealt_with", "kept_of_dispute"] as const;

interface Known {
  kind: "refund" | "dispute" | "finding";
  id: string;
  next_try_at: string | null;
  reason?: string;
}

export function suggestionFor({ kind, id, next_try_at, reason }: Known) {
  if (kind === "dispute") return "dispute";
  if (kind === "refund") return next_try_at === null ? "refund_failed" : "refund_waits";
  return FINDINGS.find((finding) => id.startsWith(finding)) ?? (reason === "by_hand" ? "by_hand" : "other");
}

/** What people look for at the provider: the id of a finding without what it says of its kind, `amounts_differ-pi_1` -> `pi_1`. */
export function referenceOf({ kind, id }: Pick<Known, "kind" | "id">): string {
  const prefix = kind === "finding" && FINDINGS.find((finding) => id.startsWith(`${finding}-`));
  return prefix ? id.slice(prefix.length + 1) : id;
}
