/** The texts about what a waiting room asks for before somebody joins, in English. */

export const entryTexts = {
  address: "To give everyone the same chance, each email address gets one place. We will email you a code to confirm your address. You do not need an account.",
  send: "Email me a code",
  mailed: (email: string) => `We have sent a code to ${email}. Enter it within 15 minutes.`,
  code: "Six-digit code",
  again: "No email? Send another code, or use a different address",
  account: "To give everyone the same chance, each account gets one place. Sign in, or create an account.",
  unverified: "Your account cannot join yet, because its email address is not confirmed. Confirm the address, then come back.",
  card: "To give everyone the same chance, each payment card gets one place. Nothing is charged.",
  saveCard: "Save a card",
  failures: {
    groups_closed: "Groups can no longer be changed. You can join by yourself.",
    group_full: "This group is full. You can join by yourself.",
    invitation_invalid: "This invitation is no longer valid. You can join by yourself.",
    in_another_group: "You are in another group. Leave it first, then open the link again.",
    not_in_group: "You are no longer in this group, or you have joined in another browser.",
    code_invalid: "This is not the code in our last email. Check the six digits.",
    code_expired: "This code has expired, or was entered incorrectly too many times. Send another code.",
    place_in_use: "Your place is in use: somebody with your email address or card is buying tickets right now. Finish that purchase in the other browser, or wait until its reservation has expired.",
    waiting_room_stopped: "You can no longer join this waiting room.",
  } as Record<string, string>,
};
