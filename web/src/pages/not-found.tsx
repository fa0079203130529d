import { useTitle } from "../parts/hooks";
import { useTexts } from "../texts";

export function NotFound() {
  const { t } = useTexts();
  useTitle(t.notFound.title);
  return (
    <div class="page page-narrow">
      <h1>{t.notFound.title}</h1>
      <p class="lead">{t.notFound.text}</p>
      <a class="button" href="/">
        {t.allEvents}
      </a>
    </div>
  );
}
