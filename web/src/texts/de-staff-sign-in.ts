/** The texts about signing in through the operator's identity provider, in German. */

import type { staffTexts as english } from "./en-staff-sign-in";

export const staffTexts: typeof english = {
  begin: "Als Mitarbeiter anmelden",
  working: "Sie werden angemeldet …",
  failures: {
    staff_sign_in_denied: "Der Anmeldedienst hat Sie nicht angemeldet. Beginnen Sie noch einmal, oder melden Sie sich mit Ihrem Passwort an.",
    staff_sign_in_expired: "Diese Anmeldung hat zu lange gedauert, wurde schon benutzt oder begann in einem anderen Browser. Beginnen Sie noch einmal.",
    staff_sign_in_refused: "Der Anmeldedienst hat nicht bestätigt, wer Sie sind. Beginnen Sie noch einmal. Wenn es wieder nicht gelingt, wenden Sie sich an die Betreiber des Shops.",
    staff_address_refused: "Der Anmeldedienst hat Ihre E-Mail-Adresse nicht bestätigt, oder mit Ihrer Adresse ist diese Anmeldung nicht erlaubt.",
    staff_sign_in_unavailable: "Der Anmeldedienst antwortet nicht. Versuchen Sie es in einer Minute noch einmal, oder melden Sie sich mit Ihrem Passwort an.",
  } as Record<string, string>,
};
