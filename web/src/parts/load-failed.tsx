/** What is shown if the file of a page could not be loaded. */

import { useTexts } from "../texts";

export function LoadFailed() {
  const { t } = useTexts();
  return (
    <div class="page">
      <div class="notice notice-bad" role="alert">
        <p>{t.loadFailed}</p>
        <button type="button" class="button button-quiet" onClick={() => location.reload()}>
          {t.reload}
        </button>
      </div>
    </div>
  );
}
