/** Says that what was typed is kept in this tab, with a way to discard it; nothing while there is nothing to save. */

import { useRoomTexts } from "../texts";
import { formTexts } from "../texts/forms";
import type { Values } from "../draft";
import type { Draft } from "./use-draft";

export function UnsavedNote<V extends Values>({ draft }: { draft: Draft<V> }) {
  const form = useRoomTexts(formTexts);
  if (!draft.isChanged) return null;
  return (
    <p class="small">
      {form.unsaved}{" "}
      <button type="button" class="link" onClick={draft.discard}>
        {form.discard}
      </button>
    </p>
  );
}
