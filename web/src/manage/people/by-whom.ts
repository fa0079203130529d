/** Who has done something at an event, as those who manage it know them. */

import { useRoomTexts } from "../texts";
import type { Role } from "../rights";
import { useMe } from "../who";

interface Doer {
  id: string;
  /** Null for buyers, admins and programs, whose names are not shown. */
  name: string | null;
  /** Null also for who works at the event no more. */
  role: Role | null;
}

/** Says by whom: a name with its role, an admin, or the id of a buyer or a program. */
export function useByWhom(): (doer: Doer) => string {
  const own = useRoomTexts("people");
  const { roles } = useRoomTexts("shell");
  const me = useMe();
  return ({ id, name, role }) => {
    if (id === me.id) return own.you;
    if (role === null) return own.by(name === null ? id : own.former(name));
    return own.by(name === null ? own.anAdmin : `${name} (${roles[role]})`);
  };
}
