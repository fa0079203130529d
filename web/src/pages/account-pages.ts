/** The pages of accounts and guests, as one file for the shop's entry. */

export { AccountPage } from "./account";
export { Guest } from "./guest";
export { FindTickets, ForgotPassword, ResetPassword, VerifyEmail } from "./mail-links";
export { Register } from "./register";
export { SignIn } from "./sign-in";
