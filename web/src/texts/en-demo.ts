/** The texts about the demo identity, in English. */

export const demoTexts = {
  title: "Demo identity",
  offer: "This shop is a demo. You can try it without a password, under a made-up name that this browser saves. Nothing protects that name, so do not use it for anything real.",
  use: "Use a demo identity",
  text: "You are using this demo as a made-up buyer. Anyone who knows the name can use it, so do not use it for anything real.",
  leave: "Stop using the demo identity",
};
