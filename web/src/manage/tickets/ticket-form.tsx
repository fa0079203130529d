/** The form for a ticket type or a package. */

import { Form } from "../../parts/form";
import { AreaField, CheckField, TextField } from "../parts/fields";
import { SaveNote } from "../parts/save-note";
import { TheirChanges } from "../parts/their-changes";
import type { Draft } from "../parts/use-draft";
import { useRoomTexts } from "../texts";
import type { Tier } from "./api";
import type { TierValues } from "./tier-values";

interface Props {
  draft: Draft<TierValues>;
  tier: Tier | null;
  isPackage: boolean;
  /** Whether another ticket type of the event determines the currency. */
  hasCurrency: boolean;
  button: string;
  isSaved?: boolean;
  onSubmit: () => Promise<void>;
}

export function TicketForm({ draft, tier, isPackage, hasCurrency, button, isSaved = false, onSubmit }: Props) {
  const own = useRoomTexts("tickets");
  const form = useRoomTexts("forms");
  const f = own.fields;
  const smallest = tier ? tier.sold + tier.reserved : 0;
  return (
    <div class="editor">
      <Form onSubmit={onSubmit} button={button}>
        {(errorOf) => {
          const common = { draft, errorOf };
          return (
            <>
              <TheirChanges draft={draft} labels={f} />
              <div class="fields">
                <TextField {...common} name="name" label={f.name} placeholder={isPackage ? own.packageExample : own.ticketExample} required maxLength={200} />
                <AreaField {...common} name="description" label={form.optional(f.description)} maxLength={10_000} rows={3} />
                <div class="pair">
                  <TextField {...common} name="price_cents" label={f.price_cents} note={own.priceNote} type="decimal" required maxLength={14} />
                  <TextField {...common} name="currency" label={f.currency} note={own.currencyNote} required maxLength={3} disabled={hasCurrency} />
                </div>
                <div class="pair">
                  <TextField {...common} name="capacity" label={form.optional(f.capacity)} note={smallest > 0 ? own.smallest(smallest) : own.capacityNote} type="number" min={1} max={1_000_000} />
                  <TextField {...common} name="admits" label={f.admits} note={own.admitsNote} type="number" min={1} max={100} required />
                </div>
                {isPackage && <CheckField {...common} name="is_sponsorship" label={f.is_sponsorship} note={own.sponsorshipNote} />}
              </div>
              <details class="more">
                <summary>{own.more}</summary>
                <div class="fields">
                  <div class="pair">
                    <TextField {...common} name="sale_starts_at" label={form.optional(f.sale_starts_at)} type="datetime-local" />
                    <TextField {...common} name="sale_ends_at" label={form.optional(f.sale_ends_at)} type="datetime-local" />
                  </div>
                  <div class="pair">
                    <TextField {...common} name="max_per_order" label={form.optional(f.max_per_order)} type="number" min={1} max={50} />
                    <TextField {...common} name="low_stock_at" label={form.optional(f.low_stock_at)} note={own.lowStockNote} type="number" min={0} max={1_000_000} />
                  </div>
                  {!isPackage && <CheckField {...common} name="is_sponsorship" label={f.is_sponsorship} note={own.sponsorshipNote} />}
                  <CheckField {...common} name="hidden" label={f.hidden} note={own.hiddenNote} />
                </div>
              </details>
              <SaveNote draft={draft} isSaved={isSaved} />
            </>
          );
        }}
      </Form>
    </div>
  );
}
