/** The texts about messages before a turn, in English. */

export const mailTexts = {
  ask: "Notify me before my turn",
  afterDraw: (email: string | null) => `We will send ${email ?? "you"} an email with your place after the draw, and again about five minutes before your turn.`,
  beforeTurn: (email: string | null) => `We will email ${email ?? "you"} about five minutes before your turn.`,
  pushAfterDraw: "This browser will show you a notification with your place after the draw, and another about five minutes before your turn.",
  pushBeforeTurn: "This browser will show you a notification about five minutes before your turn.",
  blocked: "Notifications from this shop are blocked in your browser, so we will email you instead.",
  emailToo: "Email me too",
  accountToo: "If you have confirmed the email address of your account, we email you too.",
  stop: "Stop these messages",
  failures: { turn_not_ahead: "Your turn has begun, so we cannot notify you before it." },
};
