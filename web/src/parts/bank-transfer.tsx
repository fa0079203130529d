/** How the buyer pays an order by bank transfer: to which account, with which reference, and until when. */

import type { Schemas } from "../client";
import { money } from "../formats";
import { useTexts } from "../texts";
import { Moment } from "./moment";

export function BankTransfer({ of: transfer, timezone }: { of: Schemas["BankTransferView"]; timezone: string | null }) {
  const { t, locale } = useTexts();
  const own = t.checkout.transfer;
  const missing = money(transfer.amount_cents - transfer.received_cents, transfer.currency, locale);
  const facts = [
    [own.holder, transfer.holder],
    ["IBAN", transfer.iban.replace(/.{4}(?=.)/g, "$& ")],
    ["BIC", transfer.bic],
    [own.amount, missing],
    [own.reference, transfer.reference],
  ];
  return (
    <section class="panel">
      <h2>{own.title}</h2>
      <dl class="facts">
        {facts.map(
          ([name, value]) =>
            value && (
              <div key={name}>
                <dt>{name}</dt>
                <dd class="code">{value}</dd>
              </div>
            ),
        )}
      </dl>
      {transfer.received_cents > 0 && <p class="notice">{own.received(money(transfer.received_cents, transfer.currency, locale), missing)}</p>}
      <p>{own.until}</p>
      <Moment at={transfer.until} timezone={timezone} />
      <p class="small">{own.note}</p>
    </section>
  );
}
