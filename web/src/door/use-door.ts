/** Hooks that connect the page to the device's door. One tab at a time owns the door and keeps it running while the page is visible. */

import { useEffect, useState } from "preact/hooks";
import type { Language } from "../texts";
import { DeviceStore } from "./device-store";
import { Door, type DoorView } from "./door";
import { forgetDoor, keepDoor } from "./kept-door";

const LOCK = "fairgate-door";
const TICK_MS = 5000;
const ELSEWHERE_MS = 1000; // a reload releases the lock at once

/** `elsewhere`: another tab owns the door. `door` is null until one is opened. */
export type DoorState = { stage: "loading" | "elsewhere" } | { stage: "ready"; door: Door | null; store: DeviceStore };

export function useDoor(): { state: DoorState; open: (door: Door) => void; leave: () => Promise<void> } {
  const [state, setState] = useState<DoorState>({ stage: "loading" });
  useEffect(() => {
    const timer = setTimeout(() => setState((before) => (before.stage === "loading" ? { stage: "elsewhere" } : before)), ELSEWHERE_MS);
    void navigator.locks.request(LOCK, async () => {
      const store = await DeviceStore.open();
      setState({ stage: "ready", door: await Door.load(store), store });
      clearTimeout(timer);
      await new Promise(() => {}); // until the tab is closed
    });
  }, []);
  const open = (door: Door) => setState((before) => (before.stage === "ready" ? { ...before, door } : before));
  const leave = async () => {
    if (state.stage !== "ready") return;
    await state.store.clear(true);
    await forgetDoor();
    setState({ ...state, door: null });
  };
  return { state, open, leave };
}

/** The current view of the door. */
export function useDoorView(door: Door): DoorView {
  const [view, setView] = useState(door.view);
  useEffect(() => {
    setView(door.view);
    return door.subscribe(() => setView(door.view));
  }, [door]);
  return view;
}

/** Send pending scans and fetch changes: periodically, and at once when the network or the person comes back. */
export function useKeptGoing(door: Door): void {
  useEffect(() => {
    const tick = () => document.visibilityState === "visible" && void door.tick();
    const comeBack = () => {
      if (document.visibilityState === "visible") void door.tick(true);
    };
    const lose = () => door.loseNetwork();
    comeBack();
    const timer = setInterval(tick, TICK_MS);
    addEventListener("online", comeBack);
    addEventListener("offline", lose);
    document.addEventListener("visibilitychange", comeBack);
    return () => {
      clearInterval(timer);
      removeEventListener("online", comeBack);
      removeEventListener("offline", lose);
      document.removeEventListener("visibilitychange", comeBack);
    };
  }, [door]);
}

/** Store the page in its language for offline use. Returns whether it opens offline; null while unknown. */
export function useKeptPage(language: Language): boolean | null {
  const [isKept, setKept] = useState<boolean | null>(null);
  useEffect(() => {
    let mayTry = true; // one attempt at a time until it succeeds: the network may come back during an attempt
    const keep = async () => {
      if (!mayTry || document.visibilityState !== "visible") return;
      mayTry = false;
      const wasKept = await keepDoor();
      setKept(wasKept);
      mayTry = !wasKept;
    };
    void keep();
    addEventListener("online", keep);
    document.addEventListener("visibilitychange", keep);
    return () => (removeEventListener("online", keep), document.removeEventListener("visibilitychange", keep));
  }, [language]);
  return isKept;
}
