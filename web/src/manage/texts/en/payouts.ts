/** Payouts of the payment provider to the bank. */

export const payoutTexts = {
  title: "Payouts",
  lead: "What the payment provider has sent to your bank: all sales through your account with the provider, less refunds, disputes and fees. Other shops on the same account are included.",
  none: "No payouts yet",
  noneText: "The provider pays out on the schedule set in its dashboard, a few days after the first payment.",
  noProvider: "No payment provider",
  noProviderText: "Payments on this stage are simulated, so there is no money to pay out.",
  provider: "Payouts from",
  books: "Reconciliation",
  comparedUntil: (when: string) => `Our books are reconciled with the provider's up to ${when}.`,
  notCompared: "The books have not been reconciled yet. This happens automatically every 15 minutes.",
  findings: (count: number) =>
    count === 1
      ? "The last reconciliation found a difference. The open case says what to do."
      : `The last reconciliation found ${count} differences. The open cases say what to do.`,
  noFindings: "The last reconciliation found no differences.",
  cases: "Open cases",
  states: { pending: "Pending", in_transit: "On its way", paid: "Paid out", failed: "Returned", cancelled: "Cancelled" },
  arrival: (date: string) => `at the bank on ${date}`,
  made: (date: string) => `created on ${date}`,
  automatic: "automatic",
  byHand: "manual",
  failure: "The bank returned it. Correct the bank account in the provider's dashboard.",
  detail: "The provider's reason:",
  isCompared: "All payments up to this date are reconciled with our books.",
  isNotCompared: "Some payments up to this date are not reconciled with our books yet.",
};
