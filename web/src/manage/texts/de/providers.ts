/** Names for payments that involve no payment company. All others go by the name of the company; see `useProviderName`. */

import type { providerTexts as english } from "../en/providers";

export const providerTexts: typeof english = {
  free: "Nichts zu bezahlen",
  simulated: "Simuliert",
  imported: "Aus einem anderen System übernommen",
  complimentary: "Freikarte",
  box_office: "Abendkasse",
  bank_transfer: "Überweisung",
};
