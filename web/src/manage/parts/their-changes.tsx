/** Shows what someone else saved while the form was open, so that nobody's changes are lost or overwritten unseen. */

import type { TheirChange, Values } from "../draft";
import { useRoomTexts } from "../texts";
import type { Draft } from "./use-draft";

/** `labels`: the form's labels by field. */
export function TheirChanges<V extends Values>({ draft, labels }: { draft: Draft<V>; labels: Record<string, string> }) {
  const own = useRoomTexts("forms");
  if (draft.theirs.length === 0) return null;
  const show = (value: string | boolean) => (typeof value === "boolean" ? (value ? own.yes : own.no) : value || own.nothing);
  const take = ({ field, theirs }: TheirChange) => draft.set({ [field]: theirs } as Partial<V>);
  return (
    <section class="notice" role="alert">
      <h2 class="notice-title">{own.conflictTitle}</h2>
      <p>{own.conflictText}</p>
      <ul class="their-changes">
        {draft.theirs.map((change) => (
          <li key={change.field}>
            <strong>{labels[change.field] ?? change.field}</strong>: <del>{show(change.before)}</del> → <ins>{show(change.theirs)}</ins>
            {change.mine !== undefined && (
              <>
                <br />
                {draft.values[change.field] === change.theirs ? own.theirsTaken : own.mineKept(show(change.mine))}{" "}
                {draft.values[change.field] !== change.theirs && (
                  <button type="button" class="link" onClick={() => take(change)}>
                    {own.takeTheirs}
                  </button>
                )}
              </>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
