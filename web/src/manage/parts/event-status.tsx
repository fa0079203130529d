/** The status of an event's sale as a label. A pause takes precedence over the dates. */

import { useTexts } from "../../texts";
import type { ManagedEvent } from "../api";
import { useRoomTexts } from "../texts";

export function EventStatus({ event: { status, paused }, as: Element }: { event: ManagedEvent; as: "p" | "span" }) {
  const { t } = useTexts();
  const own = useRoomTexts("shell");
  const isPaused = paused && (status === "on_sale" || status === "scheduled" || status === "sold_out");
  return <Element class={`status status-${isPaused ? "paused" : status}`}>{isPaused ? own.paused : t.status[status]}</Element>;
}
