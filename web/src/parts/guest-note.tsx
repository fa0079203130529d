/** Tells guests how long their tickets stay in this browser, and how to keep them. */

import { useLocation } from "preact-iso";
import { withNext } from "../next-page";
import { useBuyer } from "../session";
import { useTexts } from "../texts";

/** `text` says what guests have and for how long. */
export function GuestNote({ text }: { text: string }) {
  const { t } = useTexts();
  const { path } = useLocation();
  const { buyer } = useBuyer();
  if (buyer?.kind !== "guest") return null;
  return (
    <p class="notice no-print">
      <span>
        {text} <a href={withNext("/register", path)}>{t.register.title}</a>
      </span>
    </p>
  );
}
