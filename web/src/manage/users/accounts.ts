/** API calls for accounts, for admins. */

import { content, type Schemas } from "../../client";
import { manager } from "../api";

export type Account = Schemas["AccountView"];
export type ChangedAccount = Schemas["ChangedAccountView"];
export type Group = "" | "admin" | "promoter" | "locked";

const PAGE = 50;

/** List the accounts whose email address begins with `search`, or the accounts in a group. */
export const listAccounts = (search: string, group: Group, cursor?: string) =>
  content(manager.GET("/admin/users", { params: { query: { search: search || undefined, group: group || undefined, limit: PAGE, cursor } } }));
export const changeAccount = (user_id: string, changes: Schemas["UserChanges"]) =>
  content(manager.PATCH("/admin/users/{user_id}", { params: { path: { user_id } }, body: changes }));
export const endSessions = (user_id: string) => content(manager.DELETE("/admin/users/{user_id}/sessions", { params: { path: { user_id } } }));

/** List what admins did to an account, newest first. */
export const listChanges = async (user_id: string) => {
  const log = await content(manager.GET("/admin/audit", { params: { query: { subject: `account#${user_id}`, limit: 20 } } }));
  return (log as Schemas["AuditLogView"]).entries; // not as CSV
};
