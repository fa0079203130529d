/** The address for a buyer's tickets. A likely typing error gets a suggestion that one click accepts. */

import { useRef, useState } from "preact/hooks";
import { suggestEmail } from "../email-suggestion";
import { useTexts } from "../texts";
import { Field } from "./form";

interface Props {
  value: string;
  onValue: (value: string) => void;
  note?: string;
  error?: string | null;
  /** `off` where somebody types another person's address. */
  autocomplete?: "email" | "off";
}

export function BuyerEmail({ value, onValue, note, error = null, autocomplete = "email" }: Props) {
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
        note={note}
        error={error}
        type="email"
        autocomplete={autocomplete}
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
