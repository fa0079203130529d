/** Connects a buyer's place in a waiting room to this browser: network, clock, and storage, which keeps the place across reloads and tabs. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { ApiFailure, getRoom, join } from "./api";
import { Place, type Kept, type PlaceView } from "./place";
import { withWork } from "./proof-of-work";
import { now } from "./server-time";
import type { State } from "../waiting-room.js";

export type ShownPlace = PlaceView & { enter: () => void; lookAgain: () => void; keep: (token: string | null) => void };

export function usePlace(eventId: string): ShownPlace {
  const [, redraw] = useState({});
  const place = useMemo(() => new Place(surroundings(eventId, () => redraw({}))), [eventId]);
  useEffect(() => {
    const onReturn = () => document.visibilityState === "visible" && void place.lookAgain();
    const onStorage = (event: StorageEvent) => event.key === key(eventId, "token") && place.tokenChanged();
    document.addEventListener("visibilitychange", onReturn);
    addEventListener("online", onReturn);
    addEventListener("storage", onStorage);
    place.start();
    return () => {
      place.stop();
      document.removeEventListener("visibilitychange", onReturn);
      removeEventListener("online", onReturn);
      removeEventListener("storage", onStorage);
    };
  }, [place]);
  return { ...place.view(), enter: () => void place.enter(), lookAgain: () => void place.lookAgain(), keep: (token) => void place.keep(token) };
}

/** Whether this browser has a place in the event's waiting room, which may have been used or be over. */
export function hasPlace(eventId: string): boolean {
  return localStorage.getItem(key(eventId, "token")) !== null;
}

function surroundings(eventId: string, changed: () => void) {
  return {
    fetchRoom: () => getRoom(eventId).catch((error) => (error instanceof ApiFailure && error.status === 404 ? null : Promise.reject(error))),
    join: async () => (await joinWithWork(eventId)).token ?? null,
    proveEntry: (room: State, token: string) => import("./entry-proof").then(({ proveEntry }) => proveEntry(room, token)),
    memory: {
      read: (name: Kept) => localStorage.getItem(key(eventId, name)),
      write: (name: Kept, value: string | null) =>
        value === null ? localStorage.removeItem(key(eventId, name)) : localStorage.setItem(key(eventId, name), value),
    },
    now,
    random: Math.random,
    isHidden: () => document.visibilityState === "hidden",
    later: (seconds: number, action: () => void) => {
      const timer = setTimeout(action, 1000 * seconds);
      return () => clearTimeout(timer);
    },
    changed,
  };
}

async function joinWithWork(eventId: string) {
  const kept = (name: string) => localStorage.getItem(`fairgate.${name}.${eventId}`) ?? undefined; // which the parts of the line have written
  const proof = { address_proof: kept("address"), access_code: kept("access"), card_proof: kept("card"), invitation: kept("group"), longer_turn: kept("longer") ? true : undefined };
  return withWork((work) => join(eventId, { ...proof, ...work }));
}

function key(eventId: string, name: Kept): string {
  return `fairgate.${name === "token" ? "place" : name}.${eventId}`;
}
