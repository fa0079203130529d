/**
 * A buyer's place in a waiting room. The position, the countdown and the time left are computed here, from the token and from the public
 * document that is the same for everybody; the API is asked by this buyer alone only to join.
 */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiFailure, getRoom, join } from "./api";
import { solve } from "./proof-of-work";
import { now } from "./server-time";
import { PositionError, readToken, trackPosition, type State, type Status } from "../waiting-room.js";

type Tracker = Awaited<ReturnType<typeof trackPosition>>;

export interface Place {
  /** `none`: not in line; `open`: this event has no line; `working`: joining. */
  stage: "loading" | "none" | "working" | "waiting" | "open";
  status: Status | null;
  room: State | null;
  token: string | null;
  commitmentKept: boolean | null;
  /** Whether the last attempt to get the document failed; what is shown goes on from the one before. */
  isOffline: boolean;
  failure: ApiFailure | null;
  /** The line was cleared, so that the buyer has to join again. */
  wasCleared: boolean;
  enter: () => void;
}

const FAR_SECONDS = 90;

export function storedToken(eventId: string): string | null {
  const token = localStorage.getItem(key(eventId));
  try {
    return token !== null && readToken(token) ? token : null;
  } catch {
    return null;
  }
}

export function usePlace(eventId: string): Place {
  const tracker = useRef<Tracker | null>(null);
  const [token, setToken] = useState(() => storedToken(eventId));
  const [room, setRoom] = useState<State | null>(null);
  const [status, setStatus] = useState<Status | null>(null);
  const [isOffline, setOffline] = useState(false);
  const [isWorking, setWorking] = useState(false);
  const [wasCleared, setCleared] = useState(false);
  const [failure, setFailure] = useState<ApiFailure | null>(null);

  const refresh = useCallback(async () => {
    try {
      const newest = await getRoom(eventId);
      setOffline(false);
      setFailure(null);
      if (token && readToken(token).until <= now()) {
        localStorage.removeItem(key(eventId)); // only now, because the answer has told the time
        setToken(null);
      } else if (token) {
        if (tracker.current === null) tracker.current = await trackPosition(newest, token);
        else await tracker.current.update(newest);
        setStatus(tracker.current.statusAt(now()));
      }
      setRoom(newest);
    } catch (error) {
      if (error instanceof PositionError && error.code !== "state_outdated") {
        localStorage.removeItem(key(eventId));
        tracker.current = null;
        setCleared(true);
        setStatus(null);
        setToken(null);
      } else if (error instanceof ApiFailure && error.status === 404) {
        setToken(""); // this event has no waiting room
      } else if (error instanceof ApiFailure) {
        setOffline(true);
        setFailure(error);
      }
    }
  }, [eventId, token]);

  useEffect(() => {
    if (token === "") return;
    return keepFresh(refresh, () => tracker.current?.statusAt(now()) ?? null);
  }, [refresh, token]);

  useEffect(() => {
    const timer = setInterval(() => tracker.current && setStatus(tracker.current.statusAt(now())), 1000);
    const onStorage = (event: StorageEvent) => event.key === key(eventId) && setToken(event.newValue); // joined in another tab
    addEventListener("storage", onStorage);
    return () => (clearInterval(timer), removeEventListener("storage", onStorage));
  }, [eventId]);

  const enter = async () => {
    if (isWorking) return;
    setWorking(true);
    setFailure(null);
    try {
      const joined = await joinWithWork(eventId);
      tracker.current = null;
      if (joined.token) localStorage.setItem(key(eventId), joined.token);
      setCleared(false);
      setToken(joined.token ?? "");
    } catch (error) {
      if (error instanceof ApiFailure) setFailure(error);
      else throw error;
    } finally {
      setWorking(false);
    }
  };

  const stage =
    token === "" ? "open" : isWorking ? "working" : token === null ? (room || failure ? "none" : "loading") : status ? "waiting" : "loading";
  const commitmentKept = tracker.current?.commitmentKept ?? null;
  return { stage, status, room, token: token || null, commitmentKept, isOffline, failure, wasCleared, enter };
}

/** Join; where that takes proof of work, solve the challenge of the refusal first. */
async function joinWithWork(eventId: string) {
  try {
    return await join(eventId);
  } catch (error) {
    if (!(error instanceof ApiFailure) || error.code !== "challenge_required") throw error;
    const challenge = String(error.details.challenge);
    return join(eventId, { challenge, nonce: await solve(challenge, Number(error.details.difficulty)) });
  }
}

/** Call `refresh` now, at random intervals, and when the buyer comes back; rarely while the page is hidden. Returns how to stop. */
function keepFresh(refresh: () => Promise<void>, currentStatus: () => Status | null): () => void {
  let timer: ReturnType<typeof setTimeout>;
  let stopped = false;
  const round = async () => {
    clearTimeout(timer);
    await refresh();
    if (!stopped) timer = setTimeout(round, 1000 * pauseSeconds(currentStatus()));
  };
  const onReturn = () => document.visibilityState === "visible" && void round();
  document.addEventListener("visibilitychange", onReturn);
  addEventListener("online", onReturn);
  void round();
  return () => {
    stopped = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", onReturn);
    removeEventListener("online", onReturn);
  };
}

/** How long the document is good for. Random, so that a crowd does not ask in step; just after the opening, so that the draw is there. */
function pauseSeconds(status: Status | null): number {
  const spread = 0.5 + Math.random();
  if (status?.state === "waiting") {
    const untilOpening = status.secondsUntilOnSale + 0.5 + 2 * Math.random();
    return status.secondsUntilOnSale > FAR_SECONDS ? Math.min(30 * spread, untilOpening) : Math.min(8 * spread, untilOpening);
  }
  return document.visibilityState === "hidden" ? 20 * spread : 4 * spread;
}

function key(eventId: string): string {
  return `fairgate.place.${eventId}`;
}
