/** For guests with something to lose: how to keep it. */

import { useBuyer } from "../session";
import { useTexts } from "../texts";

export function GuestNote() {
  const { t } = useTexts();
  const { buyer } = useBuyer();
  if (buyer?.kind !== "guest") return null;
  return (
    <p class="notice no-print">
      {t.guest.text} <a href="/register">{t.guest.keep}</a>
    </p>
  );
}
