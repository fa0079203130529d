/** How people paid. */

export const providerTexts: Record<string, string> = { free: "Nothing to pay", simulated: "Simulated", stripe: "Stripe", imported: "In the system before" };
