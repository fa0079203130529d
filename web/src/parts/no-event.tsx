/** What the pages of an event show if there is no such event. */

import { useTexts } from "../texts";

export function NoEvent() {
  const { t } = useTexts();
  return (
    <div class="page page-narrow">
      <h1>{t.event.notFound}</h1>
      <p class="lead">{t.event.notFoundText}</p>
      <a class="button" href="/">
        {t.allEvents}
      </a>
    </div>
  );
}
