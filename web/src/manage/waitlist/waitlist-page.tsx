/** An event's waitlist: its figures, the demand by ticket type, the people in order, and offers out of turn. */

import { useState } from "preact/hooks";
import { dayAndTime, money } from "../../formats";
import { useTexts } from "../../texts";
import { Confirmed } from "../parts/confirmed";
import { share } from "../parts/event-figures";
import { usePages } from "../parts/use-pages";
import { PagedList } from "../parts/paged-list";
import { TablePlace } from "../parts/table-place";
import { useRoomTexts } from "../texts";
import { useManagedEvent, useMay } from "../who";
import { listLine, offerNow, type Entry, type Line, type Shown } from "./line";

export function WaitlistPage() {
  const own = useRoomTexts("waitlist");
  const { event } = useManagedEvent();
  const [shown, setShown] = useState<Shown>("waiting");
  return (
    <div class="page">
      <h1>{own.title}</h1>
      <p class="lead">{event.has_ballot ? own.ballotLead : event.has_waitlist ? own.lead : own.switchedOff}</p>
      <div class="control-fields">
        <label class="field">
          {own.show}
          <select value={shown} onChange={({ currentTarget }) => setShown(currentTarget.value as Shown)}>
            <option value="waiting">{own.waiting}</option>
            <option value="offered">{own.offered}</option>
          </select>
        </label>
      </div>
      <People key={shown} shown={shown} />
    </div>
  );
}

function People({ shown }: { shown: Shown }) {
  const own = useRoomTexts("waitlist");
  const { locale } = useTexts();
  const { event } = useManagedEvent();
  const [offered, setOffered] = useState<{ to: string; until: string } | null>(null);
  const found = usePages((cursor) => listLine(event.id, shown, cursor), event.id);
  const offer = async (entry: Entry) => {
    const { offer_expires_at } = await offerNow(entry.id);
    setOffered({ to: entry.user_id, until: offer_expires_at! });
    await found.reload();
  };
  const header = (line: Line) => (
    <>
      <Figures line={line} />
      <Demand line={line} />
    </>
  );
  const status = offered ? own.done(offered.to, dayAndTime(offered.until, event.timezone, locale)) : "";
  return (
    <PagedList found={found} itemsOf={(page) => page.entries} status={status} empty={{ title: own.none[shown], text: own.noneText[shown] }} header={header}>
      {(entries) => (
        <section class="group">
          <h2>{shown === "waiting" ? own.line : own.offered}</h2>
          {shown === "waiting" && !event.has_ballot && <p class="small">{own.offerEffect}</p>}
          <ol class="rows">
            {entries.map((entry, index) => (
              <Row key={entry.id} entry={entry} before={entries.slice(0, index).filter((earlier) => competes(earlier, entry)).length} offer={offer} />
            ))}
          </ol>
        </section>
      )}
    </PagedList>
  );
}

function Figures({ line }: { line: Line }) {
  const own = useRoomTexts("waitlist");
  const { locale } = useTexts();
  const figures: [string, string][] = [
    [own.waiting, line.waiting.toLocaleString(locale)],
    [own.offered, line.offered.toLocaleString(locale)],
    [own.accepted, line.accepted.toLocaleString(locale)],
    [own.declined, line.declined.toLocaleString(locale)],
    [own.expired, line.expired.toLocaleString(locale)],
    [own.conversion, share(line.conversion, locale)],
  ];
  return (
    <dl class="figures figures-by-three" aria-label={own.figures}>
      {figures.map(([name, value]) => (
        <div class="figure-card" key={name}>
          <dt>{name}</dt>
          <dd class="figure-value">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Demand({ line }: { line: Line }) {
  const own = useRoomTexts("waitlist");
  const { locale } = useTexts();
  const nameOf = useTierName();
  if (line.tiers.length === 0) return null;
  return (
    <section class="panel">
      <h2>{own.demand}</h2>
      <TablePlace label={own.demand}>
        <table>
          <thead>
            <tr>
              <th scope="col">{own.ticket}</th>
              <th scope="col" class="number">{own.people}</th>
              <th scope="col" class="number">{own.tickets}</th>
            </tr>
          </thead>
          <tbody>
            {line.tiers.map(({ tier_id, people, tickets }) => (
              <tr key={tier_id}>
                <th scope="row">{nameOf(tier_id)}</th>
                <td class="number">{people.toLocaleString(locale)}</td>
                <td class="number">{tickets.toLocaleString(locale)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </TablePlace>
      {line.tiers.length > 1 && <p class="small">{own.demandNote}</p>}
    </section>
  );
}

/** Whether two people wait for at least one common ticket type. */
const competes = (one: Entry, other: Entry) => one.tier_ids.some((id) => other.tier_ids.includes(id));

/** `before`: how many people joined earlier for at least one common ticket type. */
function Row({ entry, before, offer }: { entry: Entry; before: number; offer: (entry: Entry) => Promise<void> }) {
  const own = useRoomTexts("waitlist");
  const { locale } = useTexts();
  const { event } = useManagedEvent();
  const may = useMay();
  const nameOf = useTierName();
  const when = (iso: string) => dayAndTime(iso, event.timezone, locale);
  const currency = event.tiers.find((tier) => entry.tier_ids.includes(tier.id))?.currency;
  const wish = own.wish(entry.quantity, entry.tier_ids.map(nameOf));
  return (
    <li class="row-card tier-row">
      <div class="row-text">
        <h3>{wish}</h3>
        <p class="small">
          {own.joined(when(entry.joined_at))}
          {entry.max_price_cents !== null && currency && <> · {own.maxPrice(money(entry.max_price_cents, currency, locale))}</>}
        </p>
        <p class="small code">{entry.user_id}</p>
        <p class="chips">
          {entry.passed_over_since && <span class="chip">{own.passedOver(when(entry.passed_over_since))}</span>}
          {entry.status === "offered" && <span class="chip">{own.until(when(entry.offer_expires_at!))}</span>}
        </p>
      </div>
      {entry.status === "waiting" && !event.has_ballot && may("offerTickets") && (
        <Confirmed label={own.offer} subject={`${wish}, ${entry.user_id}`} confirm={own.offerConfirm} class="link" act={() => offer(entry)}>
          <p>{own.offerText(entry.quantity)}</p>
          {before > 0 && <p>{own.overtakes(before)}</p>}
          <p>{own.offerRecorded}</p>
        </Confirmed>
      )}
    </li>
  );
}

/** Returns a function for the name of a ticket type; a deleted one is named by its id. */
function useTierName(): (id: string) => string {
  const { event } = useManagedEvent();
  return (id) => event.tiers.find((tier) => tier.id === id)?.name ?? id;
}
