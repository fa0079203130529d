/** The status of an event's sale as a label. A pause takes precedence over the dates. */

import { useTexts } from "../../texts";
import type { ManagedEvent } from "../api";

export function EventStatus({ event: { status, paused }, as: Element }: { event: Pick<ManagedEvent, "status" | "paused">; as: "p" | "span" }) {
  const { t } = useTexts();
  const isPaused = paused && (status === "on_sale" || status === "scheduled" || status === "sold_out");
  const shown = isPaused ? "paused" : status;
  return <Element class={`status status-${shown}`}>{t.status[shown]}</Element>;
}
