/** The form for a refund: tickets, reason and fee. After each change, the API previews the amount with the code that also refunds. */

import { useId, useState } from "preact/hooks";
import { money } from "../../formats";
import { Failure } from "../../parts/failure";
import { useLoaded } from "../../parts/hooks";
import { useTexts } from "../../texts";
import { toCents } from "../amounts";
import { Confirm } from "../parts/confirm";
import { useRoomTexts } from "../texts";
import { previewRefund, refundOrder, type ManagedOrder, type Preview, type RefundRequest } from "./orders";

interface Props {
  shown: ManagedOrder;
  /** Gets the order as it is after the refund. */
  onRefunded: (order: ManagedOrder) => void;
}

type Fee = "settings" | "none" | "own";

export function RefundForm({ shown, onRefunded }: Props) {
  const own = useRoomTexts("orders");
  const kept = (shown.tickets ?? []).filter(({ state }) => state !== "void");
  const canRefund = kept.length > 0 && !shown.order.disputed;
  return (
    <section class="panel">
      <h2>{own.refund}</h2>
      {canRefund ? <RefundFields key={kept.length} shown={shown} kept={kept} onRefunded={onRefunded} /> : <p>{own.noRefund(shown.order.disputed)}</p>}
    </section>
  );
}

function RefundFields({ shown, kept, onRefunded }: Props & { kept: NonNullable<ManagedOrder["tickets"]> }) {
  const own = useRoomTexts("orders");
  const { locale } = useTexts();
  const { order } = shown;
  const buyers = kept.filter(({ transferred }) => !transferred);
  const given = kept.filter(({ transferred }) => transferred);
  const [isWhole, setWhole] = useState(buyers.length > 0);
  const [chosen, setChosen] = useState<string[]>([]);
  const [reason, setReason] = useState<RefundRequest["reason"]>("requested_by_customer");
  const [fee, setFee] = useState<Fee>("settings");
  const [feeText, setFeeText] = useState("");
  const [returnsSeats, setReturnsSeats] = useState(true);
  const [note, setNote] = useState("");
  const [isConfirming, setConfirming] = useState(false);
  const [key] = useState(() => crypto.randomUUID()); // a repeated click, or a retry after a lost reply, refunds once
  const name = useId();

  const fees = { settings: undefined, none: 0, own: toCents(feeText, order.currency) }[fee];
  const isComplete = (isWhole || chosen.length > 0) && fees !== null;
  const request: RefundRequest = {
    reason,
    tickets: isWhole && given.length === 0 ? undefined : (isWhole ? buyers : kept.filter(({ id }) => chosen.includes(id))).map(({ id }) => id),
    fee_cents: fees ?? undefined,
    return_seats: returnsSeats,
    note: note.trim() || undefined,
  };
  const { note: _, ...counted } = request;
  const { value: preview, failure } = useLoaded(async () => (isComplete ? previewRefund(order.id, counted) : null), JSON.stringify([counted, isComplete]));
  const refund = async () => {
    onRefunded(await refundOrder(order.id, request, key));
  };
  const nameOf = (id: string) => own.ticket(Number(id.split("-").at(-1)), tierName(shown, id));
  const amount = preview ? money(preview.amount_cents, preview.currency, locale) : "";
  return (
    <form
      class="refund-form"
      onSubmit={(event) => {
        event.preventDefault();
        setConfirming(true);
      }}
    >
      <fieldset>
        <legend>{own.whatToRefund}</legend>
        {given.length > 0 && <p class="small">{own.given(given.map(({ id }) => nameOf(id)).join("; "), given.length)}</p>}
        {buyers.length > 0 && (
          <label class="choice">
            <input type="radio" name={name} checked={isWhole} onChange={() => setWhole(true)} /> {own.everything(buyers.length)}
          </label>
        )}
        <label class="choice">
          <input type="radio" name={name} checked={!isWhole} onChange={() => setWhole(false)} /> {own.some}
        </label>
        {!isWhole && (
          <div class="choices">
            {kept.map(({ id, transferred }) => (
              <label class="choice" key={id}>
                <input
                  type="checkbox"
                  checked={chosen.includes(id)}
                  onChange={({ currentTarget }) => setChosen(currentTarget.checked ? [...chosen, id] : chosen.filter((other) => other !== id))}
                />{" "}
                {nameOf(id)}
                {transferred && `, ${own.transferred}`}
              </label>
            ))}
          </div>
        )}
      </fieldset>
      <label class="field">
        {own.reason}
        <select value={reason} onChange={({ currentTarget }) => setReason(currentTarget.value as RefundRequest["reason"])}>
          {REASONS.map((value) => (
            <option key={value} value={value}>
              {own.reasons[value]}
            </option>
          ))}
        </select>
      </label>
      <fieldset>
        <legend>{own.fee}</legend>
        {(["settings", "none", "own"] as const).map((value) => (
          <label class="choice" key={value}>
            <input type="radio" name={`${name}-fee`} checked={fee === value} onChange={() => setFee(value)} /> {own.fees[value]}
          </label>
        ))}
        {fee === "own" && (
          <label class="field">
            {own.feeAmount(order.currency)}
            <input type="text" inputMode="decimal" value={feeText} required maxLength={12} onInput={({ currentTarget }) => setFeeText(currentTarget.value)} />
          </label>
        )}
      </fieldset>
      <label class="choice">
        <input type="checkbox" checked={returnsSeats} onChange={({ currentTarget }) => setReturnsSeats(currentTarget.checked)} /> {own.returnSeats}
      </label>
      <label class="field">
        {own.note}
        <input type="text" maxLength={500} value={note} onInput={({ currentTarget }) => setNote(currentTarget.value)} />
      </label>
      <div role="status">{preview ? <PreviewLines preview={preview} /> : !isWhole && chosen.length === 0 && <p class="small">{own.chooseSome}</p>}</div>
      {failure && <Failure failure={failure} />}
      <button type="submit" class="button" disabled={!preview}>
        {preview ? own.refundAmount(amount) : own.refund}
      </button>
      <Confirm title={own.question(amount)} action={own.refundAmount(amount)} back={own.back} isOpen={isConfirming && preview !== null} close={() => setConfirming(false)} onConfirm={refund}>
        {preview && <p>{own.questionText(preview.tickets.length)}</p>}
      </Confirm>
    </form>
  );
}

