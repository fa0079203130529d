/** An event's promo codes with their uses and sales. */

import { useRef, useState } from "preact/hooks";
import { save } from "../../downloads";
import { dayAndTime, digitsOf, money } from "../../formats";
import { Failure, Outcome, Skeleton } from "../../parts/failure";
import { Form } from "../../parts/form";
import { useAction, useLoaded } from "../../parts/hooks";
import { useTexts } from "../../texts";
import type { Tier as ManagedTier } from "../tickets/api";
import { Confirmed } from "../parts/confirmed";
import { CheckField, SelectField, TextField } from "../parts/fields";
import { useRoomTexts } from "../texts";
import { useManagedEvent } from "../who";
import { fromLocal, toLocal } from "../zoned-time";
import { changeCode, createCode, createCodes, deleteCode, getStats, listCodes, type NewPromoCode, type PromoCode } from "./api";

const MAX_CODES = 200; // that one request creates

export function CodeList() {
  const own = useRoomTexts("promoCodes");
  const { event } = useManagedEvent();
  const [isOpen, setOpen] = useState(false);
  const [created, setCreated] = useState<string[]>([]);
  const { value: codes, failure, reload } = useLoaded(() => listCodes(event.id), event.id);
  const mayHaveCodes = event.tiers.length > 0 || asksForCodes(event);
  return (
    <div class="page">
      <div class="page-head">
        <h1>{own.title}</h1>
        {mayHaveCodes && (
          <button type="button" class="button" aria-expanded={isOpen} onClick={() => (setOpen(!isOpen), setCreated([]))}>
            {own.add}
          </button>
        )}
      </div>
      {isOpen && <CodeForm code={null} onDone={async (several) => (await reload(), setCreated(several), setOpen(false))} />}
      {created.length > 0 && (
        <p role="status">
          {own.created(created.length)}{" "}
          <button type="button" class="link" onClick={() => save(new Blob([["code", ...created, ""].join("\r\n")], { type: "text/csv" }), `${own.fileName}.csv`)}>
            {own.download}
          </button>
        </p>
      )}
      {failure && !codes && <Failure failure={failure} retry={reload} />}
      {!codes && !failure && <Skeleton lines={4} />}
      {codes?.length === 0 && !isOpen && (
        <Outcome tone="calm" title={own.none}>
          <p>{mayHaveCodes ? own.noneText : own.ticketsFirst}</p>
        </Outcome>
      )}
      {codes && codes.length > 0 && (
        <ul class="rows">
          {codes.map((code) => (
            <Row key={code.id} code={code} onChanged={reload} />
          ))}
        </ul>
      )}
    </div>
  );
}

