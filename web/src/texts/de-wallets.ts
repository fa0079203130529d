/** The texts about the wallets of phones, in German. */

import type { walletTexts as english } from "./en-wallets";

export const walletTexts: typeof english = {
  add: { apple: "Zu Apple Wallet hinzufügen", google: "Zu Google Wallet hinzufügen" },
  failures: { wallet_unavailable: "Der Dienst der Wallet antwortet gerade nicht. Ihr Ticket ist sicher. Versuchen Sie es später noch einmal." },
};
