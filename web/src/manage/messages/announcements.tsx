/** Announcements to ticket holders or to the waitlist: write one, look at the email, send or schedule it, and stop it. */

import { useState } from "preact/hooks";
import { dayAndTime, shortDayAndTime } from "../../formats";
import { Failure, Skeleton } from "../../parts/failure";
import { Form } from "../../parts/form";
import { useLoaded } from "../../parts/hooks";
import { useTexts } from "../../texts";
import { Confirmed } from "../parts/confirmed";
import { AreaField, SelectField, TextField } from "../parts/fields";
import { OtherLanguages } from "../parts/other-languages";
import { toMap, toOtherTexts, type OtherTexts } from "../parts/other-texts";
import { useRoomTexts } from "../texts";
import { useManagedEvent } from "../who";
import { fromLocal, toLocal } from "../zoned-time";
import { listAnnouncements, previewAnnouncement, saveAnnouncement, stopAnnouncement, type Announcement, type AnnouncementBody } from "./messages";

const EMPTY: Values = { id: "", subject: "", text: "", audience: "holders", tier_ids: "", date_ids: "", door: "", send_at: "" };
type Values = Record<"id" | "subject" | "text" | "audience" | "tier_ids" | "date_ids" | "door" | "send_at", string> & OtherTexts<"subjects" | "texts">;
interface Preview {
  subject: string;
  text: string;
}

export function Announcements() {
  const own = useRoomTexts("messages");
  const { locale } = useTexts();
  const { event } = useManagedEvent();
  const [values, setValues] = useState<Values>(EMPTY);
  const [preview, setPreview] = useState<Preview | null>(null);
  const [status, setStatus] = useState("");
  const found = useLoaded(() => listAnnouncements(event.id), event.id);
  const draft = {
    values,
    set: (changes: Partial<Values>) => {
      setValues({ ...values, ...changes } as Values);
      setPreview(null);
    },
  };
  const show = async () => {
    setStatus("");
    // The id is chosen once, so that a repeated click sends nothing twice.
    const id = values.id || crypto.randomUUID();
    const shown = await previewAnnouncement(event.id, toBody(values, event.timezone));
    setValues({ ...values, id });
    setPreview(shown);
  };
  const send = async () => {
    const saved = await saveAnnouncement(event.id, values.id, toBody(values, event.timezone));
    setStatus(own.announced[saved.status]);
    setValues(EMPTY);
    setPreview(null);
    await found.reload();
  };
  const change = (announcement: Announcement) => {
    setPreview(null);
    setValues({
      id: announcement.id,
      subject: announcement.subject,
      text: announcement.text,
      ...toOtherTexts({ subjects: announcement.subjects, texts: announcement.texts }),
      audience: announcement.audience,
      tier_ids: announcement.tier_ids.join(" "),
      date_ids: announcement.date_ids.join(" "),
      door: announcement.door ?? "",
      send_at: toLocal(announcement.send_at, event.timezone),
    });
  };
  const tiers = event.tiers.map(({ id, name }) => [id, name] as const);
  const dates = event.dates.map(({ id, name, starts_at }) => [id, [shortDayAndTime(starts_at, event.timezone, locale), name].filter(Boolean).join(" · ")] as const);
  const severalDates = values.date_ids.includes(" ") ? [[values.date_ids, own.severalDates] as const] : [];
  const isToHolders = values.audience === "holders";
  const several = values.tier_ids.includes(" ") ? [[values.tier_ids, own.severalTypes] as const] : [];
  return (
    <section>
      <h2>{own.announcements}</h2>
      <p>{own.announcementsText}</p>
      <Form onSubmit={show} button={own.preview} isQuiet>
        {(errorOf) => (
          <>
            <TextField name="subject" label={own.subject} required maxLength={120} draft={draft} errorOf={errorOf} />
            <AreaField name="text" label={own.text} note={own.textNote} maxLength={5000} rows={8} draft={draft} errorOf={errorOf} />
            <OtherLanguages texts={{ subjects: { label: own.subject, maxLength: 120 }, texts: { label: own.text, maxLength: 5000, rows: 5 } }} draft={draft} errorOf={errorOf} />
            {ADDONS.waitlist && <SelectField name="audience" label={own.audience} options={Object.entries(own.audiences)} draft={draft} errorOf={errorOf} />}
            <SelectField name="tier_ids" label={isToHolders ? own.holdersOf : own.waitingFor} options={[["", own.allTypes], ...tiers, ...several]} draft={draft} errorOf={errorOf} />
            {dates.length > 0 && (
              <SelectField name="date_ids" label={own.validOn} options={[["", own.anyDate], ...dates, ...severalDates]} draft={draft} errorOf={errorOf} />
            )}
            {isToHolders && <SelectField name="door" label={own.door} options={Object.entries(own.doors)} draft={draft} errorOf={errorOf} />}
            <TextField name="send_at" label={own.sendAt} note={own.sendAtNote} type="datetime-local" draft={draft} errorOf={errorOf} />
          </>
        )}
      </Form>
      {preview && (
        <div class="panel">
          <h3>{preview.subject}</h3>
          <p class="plain-text">{preview.text}</p>
          <Confirmed label={values.send_at ? own.schedule : own.send} confirm={own.sendConfirm} class="button" act={send}>
            <p>{own.sendText}</p>
          </Confirmed>
        </div>
      )}
      <div role="status">{status && <p class="notice">{status}</p>}</div>
      {found.failure ? <Failure failure={found.failure} /> : !found.value ? <Skeleton lines={2} /> : null}
      <ul class="rows">
        {found.value?.announcements.map((each) => (
          <Row key={each.id} announcement={each} change={() => change(each)} reload={found.reload} />
        ))}
      </ul>
    </section>
  );
}

function Row({ announcement, change, reload }: { announcement: Announcement; change: () => void; reload: () => Promise<void> | void }) {
  const own = useRoomTexts("messages");
  const { locale } = useTexts();
  const { event } = useManagedEvent();
  const { id, subject, audience, status, tickets, send_at } = announcement;
  const stop = async () => {
    await stopAnnouncement(event.id, id);
    await reload();
  };
  return (
    <li class="row-card tier-row">
      <div class="row-text">
        <h3>{subject}</h3>
        <p class="small">{[own.audiences[audience], own.announcementStates[status], dayAndTime(send_at, event.timezone, locale), tickets > 0 && own.forTickets(tickets)].filter(Boolean).join(" · ")}</p>
      </div>
      {status === "scheduled" && (
        <button type="button" class="link" onClick={change}>
          {own.change}
        </button>
      )}
      {status !== "stopped" && (
        <Confirmed label={own.stop} subject={subject} confirm={own.stopConfirm} class="link" act={stop}>
          <p>{own.stopText}</p>
        </Confirmed>
      )}
    </li>
  );
}

const toBody = ({ subject, text, audience, tier_ids, date_ids, door, send_at, ...others }: Values, timezone: string): AnnouncementBody => ({
  subject,
  text,
  subjects: toMap("subjects", others),
  texts: toMap("texts", others),
  audience: audience as AnnouncementBody["audience"],
  tier_ids: tier_ids ? tier_ids.split(" ") : [],
  date_ids: date_ids ? date_ids.split(" ") : [],
  door: ((audience === "holders" && door) || null) as AnnouncementBody["door"],
  send_at: fromLocal(send_at, timezone),
});
