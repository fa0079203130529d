/** What each role may do. The API decides; this table only hides controls that the API would refuse. A test compares both. */

import type { ManagedEvent, Me } from "./api";
import table from "./rights.json";

export type Right = keyof typeof table;
export type Role = "staff" | "cashier" | "accountant" | "coordinator" | "promoter" | "admin";

/** A user's roles at an event; without an event, the roles that need none. */
export function rolesOf(me: Me, event?: Pick<ManagedEvent, "id" | "promoter_id">): Role[] {
  const roles: Role[] = [];
  if (me.roles.includes("admin")) roles.push("admin");
  if (me.roles.includes("promoter") && (!event || event.promoter_id === me.id)) roles.push("promoter");
  const role = event && (me.events as Record<string, Role>)[event.id];
  return role ? [...roles, role] : roles;
}

export function may(right: Right, me: Me, event?: Pick<ManagedEvent, "id" | "promoter_id">): boolean {
  return rolesOf(me, event).some((role) => table[right].roles.includes(role));
}

/** Whether the user has the right at any event, for pages about several events. */
export const mayAnywhere = (right: Right, me: Me): boolean =>
  may(right, me) || Object.keys(me.events).some((id) => may(right, me, { id, promoter_id: null }));

/** Whether the user has anything to manage. */
export const hasWork = (me: Me) => rolesOf(me).length > 0 || Object.keys(me.events).length > 0;
