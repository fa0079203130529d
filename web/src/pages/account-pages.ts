/** The pages of accounts, guests, orders and transfers, as one file for the shop's entry. */

export { AccountPage } from "./account";
export { Guest } from "./guest";
export { FindTickets, ForgotPassword, ResetPassword, VerifyEmail } from "./mail-links";
export { OrderPage, Orders } from "./orders";
export { Register } from "./register";
export { SignIn } from "./sign-in";
export { Transfer } from "./transfer";
