/** Disputes: the bank's reasons, by the provider's codes, and advice for the response. */

const reasons: Record<string, string> = {
  fraudulent: "The cardholder says they did not make this payment",
  unrecognized: "The cardholder does not recognize the payment",
  product_not_received: "The buyer says they did not receive the tickets",
  product_unacceptable: "The buyer says the event was not what they paid for",
  duplicate: "The buyer says they paid twice",
  credit_not_processed: "The buyer says a refund did not arrive",
  general: "Other reason",
};
const advice: Record<string, string> = {
  fraudulent: "Show that the cardholder bought or used the tickets: the order with its email address and, from History, who scanned the tickets, when and where.",
  unrecognized: "Show what was bought: the order, the event and its date. Often the buyer has simply forgotten, so it helps to write to them.",
  product_not_received: "Show that the tickets arrived: the status of the emails (see Emails) and, from History, when the tickets were used at the door.",
  product_unacceptable: "Show what the event page promised and what took place. If something changed, say when you informed the buyers.",
  duplicate: "Look for the buyer's other orders. If there are two, show that each has its own tickets. If one was a mistake, accept the dispute.",
  credit_not_processed: "Show the refund, which the order lists with its date. If no refund was promised, show your terms.",
};

export const disputeTexts = {
  none: "No disputes",
  noneText: "If a buyer's bank claims money back, the dispute appears here with the deadline for your response.",
  amount: "Amount claimed",
  reason: "Reason",
  since: "Opened",
  due: "Respond by",
  order: "Order",
  reasons,
  advice,
  generalAdvice: "Show the order, its emails and, from History, when the tickets were used.",
  where: "Respond in the provider's dashboard. Until the bank has decided, the tickets do not admit anyone and nothing in the order can be refunded.",
  outcomes: {
    won: "The bank decided for you: the money is back, and the tickets are valid.",
    lost: "The bank decided for the buyer: the buyer keeps the money, and tickets of the same value are void.",
  },
};
