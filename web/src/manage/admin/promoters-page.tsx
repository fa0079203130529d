/** Unverified and verified promoters; an admin verifies them or removes the verification. */

import { useState } from "preact/hooks";
import { content, type Schemas } from "../../client";
import { day } from "../../formats";
import { useTexts } from "../../texts";
import { manager } from "../api";
import { Confirmed } from "../parts/confirmed";
import { PagedList } from "../parts/paged-list";
import { usePages } from "../parts/use-pages";
import { ShopInvoices } from "../profile/invoices";
import { LegalTexts } from "../profile/legal-texts";
import { useRoomTexts } from "../texts";

type Promoter = Schemas["PromoterView"];

const listPromoters = (verified: boolean, cursor?: string) => content(manager.GET("/promoters", { params: { query: { verified, limit: 50, cursor } } }));
/** Save the unchanged profile with another `verified`. */
const verify = ({ id, name, company, description, website, email, policies, version }: Promoter, verified: boolean) => {
  const body = { name, company, description, website, email, policies, verified, version };
  return content(manager.PUT("/promoters/{promoter_id}", { params: { path: { promoter_id: id } }, body }));
};

export function PromotersPage() {
  const own = useRoomTexts("admin");
  const [isVerified, setVerified] = useState(false);
  return (
    <div class="page">
      <h1>{own.promoters}</h1>
      <p class="lead">{own.promotersLead}</p>
      <div class="control-fields">
        <label class="field">
          {own.show}
          <select value={String(isVerified)} onChange={({ currentTarget }) => setVerified(currentTarget.value === "true")}>
            <option value="false">{own.unverified}</option>
            <option value="true">{own.verified}</option>
          </select>
        </label>
      </div>
      <PromoterList key={String(isVerified)} isVerified={isVerified} />
      <LegalTexts ownerId="shop" />
      {ADDONS.documents && <ShopInvoices />}
    </div>
  );
}

function PromoterList({ isVerified }: { isVerified: boolean }) {
  const own = useRoomTexts("admin");
  const found = usePages((cursor) => listPromoters(isVerified, cursor), "promoters");
  return (
    <PagedList found={found} itemsOf={(page) => page.promoters} empty={{ title: isVerified ? own.noneVerified : own.noneUnverified, text: own.noneText }}>
      {(promoters) => (
        <ul class="cases">
          {promoters.map((promoter) => (
            <Entry key={promoter.id} promoter={promoter} reload={found.reload} />
          ))}
        </ul>
      )}
    </PagedList>
  );
}

function Entry({ promoter, reload }: { promoter: Promoter; reload: () => Promise<void> }) {
  const own = useRoomTexts("admin");
  const { locale } = useTexts();
  const change = async () => {
    await verify(promoter, !promoter.verified);
    await reload();
  };
  return (
    <li class="panel">
      <h2>{promoter.name}</h2>
      <p class="small">{[promoter.company, promoter.email, own.since(day(promoter.created_at, undefined, locale))].filter(Boolean).join(" · ")}</p>
      {promoter.website && <p class="code">{promoter.website}</p>}
      {promoter.description && <p>{promoter.description}</p>}
      <p class="small code">{promoter.id}</p>
      <Confirmed label={promoter.verified ? own.unverify : own.verify} subject={promoter.name} confirm={promoter.verified ? own.unverify : own.verify} act={change}>
        <p>{promoter.verified ? own.unverifyText : own.verifyText}</p>
      </Confirmed>
    </li>
  );
}
