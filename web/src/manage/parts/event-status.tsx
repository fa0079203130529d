/** How the sale of an event stands, as a label: a pause comes before what its dates say. */

import { useTexts } from "../../texts";
import type { ManagedEvent } from "../api";
import { useRoomTexts } from "../texts";

export function EventStatus({ event: { status, paused }, of: Element }: { event: ManagedEvent; of: "p" | "span" }) {
  const { t } = useTexts();
  const own = useRoomTexts("shell");
  const isPaused = paused && (status === "on_sale" || status === "scheduled" || status === "sold_out");
  return <Element class={`status status-${isPaused ? "paused" : status}`}>{isPaused ? own.paused : t.status[status]}</Element>;
}
