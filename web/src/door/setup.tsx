/** Setup of the door: choose the event and the gate, then download the ticket list. */

import { useState } from "preact/hooks";
import { shortDayAndTime } from "../formats";
import type { ListedEvent } from "../manage/api";
import { listEvents } from "../manage/events/own-events";
import { Failure, Skeleton } from "../parts/failure";
import { useAction, useLoaded } from "../parts/hooks";
import { now } from "../server-time";
import { useTexts } from "../texts";
import { seconds } from "./admission";
import type { DeviceStore } from "./device-store";
import { Door } from "./door";
import { getMe } from "./door-api";
import { useDoorTexts } from "./texts";

const DAY_SECONDS = 86_400;

interface Props {
  userId: string;
  /** The event that is chosen first, from the address of the page. */
  eventId: string | undefined;
  store: DeviceStore;
  open: (door: Door) => void;
}

export function Setup({ userId, eventId, store, open }: Props) {
  const { d, locale } = useDoorTexts();
  const { t } = useTexts();
  const { isWorking, failure: refusal, run } = useAction();
  const [loaded, setLoaded] = useState<number | null>(null);
  const { value: events, failure, reload } = useLoaded(async () => (await listEvents(await getMe(), "admitPeople")).filter(isAhead).toSorted(byStart), userId);
  if (!events) return failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={6} />;
  if (events.length === 0) {
    return (
      <>
        <h1>{d.noWorkTitle}</h1>
        <p class="lead">{d.noWorkText}</p>
      </>
    );
  }
  const submit = (submitted: SubmitEvent) => {
    submitted.preventDefault();
    const fields = new FormData(submitted.currentTarget as HTMLFormElement);
    run(async () => open(await Door.begin(store, userId, String(fields.get("event")), String(fields.get("gate")).trim(), setLoaded)));
  };
  return (
    <form class="form panel" onSubmit={submit}>
      <h1>{d.setup.title}</h1>
      <div class="field">
        <label for="event">{d.setup.event}</label>
        <select id="event" name="event" required>
          {events.map((event) => (
            <option key={event.id} value={event.id} selected={event.id === eventId}>
              {[event.starts_at && shortDayAndTime(event.starts_at, event.timezone ?? undefined, locale), event.name].filter(Boolean).join(" · ")}
            </option>
          ))}
        </select>
      </div>
      <div class="field">
        <label for="gate">{d.setup.gate}</label>
        <input id="gate" name="gate" type="text" required maxLength={64} pattern=".*\S.*" autocomplete="off" aria-describedby="gate-note" />
        <p class="small" id="gate-note">
          {d.setup.gateNote}
        </p>
      </div>
      <p class="small">{d.setup.keeps}</p>
      {refusal && <Failure failure={refusal} />}
      <button type="submit" class="button" disabled={isWorking}>
        {isWorking ? t.checkout.working : d.setup.begin}
      </button>
      <p role="status">{isWorking && loaded !== null && d.setup.loading(loaded)}</p>
    </form>
  );
}

/** Choose the event whose tickets this device sells. */
export function ChooseCounter({ userId, open }: { userId: string; open: (eventId: string) => void }) {
  const { d } = useDoorTexts();
  const load = async () => (await listEvents(await getMe(), "sellAtBoxOffice")).filter(isAhead).toSorted(byStart);
  const { value: events, failure, reload } = useLoaded(load, userId);
  if (!events) return failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={6} />;
  return (
    <>
      <h1>{d.counter.choose}</h1>
      {events.length === 0 && <p class="lead">{d.counter.failures.forbidden}</p>}
      <ul class="rows">
        {events.map((event) => (
          <li key={event.id} class="row-card">
            <button type="button" class="link" onClick={() => open(event.id)}>
              {event.name}
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}

/** Whether people may still enter. An event without an end is over one day after its start. */
function isAhead({ starts_at, ends_at, status }: ListedEvent): boolean {
  const end = ends_at ? seconds(ends_at) : starts_at ? seconds(starts_at) + DAY_SECONDS : Infinity;
  return status !== "cancelled" && status !== "draft" && end > now();
}

function byStart(a: ListedEvent, b: ListedEvent): number {
  return (a.starts_at ?? "9").localeCompare(b.starts_at ?? "9");
}