function Row({ code, onChanged }: { code: PromoCode; onChanged: () => Promise<void> }) {
  const own = useRoomTexts("promoCodes");
  const { locale } = useTexts();
  const { event } = useManagedEvent();
  const { isWorking, failure, run } = useAction();
  const [isOpen, setOpen] = useState(false);
  const percent = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 2 });
  const amount = code.discount_type === "percentage" ? percent.format(code.discount_value / 100) : inCurrency(code.discount_value, code.currency, locale);
  const namesOf = (ids: string[]) => ids.map((id) => event.tiers.find((tier) => tier.id === id)?.name ?? id).join(", ");
  const holdbackName = useHoldbackName();
  const facts = [
    code.discount_value > 0 && own.discountOf(amount),
    own.used(code.times_used, code.max_total_uses),
    code.times_held > 0 && own.held(code.times_held),
    code.expires_at && own.until(dayAndTime(code.expires_at, event.timezone, locale)),
  ];
  return (
    <li class="row-card tier-row">
      <div class="row-text">
        <h2 class="code">{code.code}</h2>
        <p class="small">{facts.filter(Boolean).join(" · ")}</p>
        <p class="chips">
          {code.admits_to_draw && <span class="chip">{own.admits}</span>}
          {code.opens_package_ids && <span class="chip">{own.opensFor(namesOf(code.opens_package_ids))}</span>}
          {code.holdback_id !== null && <span class="chip">{own.fromHoldback(holdbackName(code.holdback_id))}</span>}
          {code.bank_transfer_days !== null && (
            <a class="chip" href={`/manage/events/${event.id}/bank-transfers`}>
              {own.byTransfer(code.bank_transfer_days)}
            </a>
          )}
          {code.skips_waiting_room && <span class="chip">{own.skips}</span>}
          {code.package_ids && <span class="chip">{own.onlyFor(namesOf(code.package_ids))}</span>}
          {code.minimum_total !== null && <span class="chip">{own.from(inCurrency(code.minimum_total, code.currency, locale))}</span>}
          {!code.is_active && <span class="chip chip-bad">{own.off}</span>}
          {code.managed_by === "bootstrap" && <span class="chip">{own.bootstrap}</span>}
        </p>
        {ADDONS.reports && code.times_used > 0 && !code.admits_to_draw && <Stats code={code} />}
      </div>
      {code.managed_by === "api" && (
        <div class="row-actions">
          <button type="button" class="link" aria-label={`${own.change}: ${code.code}`} aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
            {own.change}
          </button>
          <button
            type="button"
            class="link"
            aria-label={`${code.is_active ? own.stop : own.start}: ${code.code}`}
            disabled={isWorking}
            onClick={() => run(async () => void (await changeCode(code, { is_active: !code.is_active, version: code.version }), await onChanged()))}
          >
            {code.is_active ? own.stop : own.start}
          </button>
          {code.times_used + code.times_held === 0 && (
            <Confirmed label={own.delete} subject={code.code} confirm={own.deleteNow} class="link" act={async () => void (await deleteCode(code), await onChanged())}>
              <p>{own.deleteText}</p>
            </Confirmed>
          )}
        </div>
      )}
      {failure && <Failure failure={failure} />}
      {isOpen && <CodeForm key={code.version} code={code} onDone={async () => (await onChanged(), setOpen(false))} />}
    </li>
  );
}

/** The sales with a code, loaded on request. */
function Stats({ code }: { code: PromoCode }) {
  const own = useRoomTexts("promoCodes");
  const { locale } = useTexts();
  const { isWorking, failure, run } = useAction();
  const [stats, setStats] = useState<Awaited<ReturnType<typeof getStats>> | null>(null);
  if (!stats) {
    return (
      <>
        <button type="button" class="link" aria-label={`${own.stats}: ${code.code}`} disabled={isWorking} onClick={() => run(async () => setStats(await getStats(code)))}>
          {own.stats}
        </button>
        {failure && <Failure failure={failure} />}
      </>
    );
  }
  const amount = (cents: number) => money(cents, stats.currency, locale);
  const figures: [string, string][] = [
    [own.ticketsSold, stats.tickets_sold.toLocaleString(locale)],
    [own.discounts, amount(stats.discount_cents)],
    [own.revenue, amount(stats.revenue_cents)],
    [own.refunded, amount(stats.refunded_cents)],
  ];
  return (
    <p class="numbers" role="status">
      {figures.map(([name, figure]) => `${name}: ${figure}`).join(" · ")}
    </p>
  );
}

type CodeValues = {
  code: string;
  count: string;
  discount_type: string;
  discount_value: string;
  starts_at: string;
  expires_at: string;
  max_total_uses: string;
  max_uses_per_donor: string;
  minimum_total: string;
  skips_waiting_room: boolean;
  admits_to_draw: boolean;
  holdback_id: string;
  bank_transfer_days: string;
  [tier: `tier-${string}` | `opens-${string}`]: boolean;
};

