/** The texts about invitations to work at an event, in German. */

import type { invitationTexts as english } from "./en-invitations";

export const invitationTexts: typeof english = {
  title: "Einladungen",
  lead: "Sie wurden eingeladen, bei diesen Events mitzuarbeiten. Nehmen Sie nur Einladungen an, die Sie erwartet haben.",
  unnamed: "Ein Event, dessen Veranstalter der Shop noch nicht geprüft hat",
  as: { coordinator: "In der Leitung", staff: "Am Einlass", cashier: "An der Abendkasse", accountant: "In der Buchhaltung" },
  accept: "Annehmen",
  decline: "Ablehnen",
  declined: "Abgelehnt.",
};
