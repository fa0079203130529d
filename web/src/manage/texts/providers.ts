/** How people paid. */

import type { InEachLanguage } from "../texts";

const en: Record<string, string> = { free: "Nothing to pay", simulated: "Simulated", stripe: "Stripe", imported: "In the system before" };
const es: typeof en = { free: "Nada que pagar", simulated: "Simulado", stripe: "Stripe", imported: "En el sistema anterior" };

export const providerTexts: InEachLanguage<typeof en> = { en, es };