function CodeForm({ code, onDone }: { code: PromoCode | null; onDone: (several: string[]) => Promise<unknown> }) {
  const own = useRoomTexts("promoCodes");
  const form = useRoomTexts("forms");
  const { event } = useManagedEvent();
  const { timezone, tiers } = event;
  const currency = tiers[0]?.currency ?? "";
  const [values, setValues] = useState<CodeValues>(() => ({
    code: code?.code ?? "",
    count: "1",
    discount_type: code?.discount_type ?? "percentage",
    discount_value: String(code?.discount_value ?? ""),
    starts_at: toLocal(code?.starts_at, timezone),
    expires_at: toLocal(code?.expires_at, timezone),
    max_total_uses: String(code?.max_total_uses ?? ""),
    max_uses_per_donor: String(code?.max_uses_per_donor ?? ""),
    minimum_total: String(code?.minimum_total ?? ""),
    skips_waiting_room: code?.skips_waiting_room ?? false,
    admits_to_draw: code?.admits_to_draw ?? (code === null && asksForCodes(event)),
    holdback_id: code?.holdback_id ?? "",
    bank_transfer_days: String(code?.bank_transfer_days ?? ""),
    ...Object.fromEntries(tiers.map(({ id }) => [`opens-${id}`, code?.opens_package_ids?.includes(id) ?? false])),
    ...Object.fromEntries(tiers.map(({ id }) => [`tier-${id}`, code?.package_ids?.includes(id) ?? false])),
  }));
  const key = useRef({ content: "", key: "" });
  const draft = { values, set: (changes: Partial<CodeValues>) => setValues({ ...values, ...changes } as CodeValues) };
  const openedTiers = tiers.filter(({ id }) => values[`opens-${id}`]);
  const admits = values.admits_to_draw;
  const opened = admits ? [] : openedTiers.map(({ id }) => id);
  const holdbackName = useHoldbackName();
  const holdbackIds = new Set([...(code?.holdback_id ? [code.holdback_id] : []), ...commonHoldbacks(openedTiers)]);
  const isBatch = Number(values.count) > 1;
  const submit = async () => {
    let several: string[] = [];
    const chosen = tiers.filter(({ id }) => values[`tier-${id}`]).map(({ id }) => id);
    const fields = {
      discount_type: values.discount_type as NewPromoCode["discount_type"],
      discount_value: (!admits && values.discount_value.trim().replace(",", ".")) || "0",
      starts_at: fromLocal(values.starts_at, timezone),
      expires_at: fromLocal(values.expires_at, timezone),
      max_total_uses: values.max_total_uses ? Number(values.max_total_uses) : null,
      max_uses_per_donor: values.max_uses_per_donor ? Number(values.max_uses_per_donor) : null,
      minimum_total: values.minimum_total.trim().replace(",", ".") || null,
      package_ids: chosen.length > 0 ? chosen : null,
      opens_package_ids: opened.length > 0 ? opened : null,
      skips_waiting_room: opened.length > 0 && values.skips_waiting_room,
      holdback_id: (opened.length > 0 && values.holdback_id) || null,
      bank_transfer_days: (opened.length > 0 && values.holdback_id && Number(values.bank_transfer_days)) || null,
      admits_to_draw: admits,
    };
    if (code) await changeCode(code, { ...fields, version: code.version });
    else {
      const text = values.code.trim();
      const content = JSON.stringify([fields, text, values.count]);
      if (key.current.content !== content) key.current = { content, key: crypto.randomUUID() };
      if (isBatch) several = await createCodes(event.id, { ...fields, max_total_uses: fields.max_total_uses ?? 1, prefix: text, count: Number(values.count) }, key.current.key);
      else await createCode(event.id, { ...fields, code: text }, key.current.key);
    }
    await onDone(several);
  };
  const isPercentage = values.discount_type === "percentage";
  return (
    <Form onSubmit={submit} button={code ? form.save : own.create} class="panel code-form">
      {(errorOf) => {
        const common = { draft, errorOf };
        return (
          <>
            <h2>{code ? own.changeTitle(code.code) : own.newTitle}</h2>
            {!code && (
              <div class="pair">
                {isBatch ? (
                  <TextField draft={draft} errorOf={() => errorOf("prefix")} name="code" label={form.optional(own.prefix)} note={own.prefixNote} maxLength={12} placeholder="FANS-" />
                ) : (
                  <TextField {...common} name="code" label={own.code} note={own.codeNote} required maxLength={20} placeholder="EARLY-BIRD" />
                )}
                <TextField {...common} name="count" label={own.count} note={own.countNote} type="number" min={1} max={MAX_CODES} required />
              </div>
            )}
            {(asksForCodes(event) || code?.admits_to_draw) && <CheckField name="admits_to_draw" label={own.admitsToLine} draft={draft} />}
            {!admits && (
            <>
            <div class="pair">
              <SelectField {...common} name="discount_type" label={own.kind} options={[["percentage", own.percentage], ["fixed_amount", own.fixed(currency)]]} />
              <TextField {...common} name="discount_value" label={isPercentage ? own.percent : own.amount(currency)} type="decimal" required={opened.length === 0} maxLength={14} />
            </div>
            <fieldset>
              <legend class="small">{own.opens}</legend>
              {tiers.map((tier) => (
                <CheckField key={tier.id} name={`opens-${tier.id}`} label={tier.name} draft={draft} />
              ))}
              {opened.length > 0 && event.has_waiting_room && <CheckField name="skips_waiting_room" label={own.skipsLine} draft={draft} />}
              {opened.length > 0 && holdbackIds.size > 0 && (
                <SelectField {...common} name="holdback_id" label={own.holdback} note={own.holdbackNote} options={[["", own.noHoldback], ...[...holdbackIds].map((id) => [id, holdbackName(id)] as [string, string])]} />
              )}
              {opened.length > 0 && values.holdback_id && (
                <TextField {...common} name="bank_transfer_days" label={form.optional(own.transferDays)} note={own.transferNote} type="number" min={1} max={60} />
              )}
            </fieldset>
            </>
            )}
            <div class="pair">
              <TextField {...common} name="max_total_uses" label={admits ? own.admitted : form.optional(own.maxUses)} type="number" min={1} max={10_000} required={admits && !isBatch} />
              {!admits && <TextField {...common} name="max_uses_per_donor" label={form.optional(own.maxEach)} type="number" min={1} max={100} />}
            </div>
            <div class="pair">
              <TextField {...common} name="starts_at" label={form.optional(own.starts)} type="datetime-local" />
              <TextField {...common} name="expires_at" label={form.optional(own.expires)} type="datetime-local" />
            </div>
            {!admits && <TextField {...common} name="minimum_total" label={form.optional(own.minimum(currency))} note={own.minimumNote} type="decimal" maxLength={14} />}
            {tiers.length > 1 && !admits && (
              <fieldset>
                <legend class="small">{own.forTickets}</legend>
                {tiers.map((tier) => (
                  <CheckField key={tier.id} name={`tier-${tier.id}`} label={tier.name} draft={draft} />
                ))}
              </fieldset>
            )}
          </>
        );
      }}
    </Form>
  );
}

/** Whether people need a code for a place in the event's waiting room. */
const asksForCodes = (event: { waiting_room: { entry?: string } | null }) => event.waiting_room?.entry === "access_code";

/** The holdbacks that all of these tiers have and that are not released. */
function commonHoldbacks(tiers: ManagedTier[]): string[] {
  const [first = [], ...others] = tiers.map(({ holdbacks, releases }) => holdbacks.map(({ id }) => id).filter((id) => !releases.some(({ holdback_id }) => holdback_id === id)));
  return first.filter((id) => others.every((ids) => ids.includes(id)));
}

/** Name a holdback by its label or reason, at the first tier that has it. */
function useHoldbackName(): (id: string) => string {
  const { event } = useManagedEvent();
  const { reasons } = useRoomTexts("tickets");
  return (id) => {
    const holdback = event.tiers.flatMap(({ holdbacks }) => holdbacks).find((other) => other.id === id);
    return holdback ? (holdback.label ?? reasons[holdback.reason]) : id;
  };
}

function inCurrency(amount: number, currency: string, locale: string): string {
  return money(Math.round(amount * 10 ** digitsOf(currency)), currency, locale);
}
