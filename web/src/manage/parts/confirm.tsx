/** A question before something that others feel: what it does stands in it, and the way back comes first for the keyboard. */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { Failure } from "../../parts/failure";
import { useAction } from "../../parts/hooks";
import { useTexts } from "../../texts";

interface Props {
  title: string;
  /** What the button that does it says. */
  action: string;
  back: string;
  isOpen: boolean;
  close: () => void;
  /** Does it; when it is done, the question closes. Refused, it says why and stays. */
  onConfirm: () => Promise<void>;
  children: ComponentChildren;
}

export function Confirm({ title, action, back, isOpen, close, onConfirm, children }: Props) {
  const { t } = useTexts();
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  const { isWorking, failure, run } = useAction();
  useEffect(() => {
    if (isOpen) dialog.current?.showModal();
    else dialog.current?.close();
  }, [isOpen]);
  const confirm = () =>
    run(async () => {
      await onConfirm();
      close();
    });
  return (
    <dialog class="confirm" ref={dialog} aria-labelledby={id} onClose={close}>
      {isOpen && (
        <div class="confirm-content">
          <h2 id={id}>{title}</h2>
          {children}
          {failure && <Failure failure={failure} />}
          <div class="row">
            <button type="button" class="button button-quiet" onClick={close}>
              {back}
            </button>
            <button type="button" class="button" disabled={isWorking} onClick={confirm}>
              {isWorking ? t.checkout.working : action}
            </button>
          </div>
        </div>
      )}
    </dialog>
  );
}
