/** The running sale of an event: looked at every two seconds while somebody looks, and steered. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiFailure, content, type Schemas } from "../../client";
import { manager } from "../api";
import { withSample, type Sample } from "./sample";

export type LiveSale = Schemas["LiveSaleView"];

const SECONDS = 2;
const MAX_SECONDS = 16; // between two looks while the API does not answer

const ofEvent = (event_id: string) => ({ params: { path: { event_id } } });

export const getLiveSale = (event_id: string) => content(manager.GET("/admin/events/{event_id}/live", ofEvent(event_id)));
export const pauseSale = (event_id: string) => content(manager.POST("/admin/events/{event_id}/pause", ofEvent(event_id)));
export const resumeSale = (event_id: string) => content(manager.POST("/admin/events/{event_id}/resume", ofEvent(event_id)));
export const setRate = (event_id: string, wave_size: number, wave_seconds: number) =>
  content(manager.POST("/admin/events/{event_id}/waiting-room/rate", { ...ofEvent(event_id), body: { wave_size, wave_seconds } }));
export const letIn = (event_id: string, count: number) =>
  content(manager.POST("/admin/events/{event_id}/waiting-room/let-in", { ...ofEvent(event_id), body: { count } }));

interface Watched {
  sale: LiveSale | null;
  samples: Sample[];
  /** Why the last look had no answer; null if it had one. */
  failure: ApiFailure | null;
  /** Look at once, after a change. */
  look: () => void;
}

/** Look again and again while the page is seen, one request at a time; a hidden page asks nothing. */
export function useLiveSale(eventId: string): Watched {
  const [state, setState] = useState<Omit<Watched, "look">>({ sale: null, samples: [], failure: null });
  const lookNow = useRef(() => {});
  useEffect(() => {
    let isOver = false;
    let isAsking = false;
    let mustAskAgain = false;
    let pause = SECONDS;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async () => {
      clearTimeout(timer);
      if (isAsking) {
        mustAskAgain = true;
        return;
      }
      isAsking = true;
      mustAskAgain = false;
      try {
        const sale = await getLiveSale(eventId);
        pause = SECONDS;
        if (!isOver) setState(({ samples }) => ({ sale, samples: withSample(samples, sampleOf(sale)), failure: null }));
      } catch (error) {
        if (!(error instanceof ApiFailure)) throw error;
        pause = Math.min(2 * pause, MAX_SECONDS);
        if (!isOver) setState((before) => ({ ...before, failure: error }));
      } finally {
        isAsking = false;
        if (!isOver && document.visibilityState === "visible") {
          if (mustAskAgain) void look();
          else timer = setTimeout(() => void look(), 1000 * pause);
        }
      }
    };
    const onVisible = () => (document.visibilityState === "visible" ? void look() : clearTimeout(timer));
    lookNow.current = () => void look();
    void look();
    document.addEventListener("visibilitychange", onVisible);
    addEventListener("online", onVisible);
    return () => {
      isOver = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", onVisible);
      removeEventListener("online", onVisible);
    };
  }, [eventId]);
  const look = useCallback(() => lookNow.current(), []);
  return { ...state, look };
}

/** The currency in which most of the money came in. */
export const mainTakings = ({ takings }: LiveSale) => takings.toSorted((one, other) => other.captured_cents - one.captured_cents)[0];

export function sampleOf(live: LiveSale): Sample {
  const { sale, purchases } = live;
  const currency = mainTakings(live)?.currency;
  return {
    at: Date.parse(live.at) / 1000,
    waiting: sale.queue_length,
    admitted: sale.waiting_room?.admitted ?? 0,
    held: sale.total_active_holds,
    sold: sale.total_sold,
    capacity: sale.total_capacity,
    cents: live.takings.reduce((sum, takings) => sum + (takings.currency === currency ? takings.balance_cents : 0), 0),
    failed: purchases.declined + purchases.expired + purchases.cancelled + purchases.rejected,
    isPaused: sale.paused,
  };
}
