/** The texts about invitations to work at an event, in English. */

export const invitationTexts = {
  title: "Invitations",
  lead: "You have been invited to work at these events. Accept only invitations that you were expecting.",
  unnamed: "An event whose promoter the shop has not verified yet",
  as: { coordinator: "As a coordinator", staff: "At the door", cashier: "At the box office", accountant: "As an accountant" },
  accept: "Accept",
  decline: "Decline",
  declined: "Declined.",
};
