/** The texts about the wallets of phones, in English. */

export const walletTexts = {
  add: { apple: "Add to Apple Wallet", google: "Add to Google Wallet" },
  failures: { wallet_unavailable: "The wallet service is not responding at the moment. Your ticket is safe. Try again later." } as Record<string, string>,
};
