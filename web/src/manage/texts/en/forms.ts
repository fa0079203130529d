/** What all forms of these pages say. */

export const formTexts = {
  save: "Save",
  saved: "Saved",
  discard: "Discard what I changed",
  back: "No, go back",
  yes: "Yes",
  no: "No",
  nothing: "nothing",
  changedMeanwhile: "Somebody else has saved changes",
  changedMeanwhileText: "They are in the form now. Where you had typed something else, it is still there. Look at both, then save again.",
  mineKept: (mine: string) => `You have typed: ${mine}.`,
  theirsTaken: "You take theirs.",
  takeTheirs: "Take theirs",
  unsaved: "What you typed is kept in this tab until you save it.",
  optional: (label: string) => `${label} (optional)`,
  more: "Show more",
  moreBeside: "The table is wider than the screen: move it sideways",
};