const REASONS = ["requested_by_customer", "goodwill", "event_changed", "event_cancelled", "duplicate", "fraudulent", "revoked"] as const;

/** How the refunded amount is calculated, line by line. */
function PreviewLines({ preview }: { preview: Preview }) {
  const own = useRoomTexts("orders");
  const { locale } = useTexts();
  const amount = (cents: number) => money(cents, preview.currency, locale);
  return (
    <dl class="outlook">
      <div>
        <dt>{own.price(preview.tickets.length)}</dt>
        <dd class="numbers">{amount(preview.price_cents)}</dd>
      </div>
      {preview.fee_cents > 0 && (
        <div>
          <dt>{own.feeKept}</dt>
          <dd class="numbers">−{amount(preview.fee_cents)}</dd>
        </div>
      )}
      {preview.refunded_before_cents > 0 && (
        <div>
          <dt>{own.refundedBefore}</dt>
          <dd class="numbers">−{amount(preview.refunded_before_cents)}</dd>
        </div>
      )}
      <div class="outlook-total">
        <dt>{own.buyerGets}</dt>
        <dd class="numbers">{amount(preview.amount_cents)}</dd>
      </div>
      <div>
        <dt>{own.buyerKeeps}</dt>
        <dd>{own.ticketCount(preview.kept)}</dd>
      </div>
    </dl>
  );
}

function tierName({ order, tickets }: ManagedOrder, id: string): string {
  const tier = tickets?.find((ticket) => ticket.id === id)?.tier_id;
  return order.items.find((item) => item.tier_id === tier)?.tier_name ?? "";
}
