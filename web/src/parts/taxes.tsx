/** The taxes that a total includes. */

import type { Schemas } from "../client";
import { money } from "../formats";
import { useTexts } from "../texts";

interface Props {
  of: { taxes: Schemas["TaxShare"][]; currency: string };
}

/** A line for each tax: its rate and its amount, or why there is none. */
export function Taxes({ of: { taxes, currency } }: Props) {
  const { t, locale } = useTexts();
  return (
    <>
      {taxes.map((share) => (
        <p class="small tax" key={`${share.percent} ${share.exempt_because ?? ""}`}>
          {share.exempt_because ? t.event.exempt(share.exempt_because) : t.event.tax(Number(share.percent).toLocaleString(locale), money(share.tax_cents, currency, locale))}
        </p>
      ))}
    </>
  );
}
