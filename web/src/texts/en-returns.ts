/** The texts about returning tickets, in English. */

export const returnTexts = {
  title: "You can return your tickets",
  until: (time: string) => `If you can no longer come, you can return your tickets until ${time}.`,
  fee: (amount: string) => `We keep a fee of ${amount}.`,
  action: (amount: string) => `Return tickets, get ${amount} back`,
  meaning: (count: number, amount: string) =>
    `${count === 1 ? "Your ticket becomes" : `Your ${count} tickets become`} invalid immediately, and this cannot be undone. We send ${amount} back to the card or account you paid with.`,
  now: (count: number) => (count === 1 ? "Return 1 ticket" : `Return ${count} tickets`),
  doneTitle: "You have returned your tickets",
  doneText: (amount: string) => `We are sending ${amount} back to the card or account you paid with. Banks take up to ten days.`,
};
