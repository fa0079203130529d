/** The texts about what people can choose for their place in line, in English. */

export const optionTexts = {
  longer: (turn: string) => `I need more time. My turn should last ${turn}.`,
  longerNote: "You need not say why, and your place stays the same. You also get more time to pay.",
  friends: "Together with friends",
  friendsNote: (most: number) => `Up to ${most} people can share one place in line. At your turn, each of you can buy. Everybody needs an email address of their own.`,
  form: "Form a group",
  members: (count: number, most: number) => `Your group has ${count} of ${most} members.`,
  member: "You share this place with your group. At your turn, each of you can buy.",
  invite: "Send the link to the people who should join.",
  show: "Show the group",
  until: (time: string) => `You can form, join and leave groups until ${time}.`,
  leave: "Leave the group",
  invited: "You have been invited to a group. If you join it, you share its place in line and give up your own.",
  invitedFirst: "You have been invited to a group. When you join the line, you share its place.",
  accept: "Join the group",
  decline: "No, thanks",
  tooLate: "This invitation comes too late: groups can no longer change. You can take part by yourself.",
  link: "Link for your friends",
  shared: "Join my group for the ticket draw",
};
