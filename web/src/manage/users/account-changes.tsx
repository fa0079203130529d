/** What admins did to an account, loaded when the panel is opened. */

import { useState } from "preact/hooks";
import { dayAndTime } from "../../formats";
import { Failure, Skeleton } from "../../parts/failure";
import { useLoaded } from "../../parts/hooks";
import { useTexts } from "../../texts";
import { useRoomTexts, type RoomTexts } from "../texts";
import { listChanges } from "./accounts";

type ChangedFields = Record<string, { before: unknown; after: unknown }>;

export function AccountChanges({ userId }: { userId: string }) {
  const own = useRoomTexts("users");
  const [isOpen, setOpen] = useState(false);
  return (
    <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>{own.changes}</summary>
      {isOpen && <Changes userId={userId} />}
    </details>
  );
}

function Changes({ userId }: { userId: string }) {
  const own = useRoomTexts("users");
  const { locale } = useTexts();
  const { value: entries, failure, reload } = useLoaded(() => listChanges(userId), userId);
  if (!entries) return failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={2} />;
  if (entries.length === 0) return <p class="small">{own.noChanges}</p>;
  return (
    <ul class="entries">
      {entries.map((entry) => (
        <li key={entry.id}>
          <time class="small" dateTime={entry.at}>
            {dayAndTime(entry.at, undefined, locale)}
          </time>
          <span>{describe(entry.action, entry.changes as ChangedFields, own)}</span>
          {typeof entry.details.reason === "string" && <span>{own.because(entry.details.reason)}</span>}
          <span class="small">{own.by(entry.actor)}</span>
        </li>
      ))}
    </ul>
  );
}

function describe(action: string, changes: ChangedFields, own: RoomTexts["users"]): string {
  if (action !== "account.rights_changed") return own.actions[action as keyof typeof own.actions] ?? action;
  const { locked, roles, second_factor } = changes;
  const names = (value: unknown) => (value as string[]).map((role) => own.roles[role as keyof typeof own.roles]).join(", ");
  return [locked && (locked.after ? own.wasLocked : own.wasUnlocked), roles && own.rolesChanged(names(roles.before), names(roles.after)), second_factor && own.secondFactorWasRemoved].filter(Boolean).join("; ");
}
