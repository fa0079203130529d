/** The state of this device: the age and gaps of its list, what it stores and until when, its sound and its colors. */

import { useEffect, useState } from "preact/hooks";
import { dayAndTime, timeOfDay } from "../formats";
import { deletesAt, type Door, type DoorView } from "./door";
import { give, isSoundOn, setSound } from "./feedback";
import { isUnsent } from "./scan-log";
import { useDoorTexts } from "./texts";

const LOOK = "fairgate.door-look";
const LOOKS = ["auto", "light", "dark"] as const;
type Look = (typeof LOOKS)[number];

interface Props {
  door: Door;
  view: DoorView;
  /** Whether the page opens offline; null while unknown. */
  isKept: boolean | null;
  leave: () => Promise<void>;
}

export function DeviceState({ door, view, isKept, leave }: Props) {
  const { d, locale } = useDoorTexts();
  const { setup } = view;
  const { timezone } = setup.event;
  const unsent = view.scans.filter(isUnsent).length;
  const saveGate = (submitted: SubmitEvent) => {
    submitted.preventDefault();
    const gate = String(new FormData(submitted.currentTarget as HTMLFormElement).get("gate")).trim();
    if (gate) void door.setGate(gate);
  };
  return (
    <section class="panel" aria-labelledby="device">
      <h2 id="device">{d.state.title}</h2>
      <div role="status">
        <p>{view.isRefreshing ? d.state.checking : d.state.listFrom(timeOfDay(setup.loadedAt, timezone, locale), view.tickets.size)}</p>
        {setup.asOf === null && <p class="door-warning">{d.state.incomplete}</p>}
        {view.connection !== "online" && <p>{d.state.gap}</p>}
        {isKept === false && <p class="door-warning">{d.state.notKept}</p>}
        {unsent > 0 && <p class="door-warning">{d.state.waiting(unsent)}</p>}
      </div>
      <button type="button" class="button button-quiet" disabled={view.isRefreshing} onClick={() => void door.tick(true)}>
        {d.state.refresh}
      </button>
      <form class="field" onSubmit={saveGate}>
        <label for="own-gate">{d.state.gate}</label>
        <div class="field-row">
          <input id="own-gate" name="gate" type="text" required maxLength={64} autocomplete="off" defaultValue={setup.gate} />
          <button type="submit" class="button button-quiet">
            {d.state.saveGate}
          </button>
        </div>
      </form>
      <Sound />
      <Looks />
      <p class="small">{d.state.device(setup.device)}</p>
      <p class="small">{d.state.keeps(dayAndTime(new Date(1000 * deletesAt(setup)).toISOString(), timezone, locale))}</p>
      <Leave unsent={unsent} leave={leave} />
    </section>
  );
}

function Sound() {
  const { d } = useDoorTexts();
  const [isOn, setOn] = useState(isSoundOn);
  const choose = (chosen: boolean) => {
    setSound(chosen);
    setOn(chosen);
    if (chosen) give("good");
  };
  return (
    <label class="row">
      <input type="checkbox" checked={isOn} onChange={({ currentTarget }) => choose(currentTarget.checked)} />
      {d.state.sound}
    </label>
  );
}

function Looks() {
  const { d } = useDoorTexts();
  const [look, setLook] = useState<Look>(() => LOOKS.find((name) => name === localStorage.getItem(LOOK)) ?? "auto");
  useEffect(() => {
    document.documentElement.dataset.look = look;
    localStorage.setItem(LOOK, look);
  }, [look]);
  return (
    <div class="field">
      <label for="look">{d.state.look}</label>
      <select id="look" value={look} onChange={({ currentTarget }) => setLook(currentTarget.value as Look)}>
        {LOOKS.map((name) => (
          <option key={name} value={name}>
            {d.state.looks[name]}
          </option>
        ))}
      </select>
    </div>
  );
}

function Leave({ unsent, leave }: { unsent: number; leave: () => Promise<void> }) {
  const { d } = useDoorTexts();
  const [isAsking, setAsking] = useState(false);
  return (
    <>
      <button type="button" class="button button-quiet" onClick={() => (unsent > 0 ? setAsking(true) : void leave())}>
        {d.state.leave}
      </button>
      {isAsking && unsent > 0 && (
        <div class="notice notice-bad" role="alert">
          <p>{d.state.leaveBlocked(unsent)}</p>
          <button type="button" class="button button-quiet" onClick={() => void leave()}>
            {d.state.leaveAnyway}
          </button>
        </div>
      )}
    </>
  );
}
