/** How the buyer pays an order by bank transfer: to which account, with which reference, and until when. */

import type { Schemas } from "../client";
import { money } from "../formats";
import { useTexts } from "../texts";
import type { bankTransferTexts as en } from "../texts/en-bank-transfer";
import { inEachLanguage } from "../texts/languages";
import { Moment } from "./moment";

/** All languages are in this file, because they are smaller than a second request. */
const TEXTS = inEachLanguage(import.meta.glob<typeof en>("../texts/??-bank-transfer.ts", { eager: true, import: "bankTransferTexts" }));

/** The choice to pay by bank transfer within so many days. */
export function TransferChoice({ days, value, onValue }: { days: number; value: boolean; onValue: (chosen: boolean) => void }) {
  const { language } = useTexts();
  return (
    <label class="check choice">
      <input type="checkbox" name="by-transfer" checked={value} onChange={({ currentTarget }) => onValue(currentTarget.checked)} />
      {TEXTS[language].choose(days)}
    </label>
  );
}

export function BankTransfer({ of: transfer, timezone }: { of: Schemas["BankTransferView"]; timezone: string | null }) {
  const { language, locale } = useTexts();
  const own = TEXTS[language];
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
