/** A button that asks before it does anything, and says what that does to whom. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { useRoomTexts } from "../texts";
import { Confirm } from "./confirm";

interface Props {
  /** What the button says, and the one that does it. */
  label: string;
  confirm: string;
  /** What it is about, for those who hear the button without what stands beside it. */
  of?: string;
  children: ComponentChildren;
  act: () => Promise<void>;
  class?: string;
}

export function Confirmed({ label, of, confirm, children, act, class: look = "button button-quiet" }: Props) {
  const own = useRoomTexts("forms");
  const [isOpen, setOpen] = useState(false);
  const title = of ? `${label}: ${of}` : label;
  return (
    <>
      <button type="button" class={look} aria-label={title} onClick={() => setOpen(true)}>
        {label}
      </button>
      <Confirm title={title} action={confirm} back={own.back} isOpen={isOpen} close={() => setOpen(false)} onConfirm={act}>
        {children}
      </Confirm>
    </>
  );
}
