/** The door's main page: scanner, search, counts, recent scans and device state. */

import { useEffect, useState } from "preact/hooks";
import { withNext } from "../next-page";
import { Outcome } from "../parts/failure";
import { useScreenLock } from "../parts/screen-lock";
import { unlockSound } from "../parts/tones";
import { now } from "../server-time";
import { useBuyer } from "../session";
import { useTexts } from "../texts";
import { timesAt } from "./admission";
import { Conflicts } from "./conflicts";
import { DeviceState } from "./device-state";
import type { Door, DoorView } from "./door";
import { give, scanTone } from "./feedback";
import { GateCounts } from "./gate-counts";
import { Practice } from "./practice";
import { ScanList } from "./scan-list";
import { isUnsent } from "./scan-log";
import { Scanner } from "./scanner";
import { useDoorTexts } from "./texts";
import { TicketSearch } from "./ticket-search";
import { useDoorView, useKeptGoing, useKeptPage } from "./use-door";
import { VerdictPanel } from "./verdict-panel";

export function DoorPage({ door, leave }: { door: Door; leave: () => Promise<void> }) {
  const { language } = useTexts();
  const { d } = useDoorTexts();
  const { buyer } = useBuyer();
  const view = useDoorView(door);
  const [isScanning, setScanning] = useState(false);
  const isKept = useKeptPage(language);
  useKeptGoing(door);
  useScreenLock(isScanning);
  useEffect(() => {
    addEventListener("pointerdown", unlockSound); // browsers play no sound before the first interaction
    addEventListener("keydown", unlockSound);
    return () => (removeEventListener("pointerdown", unlockSound), removeEventListener("keydown", unlockSound));
  }, []);
  useEffect(() => {
    if (view.verdict) give(scanTone(view.verdict.scan));
  }, [view.verdict]);
  const { setup, connection } = view;
  const isLocked = connection === "forbidden" || (buyer?.kind === "account" && buyer.id !== setup.userId);
  return (
    <>
      <div class="door-head">
        <div>
          <h1>{setup.event.name}</h1>
          <p class="door-gate">{[setup.gate, timesAt(setup.event, null, now()).name].filter(Boolean).join(" · ")}</p>
        </div>
        {!isLocked && (
          <p class={`connection connection-${connection}`} role="status">
            {d.state[connection]}
            {connection === "signed_out" && (
              <>
                {" · "}
                <a href={withNext("/sign-in", "/door")}>{d.state.signInAgain}</a>
              </>
            )}
          </p>
        )}
      </div>
      {isLocked ? (
        <Locked door={door} view={view} leave={leave} />
      ) : (
        <div class="door-parts">
          <div class={`door-main ${view.direction === "out" ? "scans-out" : ""}`}>
            <Practice door={door} view={view} />
            <Exits door={door} view={view} />
            <VerdictPanel door={door} verdict={view.verdict} timezone={setup.event.timezone} />
            <Scanner onCode={(text) => door.scan(text)} onRunning={setScanning} />
            <TicketSearch door={door} view={view} />
          </div>
          <div class="door-side">
            <Conflicts door={door} scans={view.scans} timezone={setup.event.timezone} />
            <GateCounts view={view} />
            <ScanList door={door} view={view} />
            <DeviceState door={door} view={view} isKept={isKept} leave={leave} />
          </div>
        </div>
      )}
    </>
  );
}

/** The door for an account that may not work here, or that the shop has not checked yet. Without unsent scans, the device may change the event. */
function Locked({ door, view: { connection, isRefreshing, scans }, leave }: { door: Door; view: DoorView; leave: () => Promise<void> }) {
  const { d } = useDoorTexts();
  const isRefused = connection === "forbidden";
  return (
    <Outcome tone="calm" title={isRefused ? d.locked.title : d.locked.uncheckedTitle}>
      {isRefreshing ? <p>{d.state.checking}</p> : connection === "offline" && <p>{d.locked.offline}</p>}
      <p>{isRefused ? d.locked.text : d.locked.uncheckedText}</p>
      <div class="row">
        <button type="button" class="button" disabled={isRefreshing} onClick={() => void door.tick(true)}>
          {d.state.askAgain}
        </button>
        {connection === "signed_out" && (
          <a class="button" href={withNext("/sign-in", "/door")}>
            {d.state.signInAgain}
          </a>
        )}
        {isRefused && !scans.some(isUnsent) && (
          <button type="button" class="button button-quiet" onClick={() => void leave()}>
            {d.locked.otherEvent}
          </button>
        )}
      </div>
    </Outcome>
  );
}

/** Whether the next scans let people in or out, if the event allows re-entry. */
function Exits({ door, view: { direction, isPractice, setup } }: { door: Door; view: DoorView }) {
  const { d } = useDoorTexts();
  if (!setup.event.allows_reentry || isPractice) return null;
  const isOut = direction === "out";
  return (
    <section class={`panel ${isOut ? "exits" : ""}`} aria-labelledby="exits">
      <h2 id="exits">{isOut ? d.exits.title : d.exits.offTitle}</h2>
      <p role="status">{isOut ? d.exits.note : d.exits.offNote}</p>
      <button type="button" class="button" onClick={() => void door.turn(isOut ? "in" : "out")}>
        {isOut ? d.exits.end : d.exits.begin}
      </button>
    </section>
  );
}
