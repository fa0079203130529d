/** A button that opens a confirmation dialog before it acts. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { useRoomTexts } from "../texts";
import { Confirm } from "./confirm";

interface Props {
  /** The labels of the button and of the confirming button. */
  label: string;
  confirm: string;
  /** The name of the affected thing, for screen readers. */
  subject?: string;
  /** Words that people must type first, and the label of their field. */
  typed?: { words: string; label: string };
  children: ComponentChildren;
  act: () => Promise<void>;
  class?: string;
}

export function Confirmed({ label, subject, confirm, typed, children, act, class: look = "button button-quiet" }: Props) {
  const own = useRoomTexts("forms");
  const [isOpen, setOpen] = useState(false);
  const title = subject ? `${label}: ${subject}` : label;
  return (
    <>
      <button type="button" class={look} aria-label={title} onClick={() => setOpen(true)}>
        {label}
      </button>
      <Confirm title={title} action={confirm} back={own.back} isOpen={isOpen} close={() => setOpen(false)} onConfirm={act} typed={typed}>
        {children}
      </Confirm>
    </>
  );
}
