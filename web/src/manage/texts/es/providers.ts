/** The names of payment providers. */

import type { providerTexts as english } from "../en/providers";

export const providerTexts: typeof english = { free: "Nada que pagar", simulated: "Simulado", stripe: "Stripe", imported: "Importado de otro sistema" };
