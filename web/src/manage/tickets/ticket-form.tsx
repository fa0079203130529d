/** The form for a ticket type or a package. */

import { useMemo, useState } from "preact/hooks";
import { Form } from "../../parts/form";
import { useTexts } from "../../texts";
import { currencies } from "../parts/choices";
import { labels } from "../parts/field-table";
import { otherLabels, OtherLanguages } from "../parts/other-languages";
import { SaveNote } from "../parts/save-note";
import { TableFields, type RowChanges } from "../parts/table-fields";
import { TheirChanges } from "../parts/their-changes";
import type { Draft } from "../parts/use-draft";
import { useRoomTexts } from "../texts";
import type { Tier } from "./api";
import { INCLUDED_FIELDS, TIER_FIELDS } from "./tier-fields";
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
  const texts = useRoomTexts("fields");
  const { locale } = useTexts();
  const [first] = useState(draft.values.currency);
  const options = useMemo(() => currencies(first, locale), [first, locale]);
  const { name, description } = TIER_FIELDS;
  const others = { names: { ...name, ...texts.tier.name }, descriptions: { ...description, rows: 3, ...texts.tier.description } };
  const smallest = tier ? tier.sold + tier.reserved + tier.held_back : 0;
  const changes: Record<string, RowChanges> = {
    name: { placeholder: isPackage ? own.packageExample : own.ticketExample },
    currency: { disabled: hasCurrency, options },
    seating: { options: own.seating },
    ...(smallest > 0 && { capacity: { note: own.smallest(smallest) } }),
    ...(isPackage && { is_sponsorship: { place: "main" } }),
  };
  return (
    <div class="editor">
      <Form onSubmit={onSubmit} button={button}>
        {(errorOf) => {
          const common = { table: TIER_FIELDS, texts: texts.tier, draft, errorOf, changes };
          return (
            <>
              <TheirChanges draft={draft} labels={{ ...labels(texts.tier, texts.included), ...otherLabels(others) }} />
              <div class="fields">
                <TableFields {...common} place="main" />
                <OtherLanguages texts={others} draft={draft} errorOf={errorOf} />
              </div>
              <details class="more" open={Object.keys(INCLUDED_FIELDS).some((name) => errorOf(name) !== null)}>
                <summary>{own.more}</summary>
                <div class="fields">
                  <TableFields {...common} place="more" />
                  <TableFields {...common} table={INCLUDED_FIELDS} texts={texts.included} place="included" />
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
