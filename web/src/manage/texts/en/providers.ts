/** Names for payments that involve no payment company. All others go by the name of the company; see `useProviderName`. */

export const providerTexts: Record<string, string> = {
  free: "Nothing to pay",
  simulated: "Simulated",
  imported: "Imported from another system",
  complimentary: "Complimentary",
  box_office: "Box office",
  bank_transfer: "Bank transfer",
};
