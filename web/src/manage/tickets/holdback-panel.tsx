/** The tickets of a ticket type or package that are held back from sale, and their release. */

import { useRef, useState } from "preact/hooks";
import { dayAndTime } from "../../formats";
import { Form } from "../../parts/form";
import { useTexts } from "../../texts";
import { Confirmed } from "../parts/confirmed";
import { CheckField, SelectField, TextField } from "../parts/fields";
import { useRoomTexts } from "../texts";
import { useManagedEvent } from "../who";
import { fromLocal, toLocal } from "../zoned-time";
import { changeTier, type Holdback, type Tier } from "./api";
import { ComplimentaryPanel } from "./complimentary-panel";

interface Props {
  tier: Tier;
  onChanged: () => Promise<unknown>;
}

export function HoldbackPanel({ tier, onChanged }: Props) {
  const own = useRoomTexts("tickets");
  const [isOpen, setOpen] = useState(false);
  const [edited, setEdited] = useState<string | null>(null);
  const save = async (holdbacks: Holdback[]) => {
    await changeTier(tier.id, { holdbacks, version: tier.version });
    await onChanged();
  };
  const nameOf = (holdback: Holdback) => holdback.label ?? own.reasons[holdback.reason];
  return (
    <section class="panel">
      <h2>{own.holdbacksTitle}</h2>
      <p class="small">{own.holdbacksNote}</p>
      {tier.holdbacks.length > 0 && (
        <ul class="questions">
          {tier.holdbacks.map((holdback) => {
            const others = tier.holdbacks.filter(({ id }) => id !== holdback.id);
            const replaced = (changed: Holdback) => tier.holdbacks.map((other) => (other.id === holdback.id ? changed : other));
            const issued = tier.complimentary.find(({ holdback_id }) => holdback_id === holdback.id)?.issued ?? 0;
            const isReleased = tier.releases.some(({ holdback_id }) => holdback_id === holdback.id);
            return (
              <li key={holdback.id}>
                {edited === holdback.id ? (
                  <HoldbackForm tier={tier} holdback={holdback} onSubmit={async (changed) => (await save(replaced(changed)), setEdited(null))} onClose={() => setEdited(null)} />
                ) : (
                  <>
                    <p>
                      <strong>{nameOf(holdback)}</strong>
                    </p>
                    <p class="small">
                      <State tier={tier} holdback={holdback} />
                    </p>
                    <div class="row">
                      {isReleased ? (
                        <Confirmed label={own.removeHoldback} subject={nameOf(holdback)} confirm={own.removeHoldbackNow} class="link" act={() => save(others)}>
                          <p>{own.removeHoldbackText}</p>
                        </Confirmed>
                      ) : (
                        <>
                          <button type="button" class="link" aria-label={`${own.change}: ${nameOf(holdback)}`} onClick={() => setEdited(holdback.id)}>
                            {own.change}
                          </button>
                          {issued < holdback.quantity && (
                            <Confirmed
                              label={own.release}
                              subject={nameOf(holdback)}
                              confirm={own.releaseNow}
                              class="link"
                              act={() => save(issued ? replaced({ ...holdback, quantity: issued }) : others)}
                            >
                              <p>{own.releaseText(holdback.quantity - issued)}</p>
                            </Confirmed>
                          )}
                        </>
                      )}
                    </div>
                    {!isReleased && <ComplimentaryPanel tier={tier} holdback={holdback} onChanged={onChanged} />}
                  </>
                )}
              </li>
            );
          })}
        </ul>
      )}
      {isOpen ? (
        <HoldbackForm tier={tier} holdback={null} onSubmit={async (added) => (await save([...tier.holdbacks, added]), setOpen(false))} onClose={() => setOpen(false)} />
      ) : (
        <button type="button" class="button button-quiet" onClick={() => setOpen(true)}>
          {own.holdBack}
        </button>
      )}
    </section>
  );
}

/** What is held back and until when, or when it was released, in one line. */
function State({ tier, holdback }: { tier: Tier; holdback: Holdback }) {
  const own = useRoomTexts("tickets");
  const { locale } = useTexts();
  const { event } = useManagedEvent();
  const time = (iso: string) => dayAndTime(iso, event.timezone, locale);
  const release = tier.releases.find(({ holdback_id }) => holdback_id === holdback.id);
  if (release) {
    const when = time(release.at);
    return <>{release.cause === "sold_out" ? own.releasedSoldOut(release.quantity, when) : own.released(release.quantity, when)}</>;
  }
  const parts = [
    own.heldBack(holdback.quantity),
    holdback.label && own.reasons[holdback.reason],
    holdback.release_at && own.releaseAt(time(holdback.release_at)),
    holdback.release_when_sold_out && own.whenSoldOut,
  ];
  return <>{parts.filter(Boolean).join(" · ")}</>;
}

interface FormProps {
  tier: Tier;
  holdback: Holdback | null;
  onSubmit: (holdback: Holdback) => Promise<unknown>;
  onClose: () => void;
}

function HoldbackForm({ tier, holdback, onSubmit, onClose }: FormProps) {
  const own = useRoomTexts("tickets");
  const form = useRoomTexts("forms");
  const { event } = useManagedEvent();
  const id = useRef(holdback?.id ?? crypto.randomUUID());
  const [values, setValues] = useState(() => ({
    holdbacks: String(holdback?.quantity ?? ""),
    reason: holdback?.reason ?? "artist",
    label: holdback?.label ?? "",
    release_at: toLocal(holdback?.release_at, event.timezone),
    release_when_sold_out: holdback?.release_when_sold_out ?? false,
    release_to: holdback?.release_to ?? "waitlist",
  }));
  const draft = { values, set: (changes: Partial<typeof values>) => setValues({ ...values, ...changes }) };
  const submit = async () => {
    const label = values.label.trim();
    const release_at = fromLocal(values.release_at, event.timezone);
    await onSubmit({
      id: id.current,
      reason: values.reason,
      quantity: Number(values.holdbacks),
      release_when_sold_out: values.release_when_sold_out,
      release_to: values.release_to,
      ...(label && { label }),
      ...(release_at && { release_at }),
    });
  };
  const maximum = tier.available === null ? null : tier.available + (holdback?.quantity ?? 0);
  return (
    <Form onSubmit={submit} button={holdback ? own.saveChanges : own.saveHoldback} class="question-form">
      {(errorOf) => (
        <>
          <div class="pair">
            <TextField name="holdbacks" label={own.holdbackQuantity} note={maximum === null ? undefined : own.holdbackMaximum(maximum)} type="number" min={1} max={1_000_000} required draft={draft} errorOf={errorOf} />
            <SelectField name="reason" label={own.reason} options={Object.entries(own.reasons)} draft={draft} errorOf={errorOf} />
          </div>
          <TextField name="label" label={form.optional(own.holdbackLabel)} placeholder={own.holdbackExample} maxLength={100} draft={draft} errorOf={errorOf} />
          <TextField name="release_at" label={form.optional(own.releaseTime)} note={own.releaseTimeNote} type="datetime-local" draft={draft} errorOf={errorOf} />
          <CheckField name="release_when_sold_out" label={own.releaseWhenSoldOut} draft={draft} />
          {ADDONS.waitlist && event.has_waitlist && (
            <SelectField name="release_to" label={own.releaseTo} options={Object.entries(own.releasedTo)} draft={draft} errorOf={errorOf} />
          )}
          <button type="button" class="link" onClick={onClose}>
            {own.close}
          </button>
        </>
      )}
    </Form>
  );
}
