/** The names of payment providers. A provider that only a newer API has is shown by its code. */

import type { Schemas } from "../../../client";

const names: Record<Schemas["OrderPayment"]["provider"], string> = {
  free: "Nothing to pay",
  simulated: "Simulated",
  stripe: "Stripe",
  imported: "Imported from another system",
};

export const providerTexts: Record<string, string> = names;
