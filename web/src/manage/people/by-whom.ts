/** Names the person who did something at an event, for the event's managers. */

import { useRoomTexts } from "../texts";
import type { Role } from "../rights";
import { useMe } from "../who";

interface Actor {
  id: string;
  /** Null for buyers, admins and programs, whose names are not shown. */
  name: string | null;
  /** Also null for former team members. */
  role: Role | null;
}

/** Returns a function that names a person: a name with the role, an admin, or the id of a buyer or a program. */
export function useByWhom(): (actor: Actor) => string {
  const own = useRoomTexts("people");
  const { roles } = useRoomTexts("shell");
  const me = useMe();
  return ({ id, name, role }) => {
    if (id === me.id) return own.you;
    if (role === null) return own.by(name === null ? id : own.former(name));
    return own.by(name === null ? own.anAdmin : `${name} (${roles[role]})`);
  };
}
