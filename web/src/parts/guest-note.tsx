/** Tells guests how long their tickets stay in this browser, and how to keep them. */

import { useLocation } from "preact-iso";
import { withNext } from "../next-page";
import { useBuyer } from "../session";
import { useTexts } from "../texts";

/** `text` comes before the offer of an account. */
export function GuestNote({ text }: { text: string }) {
  const { t } = useTexts();
  const { path } = useLocation();
  const { buyer } = useBuyer();
  if (buyer?.kind !== "guest") return null;
  return (
    <p class="notice no-print">
      <span>
        {text} {t.guest.withAccount} <a href={withNext("/register", path)}>{t.register.title}</a>
      </span>
    </p>
  );
}
