/** Texts that all forms share. */

export const formTexts = {
  save: "Save",
  saved: "Saved",
  discard: "Discard my changes",
  back: "No, go back",
  yes: "Yes",
  no: "No",
  nothing: "nothing",
  conflictTitle: "Someone else has saved changes",
  conflictText: "Their changes are now in the form. Where you typed something different, your text is still there. Compare both, then save again.",
  mineKept: (mine: string) => `You typed: ${mine}.`,
  theirsTaken: "You are using their version.",
  takeTheirs: "Use theirs",
  unsaved: "Not saved yet. This tab keeps your changes until you save them.",
  optional: (label: string) => `${label} (optional)`,
  more: "Show more",
  otherLanguages: "Other languages",
  otherLanguagesNote: "Readers of these languages get these texts on pages, in emails and on tickets. Where you leave a field empty, they get the text above.",
  scrollSideways: "This table is wider than the screen: scroll sideways",
};
