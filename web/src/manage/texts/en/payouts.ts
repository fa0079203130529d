/** Payouts of the payment provider to the bank. */

export const payoutTexts = {
  title: "Payouts",
  lead: "What the payment provider has sent to your bank. It is all that its account has sold, less refunds, disputes and fees, also of other shops on the same account.",
  none: "Nothing was paid out yet",
  noneText: "The provider pays out by the schedule in its dashboard, some days after the first payment.",
  noProvider: "No provider takes payments here",
  noProviderText: "On this stage payments are simulated, so there is no money to pay out.",
  books: "Comparison of the books",
  comparedUntil: (when: string) => `Our books are compared with the provider's up to ${when}.`,
  notCompared: "The books are not compared yet. That happens every 15 minutes by itself.",
  findings: (count: number) => (count === 1 ? "The last comparison found a difference. The open case says what to do." : `The last comparison found ${count} differences. The open cases say what to do.`),
  noFindings: "The last comparison found no difference.",
  cases: "Open cases",
  states: { pending: "Waiting", in_transit: "On its way", paid: "Paid out", failed: "Came back", canceled: "Canceled" },
  arrival: (date: string) => `at the bank ${date}`,
  made: (date: string) => `made ${date}`,
  automatic: "by the schedule",
  byHand: "by hand",
  failure: (words: string) => `The bank sent it back: ${words} Correct the bank account in the provider's dashboard.`,
  isCompared: "The payments until then are compared with our books.",
  isNotCompared: "The payments until then are not all compared with our books yet.",
};
