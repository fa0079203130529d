/** Chooses the advice for an open case by its kind, id and state, as docs/reconciliation.md explains. */

const FINDINGS = [
  "amounts_differ",
  "tickets_without_payment",
  "unknown_purchase",
  "payment_unknown",
  "payment_unreachable",
  "account_refused",
  "not_dealt_with",
  "kept_of_dispute",
  "won_on_appeal",
  "paid_back_twice",
  "records_differ",
] as const;

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

/** The reference to look up at the provider: a finding's id without its kind, `amounts_differ-pi_1` -> `pi_1`. */
export function referenceOf({ kind, id }: Pick<Known, "kind" | "id">): string {
  const prefix = kind === "finding" && FINDINGS.find((finding) => id.startsWith(`${finding}-`));
  return prefix ? id.slice(prefix.length + 1) : id;
}
