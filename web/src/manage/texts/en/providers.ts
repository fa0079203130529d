/** How people paid: a name for each provider that the API has, and none for one of a newer version. */

import type { Schemas } from "../../../client";

const names: Record<Schemas["OrderPayment"]["provider"], string> = {
  free: "Nothing to pay",
  simulated: "Simulated",
  stripe: "Stripe",
  imported: "Imported from another system",
};

export const providerTexts: Record<string, string> = names;
