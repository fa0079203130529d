/** A confirmation dialog that explains the effects of an action. The keyboard reaches the way back first. */

import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Failure } from "../../parts/failure";
import { Labelled } from "../../parts/form";
import { useAction } from "../../parts/hooks";
import { useTexts } from "../../texts";

interface Props {
  title: string;
  /** The label of the confirming button. */
  action: string;
  back: string;
  isOpen: boolean;
  close: () => void;
  /** Runs the action. The dialog closes on success and shows the reason on failure. */
  onConfirm: () => Promise<void>;
  /** Words that people must type before they can confirm, and the label of their field. */
  typed?: { words: string; label: string };
  children: ComponentChildren;
}

export function Confirm({ title, action, back, isOpen, close, onConfirm, typed, children }: Props) {
  const { t } = useTexts();
  const dialog = useRef<HTMLDialogElement>(null);
  const isClosing = useRef(false);
  const id = useId();
  const { isWorking, failure, run } = useAction();
  const [text, setText] = useState("");
  const isReady = !typed || plain(text) === plain(typed.words);
  useLayoutEffect(() => {
    setText("");
    if (isOpen) dialog.current?.showModal();
    else if (dialog.current?.open) {
      isClosing.current = true;
      dialog.current.close();
    }
  }, [isOpen]);
  const onCancel = () => {
    isClosing.current = true; // by the browser, after this
    close();
  };
  // The close event comes late, perhaps after the dialog was opened again.
  const onClose = () => {
    if (isClosing.current) isClosing.current = false;
    else close();
  };
  const confirm = () =>
    run(async () => {
      await onConfirm();
      close();
    });
  return (
    <dialog class="confirm" ref={dialog} aria-labelledby={id} onCancel={onCancel} onClose={onClose}>
      {isOpen && (
        <div class="confirm-content">
          <h2 id={id}>{title}</h2>
          {children}
          {typed && (
            <Labelled label={typed.label} error={null}>
              {(attributes) => <input {...attributes} type="text" autocomplete="off" value={text} onInput={({ currentTarget }) => setText(currentTarget.value)} />}
            </Labelled>
          )}
          {failure && <Failure failure={failure} />}
          <div class="row">
            <button type="button" class="button button-quiet" onClick={close}>
              {back}
            </button>
            <button type="button" class="button" disabled={isWorking || !isReady} onClick={confirm}>
              {isWorking ? t.checkout.working : action}
            </button>
          </div>
        </div>
      )}
    </dialog>
  );
}

const plain = (text: string) => text.trim().replace(/\s+/g, " ").toLowerCase();
