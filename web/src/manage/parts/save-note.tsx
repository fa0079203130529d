/** A note beside the save button: saved, or kept in this tab with a button to discard it. */

import { useEffect, useState } from "preact/hooks";
import { useRoomTexts } from "../texts";
import type { Values } from "../draft";
import type { Draft } from "./use-draft";

export function SaveNote<V extends Values>({ draft, isSaved }: { draft: Draft<V>; isSaved: boolean }) {
  const form = useRoomTexts("forms");
  return (
    <>
      <p role="status" class={isSaved ? "saved" : "hidden"}>
        {isSaved && form.saved}
      </p>
      {draft.isChanged && (
        <p class="small">
          {form.unsaved}{" "}
          <button type="button" class="link" onClick={draft.discard}>
            {form.discard}
          </button>
        </p>
      )}
    </>
  );
}

/** Whether to show "Saved": from a save until the next change. */
export function useSaved(isChanged: boolean): [boolean, () => void] {
  const [isSaved, setSaved] = useState(false);
  useEffect(() => {
    if (isChanged) setSaved(false);
  }, [isChanged]);
  return [isSaved, () => setSaved(true)];
}
