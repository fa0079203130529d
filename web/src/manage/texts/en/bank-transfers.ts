/** Orders that are paid by bank transfer. */

const rows = (count: number) => (count === 1 ? "1 transfer" : `${count.toLocaleString("en")} transfers`);

export const bankTransferTexts = {
  title: "Bank transfers",
  lead: "Record each transfer as your bank shows it. Once an order is paid in full, we send the tickets.",
  reference: "Payment reference, with the order number",
  amount: (currency: string) => `Amount (${currency})`,
  amountNote: "With a minus sign for money that you have sent back.",
  date: "Date on the statement",
  dateNote: "The same date and amount are recorded only once for an order.",
  record: "Record the transfer",
  fileNote: "Or choose your bank statement as a CSV file with the columns reference, amount and date. Other payments in the file are ignored. The file must contain all transfers of each day that it covers.",
  file: "Choose a statement",
  results: {
    recorded: (count: number) => `${rows(count)} recorded.`,
    known: (count: number) => `${rows(count)} already recorded.`,
    no_order: (count: number) => `${rows(count)} without an order number of this event.`,
    several_orders: (count: number) => `${rows(count)} with several order numbers. Record each order's share separately.`,
    no_refund: (count: number) => `${rows(count)} sent to buyers, but no refund of this amount is due.`,
    too_many: (count: number) => `${rows(count)} not recorded, because the order has 100 transfers already. Send this money back.`,
    failed: (count: number) => `${rows(count)} not recorded, because the shop cannot read or save the order. Tell the shop, and choose the file again later.`,
  },
  none: "No bank transfers yet",
  noneText: "Set “Days to pay by bank transfer” for a promo code. Orders paid this way appear here.",
  received: (amount: string, total: string) => `${amount} of ${total} received`,
  until: (when: string) => `tickets held until ${when}`,
  cancel: "Cancel the order",
  cancelText: "The tickets are released at once, and the buyer gets an email. You have to send back any money that has arrived.",
  toReturn: (amount: string) => `Send ${amount} back to the buyer, then record it here with a minus sign.`,
};
