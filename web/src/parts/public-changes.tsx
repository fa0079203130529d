/** What has changed since the event was published: prices, kinds of tickets, limits and times. Loaded when somebody opens the list. */

import type { EventWithTiers } from "../api";
import { dayAndTime, money, shortDayAndTime } from "../formats";
import { useTexts } from "../texts";
import type { changeTexts as en } from "../texts/en-changes";
import { inEachLanguage } from "../texts/languages";

/** All languages are in this file, because they are smaller than a second request. */
const TEXTS = inEachLanguage(import.meta.glob<typeof en>("../texts/??-changes.ts", { eager: true, import: "changeTexts" }));

type Change = EventWithTiers["changes"][number];

export function PublicChanges({ event }: { event: EventWithTiers }) {
  const { language, locale } = useTexts();
  const { before, fields, on, off, noLimit, noTime } = TEXTS[language];
  const zone = event.timezone;
  const shown = (value: Change["after"], { field, tier_id }: Change) => {
    if (value === null) return field.endsWith("_at") ? noTime : noLimit;
    if (field === "price_cents") return money(Number(value), event.tiers.find(({ id }) => id === tier_id)?.currency ?? event.currency ?? "USD", locale);
    return typeof value === "string" ? dayAndTime(value, zone, locale) : value.toLocaleString(locale);
  };
  return (
    <ul class="small">
      {event.changes.map((change) => (
        <li key={`${change.at} ${change.tier_id} ${change.field} ${change.after}`}>
          <time dateTime={change.at}>{shortDayAndTime(change.at, zone, locale)}</time>
          {change.tier_name && ` · ${change.tier_name}`}
          {" · "}
          {typeof change.after === "boolean" ? (change.after ? on : off)[change.field] : `${fields[change.field]}: ${shown(change.after, change)} (${before} ${shown(change.before, change)})`}
        </li>
      ))}
    </ul>
  );
}
