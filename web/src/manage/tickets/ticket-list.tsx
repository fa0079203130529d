/** An event's tickets in the order that buyers see. People reorder them by dragging or with buttons. */

import { useRef, useState } from "preact/hooks";
import { money } from "../../formats";
import { Failure, Outcome } from "../../parts/failure";
import { useAction } from "../../parts/hooks";
import { useTexts } from "../../texts";
import { getEvent } from "../api";
import { Confirmed } from "../parts/confirmed";
import { useRoomTexts } from "../texts";
import { useManagedEvent } from "../who";
import { changeTier, deleteTier, duplicateTier, orderTiers, type Tier } from "./api";

export function TicketList() {
  const own = useRoomTexts("tickets");
  const eventTexts = useRoomTexts("events");
  const { event, reload } = useManagedEvent();
  const address = `/manage/events/${event.id}/tickets`;
  const saved = event.tiers.toSorted((a, b) => a.position - b.position);
  const isFixed = event.managed_by === "bootstrap";
  const [moved, setMoved] = useState<string[] | null>(null); // the order on the screen until the API has saved it
  const [dragged, setDragged] = useState<string | null>(null);
  const [placed, setPlaced] = useState<{ name: string; place: number; count: number } | null>(null);
  const list = useRef<HTMLUListElement>(null);
  const { isWorking, failure, run } = useAction();
  const order = moved ?? saved.map(({ id }) => id);
  const tiers = order.flatMap((id) => saved.find((tier) => tier.id === id) ?? []);
  const canReorder = ADDONS.packages && !isFixed && tiers.length > 1;

  const place = (id: string, to: number): string[] => {
    const others = order.filter((other) => other !== id);
    return [...others.slice(0, to), id, ...others.slice(to)];
  };
  const save = (ids: string[], tier: Tier) => {
    if (!ADDONS.packages) return;
    setMoved(ids);
    run(async () => {
      try {
        await orderTiers(event.id, ids, saved.map(({ id }) => id));
        setPlaced({ name: tier.name, place: ids.indexOf(tier.id) + 1, count: ids.length });
      } finally {
        await reload();
        setMoved(null);
      }
    });
  };
  const move = (tier: Tier, by: number) => {
    save(place(tier.id, order.indexOf(tier.id) + by), tier);
    // At an end of the list this button is now disabled, so the focus moves to the other one.
    requestAnimationFrame(() => {
      const buttons = list.current?.querySelectorAll<HTMLButtonElement>(`[data-tier="${CSS.escape(tier.id)}"] .mover`);
      const next = [...(buttons ?? [])].find((button) => button.getAttribute("aria-disabled") !== "true" && button.dataset.by === String(by));
      (next ?? buttons?.[by > 0 ? 0 : 1])?.focus();
    });
  };
  const drop = () => {
    const tier = saved.find(({ id }) => id === dragged);
    setDragged(null);
    if (tier && moved && moved.join() !== saved.map(({ id }) => id).join()) save(moved, tier);
    else setMoved(null);
  };

  return (
    <div class="page">
      <div class="page-head">
        <h1>{own.title}</h1>
        {!isFixed && (
          <div class="row">
            <a class="button" href={`${address}/new`}>
              {own.addTicket}
            </a>
            {ADDONS.packages && (
              <a class="button button-quiet" href={`${address}/new-package`}>
                {own.addPackage}
              </a>
            )}
          </div>
        )}
      </div>
      {isFixed && (
        <Outcome tone="calm" title={eventTexts.bootstrapTitle}>
          <p>{eventTexts.bootstrapText}</p>
        </Outcome>
      )}
      {failure && <Failure failure={failure} />}
      {tiers.length === 0 ? (
        <Outcome tone="calm" title={own.none}>
          <p>{own.noneText}</p>
        </Outcome>
      ) : (
        <>
          {canReorder && <p class="small">{own.orderNote}</p>}
          <ul class="rows" ref={list}>
            {tiers.map((tier, index) => (
              <li
                key={tier.id}
                data-tier={tier.id}
                class={`row-card tier-row ${dragged === tier.id ? "is-dragged" : ""}`}
                onDragOver={(over) => {
                  if (dragged === null) return;
                  over.preventDefault();
                  if (dragged !== tier.id && order.indexOf(dragged) !== index) setMoved(place(dragged, index));
                }}
                onDrop={(dropped) => (dropped.preventDefault(), drop())}
              >
                {canReorder && (
                  <div class="movers">
                    <span
                      class="grip"
                      aria-hidden="true"
                      title={own.drag}
                      draggable={!isWorking}
                      onDragStart={(started) => {
                        started.dataTransfer!.setData("text/plain", tier.name);
                        started.dataTransfer!.effectAllowed = "move";
                        setDragged(tier.id);
                      }}
                      onDragEnd={() => (setDragged(null), isWorking || setMoved(null))}
                    >
                      ⠿
                    </span>
                    <Mover tier={tier} by={-1} isOff={index === 0} isWorking={isWorking} move={move} />
                    <Mover tier={tier} by={1} isOff={index === tiers.length - 1} isWorking={isWorking} move={move} />
                  </div>
                )}
                <Facts tier={tier} address={isFixed ? null : `${address}/${tier.id}`} />
                {!isFixed && <Actions tier={tier} />}
              </li>
            ))}
          </ul>
        </>
      )}
      <p class="hidden" role="status">
        {placed && own.movedTo(placed.name, placed.place, placed.count)}
      </p>
    </div>
  );
}

