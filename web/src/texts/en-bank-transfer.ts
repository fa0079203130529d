/** The texts about paying by bank transfer, in English. */

export const bankTransferTexts = {
  choose: (days: number): string => (days === 1 ? "I will pay by bank transfer within a day" : `I will pay by bank transfer within ${days} days`),
  title: "Transfer the money to this account",
  holder: "Account holder",
  amount: "Amount",
  reference: "Reference",
  received: (amount: string, missing: string) => `We have received ${amount}. ${missing} is still outstanding.`,
  until: "We hold your tickets until the money arrives, but no later than:",
  note: "Enter exactly this amount and this reference. You get your tickets by email as soon as the seller has received the money.",
};
