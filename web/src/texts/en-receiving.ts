/** The texts for people who are offered a ticket, in English. */

export const receivingTexts = {
  from: (giver: string | null) => `${giver ?? "Someone"} has a ticket for you.`,
  meaning: (giver: string | null) =>
    `If you accept, the ticket is yours alone. You get a new code, and ${giver ?? "the sender"}'s code stops working. You pay nothing here. You can transfer the ticket to somebody else until it is used.`,
  openUntil: (when: string) => `You can accept until ${when}.`,
  emailNote: "We will send the ticket to this address. You can also use the address to find the ticket again.",
  accept: "Accept the ticket",
  doneTitle: "The ticket is yours",
  doneText: "It has a new code, and the old code no longer works.",
  mailedTo: (email: string) => `We are also sending it to ${email}.`,
  failures: {
    transfer_not_found: "This link has been used or cancelled. Ask the sender for a new one.",
    transfer_expired: "This link has expired. Ask the sender for a new one.",
    transfer_to_self: "This ticket is already yours. Send the link to the person who should have it.",
  } as Record<string, string>,
};
