/** The texts about access codes of a waiting room, in English. */

export const accessTexts = {
  intro: "You need a code from the promoter to join. One code admits as many people as the promoter has chosen.",
  joined: "If this account has joined before, leave the field empty.",
  code: "Access code",
  refused: {
    code_required: "Enter the code that the promoter gave you.",
    code_invalid: "This code is not valid for this waiting room. It may be mistyped, expired or withdrawn.",
    code_used: "This code has been used up by other people. Ask the promoter for another code.",
  } as Record<string, string>,
  appeal: "Is this a mistake? Write to the promoter",
  text: "What happened?",
  note: "You can write once. The promoter answers on this page and can give you a place. We delete your message a week after the sale.",
  send: "Send to the promoter",
  status: { open: "The promoter has your message", granted: "The promoter has given you a place", denied: "The promoter has declined your request" },
  wait: "Come back to this page in this browser for the answer. If you get a place before the draw closes, you take part in it, even while you are away.",
  failures: {
    appeal_exists: "You have already written to the promoter about this event.",
    too_many_appeals: "The promoter cannot take more messages about this event.",
    refusal_unknown: "Try to join again, then write your message.",
    waiting_room_stopped: "You can no longer join this waiting room." } as Record<string, string>,
};
