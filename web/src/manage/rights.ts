/** What people may do here. The API decides; the table only keeps controls from people who would be refused. A test compares both. */

import type { ManagedEvent, Me } from "./api";
import table from "./rights.json";

export type Right = keyof typeof table;
export type Role = "staff" | "coordinator" | "promoter" | "admin";

/** The roles of somebody, at an event or, without one, at whatever they create. */
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

/** Whether they may do it at any event: for the pages that are about several. */
export const mayAnywhere = (right: Right, me: Me): boolean =>
  may(right, me) || Object.keys(me.events).some((id) => may(right, me, { id, promoter_id: null }));

/** Whether there is anything here for them. */
export const hasWork = (me: Me) => rolesOf(me).length > 0 || Object.keys(me.events).length > 0;
