/** Several events side by side: their sales, revenue, rates and check-ins. */

import { useMemo, useState } from "preact/hooks";
import { money } from "../../formats";
import { Failure, Skeleton } from "../../parts/failure";
import { useLoaded } from "../../parts/hooks";
import { now } from "../../server-time";
import { useTexts } from "../../texts";
import type { ListedEvent } from "../api";
import { listEvents } from "../events/own-events";
import { share } from "../parts/event-figures";
import { TablePlace } from "../parts/table-place";
import { useRoomTexts } from "../texts";
import { useMe } from "../who";
import { daysAgo, getFigures, type Figures } from "./figures";

const MAX_COMPARED = 6;

export function ComparePage() {
  const own = useRoomTexts("sales");
  const me = useMe();
  const { value: events, failure, reload } = useLoaded(() => listEvents(me, "seeFigures"), me.id);
  const [chosen, setChosen] = useState<string[]>([]);
  const compared = useMemo(() => (events ?? []).filter(({ id }) => chosen.includes(id)), [events, chosen]);
  return (
    <div class="page">
      <h1>{own.compare}</h1>
      {!events && (failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={6} />)}
      {events && (
        <fieldset class="panel compare" aria-labelledby="choose-title">
          <h2 id="choose-title">{own.choose(MAX_COMPARED)}</h2>
          {events.map((event) => (
            <label class="choice" key={event.id}>
              <input
                type="checkbox"
                checked={chosen.includes(event.id)}
                disabled={!chosen.includes(event.id) && chosen.length >= MAX_COMPARED}
                onChange={({ currentTarget }) => setChosen(currentTarget.checked ? [...chosen, event.id] : chosen.filter((id) => id !== event.id))}
              />{" "}
              {event.name}
            </label>
          ))}
        </fieldset>
      )}
      {compared.length > 0 && <Compared key={chosen.join()} events={compared} />}
    </div>
  );
}

function Compared({ events }: { events: ListedEvent[] }) {
  const own = useRoomTexts("sales");
  const { locale } = useTexts();
  const load = () => Promise.all(events.map(({ id }) => getFigures(id, daysAgo(1, now()))));
  const { value, failure, reload } = useLoaded(load, events.map(({ id }) => id).join());
  if (!value) return failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={6} />;
  const rows: [string, (figures: Figures) => string][] = [
    [own.sold, ({ tickets_sold }) => tickets_sold.toLocaleString(locale)],
    [own.capacitySold, (figures) => share(filled(figures), locale)],
    [own.balance, ({ revenue }) => revenue.map((of) => money(of.balance_cents, of.currency, locale)).join(", ") || "–"],
    [own.orders, ({ funnel }) => funnel.orders.toLocaleString(locale)],
    [own.holdToOrder, ({ conversion }) => share(conversion.hold_to_order, locale)],
    [own.paymentSuccess, ({ payment_success_rate }) => share(payment_success_rate, locale)],
    [own.returned, ({ refunds }) => refunds.tickets.toLocaleString(locale)],
    [own.checkedIn, ({ admission }) => share(admission.progress, locale)],
  ];
  return (
    <section class="panel">
      <h2>{own.comparison}</h2>
      <TablePlace label={own.comparison}>
        <table>
          <thead>
            <tr>
              <td />
              {events.map((event) => (
                <th scope="col" class="number" key={event.id}>
                  <a href={`/manage/events/${event.id}/sales`}>{event.name}</a>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(([name, read]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                {value.map((figures) => (
                  <td class="number" key={figures.event_id}>
                    {read(figures)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </TablePlace>
    </section>
  );
}

/** The sold share of an event's tickets, less returned tickets; null for an event without a limit. */
function filled({ capacity, tiers }: Figures): number | null {
  const kept = tiers.reduce((sum, tier) => sum + tier.kept, 0);
  const limits = tiers.map((tier) => tier.capacity);
  const all = capacity ?? (limits.includes(null) ? null : limits.reduce<number>((sum, limit) => sum + limit!, 0));
  return all ? kept / all : null;
}
