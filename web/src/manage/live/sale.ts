/** API calls for a running sale, and a hook that polls it every two seconds while the page is visible. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiFailure, content, type Schemas } from "../../client";
import { manager } from "../api";
import { withSample, type Sample } from "./sample";

export type LiveSale = Schemas["LiveSaleView"];

const SECONDS = 2;
const MAX_SECONDS = 16; // between two polls while the API does not answer

const eventParams = (event_id: string) => ({ params: { path: { event_id } } });

export const getLiveSale = (event_id: string) => content(manager.GET("/admin/events/{event_id}/live", eventParams(event_id)));
export const pauseSale = (event_id: string) => content(manager.POST("/admin/events/{event_id}/pause", eventParams(event_id)));
export const resumeSale = (event_id: string) => content(manager.POST("/admin/events/{event_id}/resume", eventParams(event_id)));
export const setRate = (event_id: string, wave_size: number, wave_seconds: number) =>
  content(manager.POST("/admin/events/{event_id}/waiting-room/rate", { ...eventParams(event_id), body: { wave_size, wave_seconds } }));
export const letIn = (event_id: string, count: number) =>
  content(manager.POST("/admin/events/{event_id}/waiting-room/let-in", { ...eventParams(event_id), body: { count } }));

interface PolledSale {
  sale: LiveSale | null;
  samples: Sample[];
  /** The error of the last poll; null if it succeeded. */
  failure: ApiFailure | null;
  /** Poll at once, after a change. */
  poll: () => void;
}

/** Poll the sale while the page is visible, one request at a time. A hidden page sends no requests. */
export function useLiveSale(eventId: string): PolledSale {
  const [state, setState] = useState<Omit<PolledSale, "poll">>({ sale: null, samples: [], failure: null });
  const pollNow = useRef(() => {});
  useEffect(() => {
    let hasEnded = false;
    let isPolling = false;
    let mustPollAgain = false;
    let delay = SECONDS;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const poll = async () => {
      clearTimeout(timer);
      if (isPolling) {
        mustPollAgain = true;
        return;
      }
      isPolling = true;
      mustPollAgain = false;
      try {
        const sale = await getLiveSale(eventId);
        delay = SECONDS;
        if (!hasEnded) setState(({ samples }) => ({ sale, samples: withSample(samples, sampleOf(sale)), failure: null }));
      } catch (error) {
        if (!(error instanceof ApiFailure)) throw error;
        delay = Math.min(2 * delay, MAX_SECONDS);
        if (!hasEnded) setState((before) => ({ ...before, failure: error }));
      } finally {
        isPolling = false;
        if (!hasEnded && document.visibilityState === "visible") {
          if (mustPollAgain) void poll();
          else timer = setTimeout(() => void poll(), 1000 * delay);
        }
      }
    };
    const onVisible = () => (document.visibilityState === "visible" ? void poll() : clearTimeout(timer));
    pollNow.current = () => void poll();
    void poll();
    document.addEventListener("visibilitychange", onVisible);
    addEventListener("online", onVisible);
    return () => {
      hasEnded = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", onVisible);
      removeEventListener("online", onVisible);
    };
  }, [eventId]);
  const poll = useCallback(() => pollNow.current(), []);
  return { ...state, poll };
}

/** The takings in the currency with the most revenue. */
export const mainTakings = ({ takings }: LiveSale) => takings?.toSorted((a, b) => b.captured_cents - a.captured_cents)[0];

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
    cents: (live.takings ?? []).reduce((sum, takings) => sum + (takings.currency === currency ? takings.balance_cents : 0), 0),
    failed: purchases ? purchases.declined + purchases.expired + purchases.cancelled + purchases.rejected : 0,
    isPaused: sale.paused,
  };
}
