/** The payment provider's payouts to the bank, and the state of the reconciliation, for admins. */

import { useRef, useState } from "preact/hooks";
import { content, type Schemas } from "../../client";
import { day, dayAndTime, money } from "../../formats";
import { useTexts } from "../../texts";
import { manager } from "../api";
import { PagedList } from "../parts/paged-list";
import { usePages } from "../parts/use-pages";
import { useProviderName, useRoomTexts } from "../texts";

type Payouts = Schemas["PayoutsView"];
type Payout = Schemas["PayoutView"];

type Provider = NonNullable<Payouts["provider"]>;

const listPayouts = (provider?: Provider, cursor?: string): Promise<Payouts> =>
  content(manager.GET("/admin/payouts", { params: { query: { provider, limit: 20, cursor } } }));

export function PayoutsPage() {
  const own = useRoomTexts("payouts");
  const [provider, setProvider] = useState<Provider>();
  const found = usePages((cursor) => listPayouts(provider, cursor), provider ?? "");
  const first = found.pages?.[0];
  const known = useRef(first); // keeps the select on the page while another list loads
  known.current = first ?? known.current;
  return (
    <div class="page page-narrow">
      <h1>{own.title}</h1>
      <p class="lead">{own.lead}</p>
      {known.current && <Choice payouts={known.current} chosen={provider} choose={setProvider} />}
      <PagedList
        found={found}
        itemsOf={(page) => page.payouts}
        empty={first?.provider !== null ? { title: own.none, text: own.noneText } : { title: own.noProvider, text: own.noProviderText }}
        header={(first) => <Comparison payouts={first} />}
      >
        {(payouts) => (
          <ul class="rows">
            {payouts.map((payout) => (
              <Row key={payout.id} payout={payout} />
            ))}
          </ul>
        )}
      </PagedList>
    </div>
  );
}

/** Selects the provider whose payouts are listed, on stages with several providers. */
function Choice({ payouts: { provider, providers }, chosen, choose }: { payouts: Payouts; chosen?: Provider; choose: (provider: Provider) => void }) {
  const own = useRoomTexts("payouts");
  const providerName = useProviderName();
  if (providers.length < 2) return null;
  return (
    <label class="field">
      {own.provider}
      <select value={chosen ?? provider ?? ""} onChange={({ currentTarget }) => choose(currentTarget.value as Provider)}>
        {providers.map((name) => (
          <option key={name} value={name}>
            {providerName(name)}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Up to when the books are reconciled, and whether there are differences. */
function Comparison({ payouts: { provider, compared_until, findings } }: { payouts: Payouts }) {
  const own = useRoomTexts("payouts");
  const { locale } = useTexts();
  if (provider === null) return null;
  return (
    <section class="panel">
      <h2>{own.books}</h2>
      <p>{compared_until ? own.comparedUntil(dayAndTime(compared_until, undefined, locale)) : own.notCompared}</p>
      {findings ? <p class="notice notice-bad">{own.findings(findings)}</p> : compared_until && <p>{own.noFindings}</p>}
      <p>
        <a href="/manage/cases">{own.cases}</a>
      </p>
    </section>
  );
}

function Row({ payout: { id, amount_cents, currency, state, created_at, arrives_at, is_automatic, failure, is_compared } }: { payout: Payout }) {
  const own = useRoomTexts("payouts");
  const { locale } = useTexts();
  const onDay = (iso: string) => day(iso, undefined, locale);
  return (
    <li class="row-card tier-row">
      <div class="row-text">
        <h2 class="numbers">{money(amount_cents, currency, locale)}</h2>
        <p>
          <span class={`status status-${state === "paid" ? "delivered" : state === "failed" ? "failed" : "queued"}`}>{own.states[state]}</span>{" "}
          <span class="small">· {[own.arrival(onDay(arrives_at)), own.made(onDay(created_at)), is_automatic ? own.automatic : own.byHand].join(" · ")}</span>
        </p>
        {failure && (
          <p class="small">
            {own.failure} {own.detail} <span lang="en">{failure}</span>
          </p>
        )}
        <p class="small">{is_compared ? own.isCompared : own.isNotCompared}</p>
        <p class="small code">{id}</p>
      </div>
    </li>
  );
}
