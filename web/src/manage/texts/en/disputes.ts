/** Disputes: what a bank says, and what helps against it. The reasons are those of the provider. */

const reasons: Record<string, string> = {
  fraudulent: "The holder of the card says that they did not pay this",
  unrecognized: "The holder of the card does not recognize the payment",
  product_not_received: "The buyer says that they got no tickets",
  product_unacceptable: "The buyer says that it was not what they bought",
  duplicate: "The buyer says that they paid twice",
  credit_not_processed: "The buyer says that a refund did not arrive",
  general: "No reason of the usual ones",
};
const advice: Record<string, string> = {
  fraudulent: "Show that the holder has bought or used the tickets: the order with its mail address, and from History who let the tickets in, when and where.",
  unrecognized: "Show what was bought: the order, the event and its date. Often the buyer has forgotten it, and writing to them helps.",
  product_not_received: "Show that the tickets arrived: the state of the mails (Mails), and from History when they were used at the door.",
  product_unacceptable: "Show what the page of the event promised and what took place. If something was changed, say when buyers were informed.",
  duplicate: "Look for the buyer's other orders. If there are two, show that both have tickets of their own; if one was a mistake, accept the dispute.",
  credit_not_processed: "Show the refund, which stands in the order with its date. If none was promised, show your terms.",
};

export const disputeTexts = {
  none: "No disputes",
  noneText: "If a buyer's bank claims money back, it is here, with until when to answer.",
  amount: "The bank claims",
  reason: "Reason",
  since: "Since",
  due: "Answer until",
  order: "Order",
  reasons,
  advice,
  generalAdvice: "Show the order, its mails, and from History when the tickets were used.",
  where: "Answer in the provider's dashboard. Until the bank has decided the tickets let nobody in, and nothing of the order can be refunded.",
  outcomes: {
    won: "The bank has decided for you: the money is back, and the tickets are valid.",
    lost: "The bank has decided for the buyer: the money is theirs, and tickets worth as much are void.",
  },
};
