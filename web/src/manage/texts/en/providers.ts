/** The names of payments that no company takes. The others have the names of their companies, see `useProviderName`. */

export const providerTexts: Record<string, string> = {
  free: "Nothing to pay",
  simulated: "Simulated",
  imported: "Imported from another system",
};
