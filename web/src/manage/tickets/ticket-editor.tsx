/** One ticket type or package: its details, questions and picture. */

import { useLocation, useRoute } from "preact-iso";
import { useState } from "preact/hooks";
import { Outcome } from "../../parts/failure";
import { ApiFailure, getEvent } from "../api";
import { differences } from "../draft";
import { TierDates } from "../events/dates-panel";
import { PictureField } from "../parts/picture-field";
import { useSaved } from "../parts/save-note";
import { useDraft } from "../parts/use-draft";
import { useRoomTexts } from "../texts";
import { useManagedEvent } from "../who";
import { changeTier, createTier, removeTierImage, uploadTierImage, type Tier, type TierFields } from "./api";
import { HoldbackPanel } from "./holdback-panel";
import { QuestionPanel } from "./question-panel";
import { TicketForm } from "./ticket-form";
import { emptyValues, toFields, toValues, type TierValues } from "./tier-values";

export function TicketEditor() {
  const own = useRoomTexts("tickets");
  const { params } = useRoute();
  const { event } = useManagedEvent();
  const tier = event.tiers.find(({ id }) => id === params.tierId);
  const isNew = params.tierId === "new" || (ADDONS.packages && params.tierId === "new-package");
  return (
    <div class="page page-narrow">
      <p>
        <a class="back" href={`/manage/events/${event.id}/tickets`}>
          {own.title}
        </a>
      </p>
      {tier ? (
        <Existing key={tier.id} tier={tier} />
      ) : isNew ? (
        <New key={params.tierId} isPackage={ADDONS.packages && params.tierId === "new-package"} />
      ) : (
        <>
          <h1>{own.notFoundTitle}</h1>
          <p class="lead">{own.notFoundText}</p>
        </>
      )}
    </div>
  );
}

function New({ isPackage }: { isPackage: boolean }) {
  const own = useRoomTexts("tickets");
  const { event, replace } = useManagedEvent();
  const { route } = useLocation();
  const first = event.tiers[0];
  const [loaded] = useState(() => ({ version: 0, values: emptyValues(first?.currency ?? "USD", isPackage) }));
  const draft = useDraft(`new-tier.${event.id}.${isPackage}`, loaded, async () => loaded);
  const [key, setKey] = useState({ content: "", key: "" });
  const create = () =>
    draft.save(async (values) => {
      const fields = requireFields(values, event.timezone);
      const content = JSON.stringify(fields);
      const attempt = key.content === content ? key : { content, key: crypto.randomUUID() };
      setKey(attempt);
      const { id } = await createTier(event.id, fields, attempt.key);
      replace(await getEvent(event.id));
      route(`/manage/events/${event.id}/tickets/${id}`, true);
    });
  return (
    <>
      <h1>{isPackage ? own.newPackage : own.newTicket}</h1>
      <TicketForm draft={draft} tier={null} isPackage={isPackage} hasCurrency={first !== undefined} button={own.create} onSubmit={create} />
    </>
  );
}

function Existing({ tier }: { tier: Tier }) {
  const own = useRoomTexts("tickets");
  const form = useRoomTexts("forms");
  const { event, replace } = useManagedEvent();
  const renew = async () => {
    const present = await getEvent(event.id);
    replace(present);
    return present;
  };
  const load = async () => {
    const present = (await renew()).tiers.find(({ id }) => id === tier.id) ?? tier;
    return { version: present.version, values: toValues(present, event.timezone) };
  };
  const draft = useDraft(`tier.${tier.id}`, { version: tier.version, values: toValues(tier, event.timezone) }, load);
  const [isSaved, setSaved] = useSaved(draft.isChanged);
  const save = () =>
    draft.save(async (values, base, version) => {
      const changes = differences(requireFields(base, event.timezone), requireFields(values, event.timezone));
      await changeTier(tier.id, { ...changes, version });
      await renew();
      setSaved();
    });
  return (
    <>
      <div class="page-head">
        <h1>{tier.name}</h1>
        {event.managed_by === "api" && (
          <a class="button button-quiet" href={`/manage/events/${event.id}/tickets/new`}>
            {own.addAnother}
          </a>
        )}
      </div>
      {tier.sold > 0 && (
        <Outcome tone="calm" title={own.soldTitle(tier.sold)}>
          <p>{own.soldText}</p>
        </Outcome>
      )}
      <TicketForm draft={draft} tier={tier} isPackage={tier.admits > 1} hasCurrency={event.tiers.length > 1} button={form.save} isSaved={isSaved} onSubmit={save} />
      {event.dates.length > 0 && <TierDates key={tier.date_ids.join()} tier={tier} onChanged={renew} />}
      <HoldbackPanel tier={tier} onChanged={renew} />
      {ADDONS.packages && <QuestionPanel tier={tier} onChanged={renew} />}
      {ADDONS.packages && ADDONS.images && (
        <PictureField
          title={own.picture}
          picture={tier.image ? <img class="artwork" src={tier.image.url} width={tier.image.width} height={tier.image.height} alt="" /> : <p class="picture-none">{own.noPicture}</p>}
          hasPicture={tier.image !== null || tier.image_url !== null}
          upload={async (file) => void (await uploadTierImage(tier, file), await renew())}
          remove={async () => void (await removeTierImage(tier), await renew())}
        />
      )}
    </>
  );
}

/** Convert the form to the API's fields. Throws ApiFailure at the field whose value is not an amount. */
function requireFields(values: TierValues, timezone: string): TierFields {
  const fields = toFields(values, timezone);
  if (typeof fields === "string") throw new ApiFailure("invalid_amount", 400, "", null, { path: `$.${fields}` });
  return fields;
}
