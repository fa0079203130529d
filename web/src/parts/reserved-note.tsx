/** Links buyers who have tickets on hold to the checkout. */

import { useTexts } from "../texts";
import { Outcome } from "./failure";

export function Reserved({ eventId }: { eventId: string }) {
  const { t } = useTexts();
  return (
    <Outcome tone="good" title={t.event.continueTitle}>
      <p>{t.event.continueText}</p>
      <a class="button" href={`/events/${eventId}/checkout`}>
        {t.event.continue}
      </a>
    </Outcome>
  );
}
