/** The legal texts of the shop, and each legal text by its address, also one that its owner has replaced since. */

import { ErrorBoundary, lazy, useRoute } from "preact-iso";
import { content, publicApi } from "../client";
import { Failure, Skeleton } from "../parts/failure";
import { useLoaded, useTitle } from "../parts/hooks";
import { LoadFailed } from "../parts/load-failed";
import { PlainText } from "../parts/plain-text";
import { useTexts } from "../texts";
import { useLegalTexts } from "../texts/use-legal";

const listShopTexts = async () => (await content(publicApi.GET("/promoters/{promoter_id}/legal-texts", { params: { path: { promoter_id: "shop" } } }))).legal_texts;
const getLegalText = (text_id: string) => content(publicApi.GET("/legal-texts/{text_id}", { params: { path: { text_id } } }));
const LegalLinks = lazy(() => import("../parts/seller-note").then((part) => part.LegalLinks, () => LoadFailed));

export function LegalPage() {
  const { textId } = useRoute().params;
  return <div class="page page-narrow">{textId ? <Text key={textId} id={textId} /> : <ShopTexts />}</div>;
}

function ShopTexts() {
  const { t } = useTexts();
  const own = useLegalTexts();
  const { value: texts, failure, reload } = useLoaded(listShopTexts, "shop");
  useTitle(t.legal);
  return (
    <>
      <h1>{t.legal}</h1>
      {!texts && (failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={3} />)}
      <ErrorBoundary>{texts && (texts.length > 0 ? <LegalLinks texts={texts} /> : <p>{own.none}</p>)}</ErrorBoundary>
      <h2>{own.cookies}</h2>
      <p>{own.cookiesText}</p>
    </>
  );
}

function Text({ id }: { id: string }) {
  const { t, locale } = useTexts();
  const own = useLegalTexts();
  const { value: text, failure, reload } = useLoaded(() => getLegalText(id), id);
  const title = text ? own.kinds[text.kind] : t.legal;
  useTitle(title);
  if (!text) return failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={12} />;
  const paragraphs = (text.text ?? text.url ?? "").split(/\n{2,}/);
  return (
    <>
      <h1>{title}</h1>
      <p class="small">{own.since(new Date(text.created_at).toLocaleDateString(locale, { dateStyle: "long" }))}</p>
      <div class="seller" lang={text.language}>
        {paragraphs.map((paragraph, index) => (
          <PlainText key={index} text={paragraph} />
        ))}
      </div>
    </>
  );
}
