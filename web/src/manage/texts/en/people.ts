/** The people who work at an event. */

export const peopleTexts = {
  title: "People",
  you: "you",
  by: (who: string) => `by ${who}`,
  anAdmin: "an admin of the shop",
  former: (name: string) => `${name} (works here no more)`,
  lead: "Who works at this event with you.",
  none: "Nobody but you",
  noneText: "Invite coordinators, who manage the event with you, and staff, who let people in at the door.",
  inviteTitle: "Invite somebody",
  invite: "Send the invitation",
  email: "E-mail address",
  emailNote: "They get a mail. It counts once they sign in with exactly this address.",
  role: "Role",
  roleNotes: {
    staff: "Lets people in at the door and sees the tickets. No prices, no orders, no changes.",
    coordinator: "Manages the event and its sale, sees orders, refunds them, and invites staff.",
  },
  make: { staff: "Make staff", coordinator: "Make coordinator" },
  invited: (email: string) => `Invited: ${email}`,
  since: (role: string, when: string) => `${role}, invited ${when}`,
  remove: "Remove",
  removeNow: "Yes, remove",
  removeText: "They lose the role within 15 minutes, as soon as their sign-in is renewed. You can invite them again.",
};
