/** The texts about the wallets of phones, in Spanish. */

import type { walletTexts as english } from "./en-wallets";

export const walletTexts: typeof english = {
  add: { apple: "Añadir a Cartera de Apple", google: "Añadir a Cartera de Google" },
  failures: { wallet_unavailable: "El servicio de la cartera no responde en este momento. Tu entrada está a salvo. Vuelve a intentarlo más tarde." },
};
