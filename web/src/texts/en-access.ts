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
  failures: { waiting_room_stopped: "You can no longer join this waiting room." } as Record<string, string>,
};
