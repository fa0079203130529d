/** The texts about signing in through the operator's identity provider, in English. */

export const staffTexts = {
  begin: "Sign in as staff",
  working: "Signing you in…",
  failures: {
    staff_sign_in_denied: "The sign-in service did not let you in. Start again, or sign in with your password.",
    staff_sign_in_expired: "This sign-in took too long, was already used, or began in another browser. Start again.",
    staff_sign_in_refused: "The sign-in service did not confirm who you are. Start again. If it fails again, tell the people who run this shop.",
    staff_address_refused: "The sign-in service has not verified your email address, or your address is not allowed to sign in this way.",
    staff_sign_in_unavailable: "The sign-in service is not responding. Try again in a minute, or sign in with your password.",
  } as Record<string, string>,
};
