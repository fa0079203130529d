/** The people who work at an event. */

export const peopleTexts = {
  title: "People",
  you: "you",
  by: (who: string) => `by ${who}`,
  anAdmin: "a shop admin",
  former: (name: string) => `${name} (no longer on the team)`,
  lead: "The people who work on this event with you.",
  none: "Just you so far",
  noneText: "Invite coordinators to manage the event with you, and staff to check tickets at the door.",
  inviteTitle: "Invite someone",
  invite: "Send invitation",
  email: "Email address",
  emailNote: "They get an email. The invitation takes effect when they sign in with exactly this address.",
  role: "Role",
  roleNotes: {
    staff: "Checks tickets at the door. Sees tickets, but no prices or orders, and cannot change anything.",
    coordinator: "Manages the event and its sale, sees and refunds orders, and invites staff.",
  },
  changeTo: { staff: "Make staff", coordinator: "Make coordinator" },
  invited: (email: string) => `Invitation sent to ${email}`,
  since: (role: string, when: string) => `${role}, invited ${when}`,
  remove: "Remove",
  removeNow: "Yes, remove",
  removeText: "They lose access within 15 minutes. You can invite them again at any time.",
};
