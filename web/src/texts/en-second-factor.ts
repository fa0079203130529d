/** The texts about signing in with an authenticator app, in English. */

export const secondFactorTexts = {
  title: "Two-step sign-in",
  off: "With an authenticator app, somebody who has learned your password still cannot sign in.",
  lacking: "This shop requires a second step from everybody who manages events. Until you have set it up, you can buy, but not manage.",
  on: "It is on: when you sign in, we ask for a code from your authenticator app.",
  begin: "Set up an app",
  another: "Use another app",
  scan: "Scan this picture with your authenticator app, or type the key into it. Then enter the six digits that the app shows.",
  qr: "QR code with the key below",
  key: "Key",
  digits: "Six digits",
  confirm: "Turn on",
  codesTitle: "Your recovery codes",
  codesText: "If you lose your phone, each of these codes replaces the app once. We show them only now: print them, or keep them where you keep your passwords. All your other devices have been signed out.",
  saved: "I have saved them",
  remove: "Turn it off",
  removeNow: "Turn off",
  code: "Code from the app, or a recovery code",
  appCode: "Code from your authenticator app",
  appCodeNote: "Or one of your recovery codes.",
  failures: {
    second_factor_required: "This code is wrong or has been used. Enter the one that your authenticator app shows now, or one of your recovery codes.",
    no_second_factor: "Your account has no authenticator app, or it has just been changed. Begin again.",
    address_not_verified: "Confirm your email address first: open the link in our email. You can have it sent again above.",
  } as Record<string, string>,
};
