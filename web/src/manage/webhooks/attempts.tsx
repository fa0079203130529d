/** One line about a delivery: its time, the number of attempts, and the result of the last one. */

import { dayAndTime } from "../../formats";
import { useTexts } from "../../texts";
import { useRoomTexts } from "../texts";
import type { Delivery } from "./api";

export function Attempts({ delivery: { created_at, attempts_made, last_error, last_status } }: { delivery: Delivery }) {
  const own = useRoomTexts("webhooks");
  const { locale } = useTexts();
  const facts = [
    dayAndTime(created_at, undefined, locale),
    own.attempts(attempts_made),
    last_error && (own.errors[last_error] ?? last_error),
    last_status && `HTTP ${last_status}`,
  ];
  return <p class="small date-first">{facts.filter(Boolean).join(" · ")}</p>;
}
