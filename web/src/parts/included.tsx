/** The fee and the taxes that a total includes. */

import type { Schemas } from "../client";
import { money } from "../formats";
import { useTexts } from "../texts";

interface Props {
  of: { included_fee_cents: number; taxes: Schemas["TaxShare"][]; currency: string };
}

/** A line for the fee, and one for each tax: its rate and its amount, or why there is none. */
export function Included({ of: { included_fee_cents, taxes, currency } }: Props) {
  const { t, locale } = useTexts();
  return (
    <>
      {included_fee_cents > 0 && <p class="small">{t.event.fee(money(included_fee_cents, currency, locale))}</p>}
      {taxes.map((share) => (
        <p class="small tax" key={`${share.percent} ${share.exempt_because ?? ""}`}>
          {share.exempt_because ? t.event.exempt(share.exempt_because) : t.event.tax(Number(share.percent).toLocaleString(locale), money(share.tax_cents, currency, locale))}
        </p>
      ))}
    </>
  );
}
