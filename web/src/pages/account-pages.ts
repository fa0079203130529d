/** The pages of accounts, guests, orders, transfers and legal texts, as one file for the shop's entry. */

import { NotFound } from "./not-found";
import { Orders as OrderList } from "./orders";

export { AccountPage } from "./account";
export { Guest } from "./guest";
export { FindTickets, ForgotPassword, ResetPassword, VerifyEmail } from "./mail-links";
export { LegalPage } from "./legal";
export { OrderPage } from "./orders";
export { Register } from "./register";
export { SignIn } from "./sign-in";
export { Transfer } from "./transfer";
// Without the add-on, the build leaves the list out.
export const Orders = ADDONS.reports ? OrderList : NotFound;
