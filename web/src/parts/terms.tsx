/** The event's rules for returns and transfers, which a reservation or order keeps. Shows nothing if there are none. */

import type { Reservation } from "../api";
import { eventTime, money } from "../formats";
import { useTexts } from "../texts";

export function Terms({ of, timezone }: { of: Pick<Reservation, "returns" | "transfers" | "currency">; timezone?: string | null }) {
  const { returns, transfers, currency } = of;
  const { t, locale } = useTexts();
  const { policy, until, fee_cents = 0, fee_percent = 0, needs_approval } = returns ?? {};
  const deadline = until ? eventTime(until, timezone ?? null, locale, t.event.bothTimes) : "";
  const fee = [fee_cents && money(fee_cents, currency, locale), fee_percent && fee_percent.toLocaleString(locale, { style: "unit", unit: "percent" })].filter(Boolean).join(" + ");
  const terms = [
    policy === "none" && t.checkout.noReturns,
    policy === "refund" && t.checkout.returns(deadline, fee, needs_approval),
    policy === "resale" && t.checkout.resale(deadline, fee),
    transfers !== "free" && t.checkout.noTransfers,
  ].filter(Boolean);
  return terms.length > 0 ? <p class="small">{terms.join(" ")}</p> : null;
}
