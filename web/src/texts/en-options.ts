/** The texts about what people can choose for their place in line, in English. */

export const optionTexts = {
  longer: (turn: string) => `I need more time. Please make my turn last ${turn}.`,
  longerNote: "You do not have to say why, and your place stays the same. You also get more time to pay.",
  friends: "Together with friends",
  friendsNote: (most: number) => `Up to ${most} people can share one place in line and one chance in the draw. When it is your turn, each of you can buy. Everybody needs an email address of their own.`,
  first: "Join the waiting room first. Then you can form a group here and invite your friends.",
  form: "Form a group",
  members: (count: number, most: number) => `Your group has ${count} of ${most} members.`,
  member: "You share this place with your group. When it is your turn, each of you can buy in your own browser, up to the usual limit.",
  invite: "Send the link to the people who should join.",
  show: "Show the group",
  until: (time: string) => `You can form, join and leave groups until ${time}.`,
  leave: "Leave the group",
  invited: "A friend has invited you to a group. If you join it, you share its place in line and give up your own. When it is your turn, each of you can buy.",
  invitedFirst: "A friend has invited you to a group. When you join the waiting room, you share the group's place in line. When it is your turn, each of you can buy.",
  accept: "Join the group",
  decline: "No, thanks",
  tooLate: "This invitation comes too late: groups can no longer be changed. You can take part by yourself.",
  link: "Link for your friends",
  shared: "Join my group for the ticket draw",
};
