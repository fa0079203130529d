/** The address for a guest's tickets. A likely typing error gets a suggestion that one click accepts. */

import { useRef, useState } from "preact/hooks";
import { suggestEmail } from "../email-suggestion";
import { useTexts } from "../texts";
import { Field } from "./form";

interface Props {
  value: string;
  onValue: (value: string) => void;
}

export function BuyerEmail({ value, onValue }: Props) {
  const { t } = useTexts();
  const box = useRef<HTMLDivElement>(null);
  const [isTyping, setTyping] = useState(false);
  const meant = suggestEmail(value, isTyping);
  const accept = () => {
    onValue(meant!);
    box.current!.querySelector("input")!.focus(); // the button disappears
  };
  return (
    <div class="buyer-email" ref={box} onFocusOut={() => setTyping(false)}>
      <Field
        name="email"
        label={t.form.email}
        note={ADDONS.messages ? t.checkout.emailNote : undefined}
        error={null}
        type="email"
        autocomplete="email"
        autocapitalize="off"
        spellcheck={false}
        maxLength={254}
        required
        value={value}
        onInput={({ currentTarget }) => {
          setTyping(true);
          onValue(currentTarget.value);
        }}
      />
      <div role="status">
        {meant && (
          <button type="button" class="link" onClick={accept}>
            {t.checkout.emailMeant(meant)}
          </button>
        )}
      </div>
    </div>
  );
}
