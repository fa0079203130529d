/** The sales funnel and the revenue by provider of one event, for several pages. */

import { money } from "../../formats";
import { useTexts } from "../../texts";
import type { Figures } from "../sales/figures";
import { funnelSteps } from "../sales/series";
import { TablePlace } from "./table-place";
import { useProviderName, useRoomTexts } from "../texts";

export const share = (value: number | null, locale: string) => (value === null ? "–" : value.toLocaleString(locale, { style: "percent", maximumFractionDigits: 1 }));

export function Takings({ revenue }: { revenue: Figures["revenue"] }) {
  const own = useRoomTexts("sales");
  const providerName = useProviderName();
  const { locale } = useTexts();
  if (revenue.length === 0) return <p>{own.noPayments}</p>;
  return (
    <TablePlace label={own.money}>
      <table>
        <thead>
          <tr>
            <th scope="col">{own.provider}</th>
            <th scope="col" class="number">{own.captured}</th>
            <th scope="col" class="number">{own.refunded}</th>
            <th scope="col" class="number">{own.disputed}</th>
            <th scope="col" class="number">{own.balance}</th>
          </tr>
        </thead>
        <tbody>
          {revenue.map((of) => (
            <tr key={`${of.provider}/${of.currency}`}>
              <th scope="row">
                {providerName(of.provider)}, {of.currency}
              </th>
              {[of.captured_cents, -of.refunded_cents, -of.disputed_cents, of.balance_cents].map((cents, index) => (
                <td class="number" key={index}>
                  {money(cents || 0, of.currency, locale)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </TablePlace>
  );
}

/** Each step with its count and its share of the previous step. The bar is decoration. */
export function Funnel({ funnel }: { funnel: Figures["funnel"] }) {
  const own = useRoomTexts("sales");
  const { locale } = useTexts();
  const steps = funnelSteps(funnel);
  const most = Math.max(1, ...steps.map(({ count }) => count));
  return (
    <>
      <ol class="funnel">
        {steps.map(({ step, count, ofPrevious }) => (
          <li key={step}>
            <span>{own[step]}</span>
            <progress max={most} value={count} aria-hidden="true" />
            <span class="numbers">
              {count.toLocaleString(locale)}
              {ofPrevious !== null && <span class="small"> {own.shareOfPrevious(share(ofPrevious, locale))}</span>}
            </span>
          </li>
        ))}
      </ol>
      {funnel.joined !== null && <p class="small">{own.reservedAgain}</p>}
    </>
  );
}