function Mover({ tier, by, isOff, isWorking, move }: { tier: Tier; by: 1 | -1; isOff: boolean; isWorking: boolean; move: (tier: Tier, by: number) => void }) {
  const own = useRoomTexts("tickets");
  const isInert = isOff || isWorking; // not `disabled`, because the button would lose the focus while the order is saved
  return (
    <button
      type="button"
      class="mover"
      data-by={by}
      aria-label={by < 0 ? own.up(tier.name) : own.down(tier.name)}
      aria-disabled={isInert || undefined}
      onClick={() => isInert || move(tier, by)}
    >
      {by < 0 ? "↑" : "↓"}
    </button>
  );
}

function Facts({ tier, address }: { tier: Tier; address: string | null }) {
  const { t, locale } = useTexts();
  const own = useRoomTexts("tickets");
  const price = tier.price_cents === 0 ? t.free : money(tier.price_cents, tier.currency, locale);
  const [offered, resold] = [tier.resale.reduce((sum, { available, reserved }) => sum + available + reserved, 0), tier.resale.reduce((sum, offer) => sum + offer.sold, 0)];
  const sold = tier.capacity === null ? own.soldUnlimited(tier.sold) : own.soldOfCapacity(tier.sold, tier.capacity);
  return (
    <div class="row-text">
      <h2>{address ? <a href={address}>{tier.name}</a> : tier.name}</h2>
      <p class="small">{[price, sold, tier.reserved > 0 && own.held(tier.reserved), tier.held_back > 0 && own.heldBack(tier.held_back), offered + resold > 0 && own.resale(offered, resold)].filter(Boolean).join(" · ")}</p>
      <p class="chips">
        {tier.admits > 1 && <span class="chip">{t.event.admits(tier.admits)}</span>}
        {tier.is_sponsorship && <span class="chip">{own.sponsorship}</span>}
        {tier.options.length > 0 && <span class="chip">{own.questions(tier.options.length)}</span>}
        {tier.seating && <span class="chip">{t.event.seating[tier.seating]}</span>}
        {tier.requires_code && <span class="chip">{own.requiresCode}</span>}
        {tier.hidden && <span class="chip">{own.hidden}</span>}
        {!tier.on_sale && <span class="chip chip-bad">{own.stopped}</span>}
      </p>
    </div>
  );
}

function Actions({ tier }: { tier: Tier }) {
  const own = useRoomTexts("tickets");
  const { event, replace } = useManagedEvent();
  const { isWorking, failure, run } = useAction();
  const key = useRef(crypto.randomUUID());
  const renew = async () => replace(await getEvent(event.id));
  const duplicate = () =>
    ADDONS.packages &&
    run(async () => {
      await duplicateTier(tier, key.current);
      key.current = crypto.randomUUID();
      await renew();
    });
  const remove = async () => {
    await deleteTier(tier);
    await renew();
  };
  return (
    <div class="row-actions">
      <button
        type="button"
        class="link"
        aria-label={`${tier.on_sale ? own.stop : own.start}: ${tier.name}`}
        disabled={isWorking}
        onClick={() => run(async () => (await changeTier(tier.id, { on_sale: !tier.on_sale }), renew()))}
      >
        {tier.on_sale ? own.stop : own.start}
      </button>
      {ADDONS.packages && (
        <button type="button" class="link" aria-label={`${own.duplicate}: ${tier.name}`} disabled={isWorking} onClick={duplicate}>
          {own.duplicate}
        </button>
      )}
      {tier.sold + tier.reserved === 0 && (
        <Confirmed label={own.delete} subject={tier.name} confirm={own.deleteNow} act={remove} class="link">
          <p>{own.deleteText}</p>
        </Confirmed>
      )}
      {failure && <Failure failure={failure} />}
    </div>
  );
}
