"""The invariants of the stored data. Tests of flows, violations and races call `check` at their end."""

import base64
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any
from unittest.mock import patch

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chalicelib.audit import service as audit
from chalicelib.catalog import service as catalog
from chalicelib.catalog import stock_ledger
from chalicelib.catalog.model import Catalog, is_resale_stock, is_split_off
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import addons, clock, settings
from chalicelib.inventory.model import Shard, stocks_of
from chalicelib.inventory.store import ShardRow, _shard, scan_shards
from chalicelib.ledger import money_cases
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import LedgerEntry
from chalicelib.ledger.money_cases import Case
from chalicelib.promotions import service as promotions
from chalicelib.promotions.model import PromoCode
from chalicelib.purchases import box_office
from chalicelib.purchases import store as purchases
from chalicelib.purchases.model import ACTIVE_STATES, BuyerRecord, Purchase
from chalicelib.reconciliation import invariants
from chalicelib.reconciliation.invariants import PurchaseRecords
from chalicelib.tickets import signature
from chalicelib.tickets.model import Ticket
from chalicelib.tickets.store import TicketRow, _ticket, position_at, scan_listings
from chalicelib.waiting_room import verify
from chalicelib.waiting_room.model import LATE
from devtools.dynamodb.values import decode_item
from tests import builders, engines

RECOVERY_SECONDS = 400  # longer than a hold and the time after which the sweep ends its purchase


def check(now: int, *, recovered: bool = False) -> None:
    """Assert every invariant. `recovered` adds the invariants that hold once all holds have expired and recovery has run."""
    purchases_by_id = {purchase.id: purchase for purchase in purchases.scan_purchases()}
    orders = [purchase for purchase in purchases_by_id.values() if purchase.was_order]
    current, shards, buyers = catalog.load_current(), list(scan_shards()), list(purchases.scan_buyers())
    rows = list(TicketRow.scan())
    tickets = list(map(_ticket, rows))
    cases = money_cases.list_open_cases()
    violations = [
        *(violation for shard in shards for violation in invariants.check_shard(shard)),
        *(violation for records in _gather(purchases_by_id, tickets, cases, buyers) for violation in invariants.check_purchase(records)),
        *_check_stocks(shards, current, purchases_by_id, orders, now if recovered else None),
        *invariants.check_dates(current, current.events, stocks_of(shards)),
        *_check_holdbacks(shards, current, now if recovered else None),
        *_check_stock_ledgers(shards, current),
        *(_check_earlier_totals(current) if engines.remembers_writes() else []),
        *_check_tills(current, orders),
        *_check_resale(shards, current, orders, tickets, recovered),
        *_check_pools(shards, current, purchases_by_id, recovered),
        *_check_promo_codes(shards, purchases_by_id, recovered),
        *_check_cases(purchases_by_id, cases),
        *_check_buyers(buyers, current, purchases_by_id),
        *_check_details(purchases_by_id, {row.id for row in rows}),
        *_check_tickets(rows, tickets, purchases_by_id),
        *_check_seats(tickets),
        *_check_numbers(tickets),
        *_check_owners(rows, buyers, purchases_by_id),
        *_check_waiting_rooms(),
        *_check_waitlist(current, shards, purchases_by_id, now),
        *_check_invoices(recovered),
        *(find_unpublished() if recovered else []),
    ]
    assert not violations, "\n".join(violations)


def check_recovery(time: Any) -> None:
    """Assert every invariant now, and again when all holds have expired and the sweep has run. `time` is the clock of the test."""
    check(time.now)
    time.advance(RECOVERY_SECONDS)
    builders.run_sweep()
    check(time.now, recovered=True)


def _check_waitlist(current: Catalog, shards: list[Shard], purchases_by_id: dict[str, Purchase], now: int) -> list[str]:
    if not addons.is_on("waitlist"):
        return []
    from tests.addons.waitlist import invariants as waitlist

    return [
        *waitlist.check_entries(current, purchases_by_id, now),
        *waitlist.check_kept_stocks(shards, current),
        *waitlist.check_ballots(current),
    ]


def _check_invoices(recovered: bool) -> list[str]:
    if not addons.is_on("documents"):
        return []
    from tests.addons.documents import invariants as documents

    return documents.check(followed=recovered)


def _gather(
    purchases_by_id: dict[str, Purchase], tickets: list[Ticket], cases: list[Case], buyers: list[BuyerRecord]
) -> Iterator[PurchaseRecords]:
    tickets_by_purchase, cases_by_purchase = defaultdict[str, list[Ticket]](list), defaultdict[str, list[Case]](list)
    for ticket in tickets:
        tickets_by_purchase[ticket.purchase_id].append(ticket)
    for case in cases:
        cases_by_purchase[case.purchase_id].append(case)
    entries_by_purchase = defaultdict[tuple[str, str], list[LedgerEntry]](list)
    for entry in ledger.scan_entries():
        entries_by_purchase[entry.event_id, entry.purchase_id].append(entry)
    records = {(record.user_id, record.event_id): record for record in buyers}
    for purchase in purchases_by_id.values():
        entries = entries_by_purchase[purchase.event_id, purchase.id]
        buyer = records.get((purchase.user_id, purchase.event_id))
        yield PurchaseRecords(purchase, tickets_by_purchase[purchase.id], entries, cases_by_purchase[purchase.id], buyer)


def _check_stocks(
    shards: list[Shard], current: Catalog, purchases_by_id: dict[str, Purchase], orders: list[Purchase], recovered_at: int | None
) -> list[str]:
    """Check that every sold ticket is paid; after recovery, that every hold has a purchase, except quotas that have not expired."""
    violations, sold, unconverted, sold_before = [], Counter(), Counter(), Counter()
    paid_holds = {(hold.shard_id, hold.hold_id) for purchase in orders for hold in purchase.holds}
    for shard in shards:
        stock_id = shard.id.rpartition("#")[0]
        sold[stock_id] += shard.sold
        for hold_id, (quantity, expires_at) in shard.holds.items():
            recovered = recovered_at is not None and not (hold_id.endswith(".quota") and expires_at > recovered_at)
            if (shard.id, hold_id) in paid_holds:
                unconverted[stock_id] += quantity  # paid, but not yet converted from held to sold
            if recovered and purchases_by_id.get(hold_id.partition(".")[0]) is None:
                violations.append(f"{shard.id}: hold {hold_id} has no purchase")
            if recovered and (shard.id, hold_id) in paid_holds:
                violations.append(f"{shard.id}: hold {hold_id} is paid and was not converted")
    for tier in current.tiers.values():
        sold_before[tier.stock_id] = _sold_before(tier.metadata)
    seats = [seat for purchase in orders for seat in purchase.holds_of_tickets(invariants.sold_tickets(purchase))]
    seats += [use for purchase in orders for use in purchase.promo_holds]  # a refund does not return the use of a promo code
    seats += [hold for purchase in orders for hold in purchase.resale_holds]  # nor a ticket to the stock of those for resale
    for stock_id in sold:
        tickets_paid = sum(seat.quantity for seat in seats if seat.shard_id.rpartition("#")[0] == stock_id)
        if sold[stock_id] + unconverted[stock_id] != tickets_paid + sold_before[stock_id]:
            violations.append(f"{stock_id}: {sold[stock_id]} sold and {unconverted[stock_id]} to convert, but {tickets_paid} paid")
    return violations


def _check_pools(shards: list[Shard], current: Catalog, purchases_by_id: dict[str, Purchase], recovered: bool) -> list[str]:
    """Check that an event sells at most its capacity over all tiers, and that its pool counts the same tickets as its tiers."""
    violations = []
    for event in current.events.values():
        if event.pool_id is None:
            continue
        stock_ids = {tier.stock_id for tier in current.event_tiers(event.id)}
        tiers = [shard for shard in shards if shard.stock_id in stock_ids]
        pool = [shard for shard in shards if shard.stock_id == event.pool_id]
        sold, sold_in_pool = sum(shard.sold for shard in tiers), sum(shard.sold for shard in pool)
        held, held_in_pool = sum(shard.held for shard in tiers), sum(shard.held for shard in pool)
        violations += [f"{shard.id}: its event has a pool, and it does not say so" for shard in tiers if not shard.is_pooled]
        if event.capacity is not None and sold > event.capacity:
            violations.append(f"{event.id}: {sold} sold, and its capacity is {event.capacity}")
        if recovered and (sold, held) != (sold_in_pool, held_in_pool):
            violations.append(f"{event.id}: {sold} sold and {held} held, in its pool {sold_in_pool} and {held_in_pool}")
        for purchase in purchases_by_id.values():
            taken = 0 if purchase.is_from_holdback else purchase.quantity  # the pool does not have what is held back
            if purchase.is_resale:  # it has the seats that its sellers took from the pool or from a holdback
                taken = sum(hold.quantity for line in purchase.lines for hold in line.holds if not is_split_off(hold.stock_id))
            if purchase.event_id == event.id and sum(hold.quantity for hold in purchase.pool_holds) != taken:
                violations.append(f"{purchase.id}: its tickets are not taken from the pool of its event")
    return violations


def _check_holdbacks(shards: list[Shard], current: Catalog, recovered_at: int | None) -> list[str]:
    """Check that nobody can buy what is held back, and that the stocks of holdbacks have exactly what the catalog says.

    After recovery, also check that every release is complete, and that only quotas of the box office that have not expired are held.
    """
    stocks = stocks_of(shards)
    violations = list(invariants.check_holdbacks(current, current.events, stocks))
    for tier in current.tiers.values():
        for holdback_id in tier.issuing if tier.managed_by == "api" and not tier.removed else []:
            stock_id, capacity = tier.holdback_stock_id(holdback_id), tier.holdback_capacity(holdback_id)
            stock = stocks.get(stock_id)
            ends = [expires_at for shard in shards if shard.stock_id == stock_id for _, expires_at in shard.holds.values()]
            if (
                stock is None
                or stock.capacity != capacity
                or (recovered_at is not None and min(ends, default=recovered_at + 1) <= recovered_at)
            ):
                violations.append(f"{tier.id}: its holdback {holdback_id} holds back {capacity}, and its stock is {stock}")
    if recovered_at is not None:
        unfinished = [tier for tier in current.tiers.values() if not all(release.is_complete for release in tier.releases)]
        violations += [f"{tier.id}: the releases {tier.releases} are not complete" for tier in unfinished]
    return violations


def _check_stock_ledgers(shards: list[Shard], current: Catalog) -> list[str]:
    """Check that each stock ledger is a valid chain that ends with what the catalog says, and that totals added now equal the shards."""
    violations = []
    for event_id in sorted({row.event_id for row in stock_ledger.StockLedgerRow.scan()}):
        last, said = stock_ledger.find_last(event_id), stock_ledger.define_lines(current, event_id)
        is_missing = last is None or (said is not None and last.entry.definition != said)
        if is_missing and current.events[event_id].managed_by == "api":  # an interrupted apply may leave out the entry of a file
            violations.append(f"{event_id}: its stock ledger ends with {last}, and the catalog says {said}")
        [counted_now] = stock_ledger.record_totals([event_id])
        if said is not None:
            counted = None if counted_now is None or not counted_now.entry.exact else counted_now.entry.lines
            if counted != (expected := _ledger_lines(event_id, shards, current)):
                violations.append(f"{event_id}: its stock ledger counts {counted}, and the shards have {expected}")
        count, pages = 1, []
        while len(pages) < count:
            page = stock_ledger.load_page(event_id, len(pages))
            assert page is not None
            count = page.pages
            pages.append(msgspec.json.decode(msgspec.json.encode(page)))
        # A crash may leave tickets between two writes of a change, until the next change.
        with patch.object(verify, "_is_signed", _is_signed):
            checked = verify.check_ledger(pages)
        faults = [fault for fault in checked.faults if "neither in the stock nor held back" not in fault]
        violations += [f"{event_id}: {fault}" for fault in faults]
    return violations


CLOCKS_DIFFER_SECONDS = 5  # simulated instances write in another order than their clocks say


class _Totals(msgspec.Struct):
    """An entry with totals, and the states of each shard that its writer may have read."""

    entry: stock_ledger.StockEntry
    seen: dict[str, list[Shard]] = msgspec.field(default_factory=dict)
    is_found: bool = False


def _check_earlier_totals(current: Catalog) -> list[str]:
    """Check that all totals in the stock ledgers are those of the shards at one moment of their count.

    The count began after the entry before was written and, as far as clocks agree, not before `counted_from`, and it ended before its own
    entry was written. Totals that are not exact were read shard by shard, so each shard may have been read at another moment.
    """
    engine, shard_table = engines.local_engine(), dynamo.table_name("inventory")
    state = {shard.id: shard for shard in map(_decode_shard, list(engine.tables[shard_table].items.values()))}
    ledger_table, violations, opened = dynamo.table_name("stock-ledger"), [], dict[str, _Totals]()

    def look(event_id: str, totals: _Totals) -> None:
        """Compare the totals with the present `state`, or note it."""
        shards = [shard for shard in state.values() if shard.stock_id in stock_ids[event_id]]
        if not totals.entry.exact:
            for shard in shards:
                totals.seen.setdefault(shard.id, []).append(shard)
        elif not totals.is_found:
            counted = _ledger_lines(event_id, shards, current, totals.entry.definition)
            totals.is_found = _without_reasons(counted) == _without_reasons(totals.entry.lines)

    def close(event_id: str) -> None:
        totals = opened.pop(event_id, None)
        if totals is not None and not totals.is_found and not (totals.seen and _are_possible(event_id, totals, current)):
            violations.append(f"{event_id}: the shards never had the totals of its stock ledger's entry {totals.entry}")

    stock_ids = {event_id: _ledger_stocks(event_id, current) for event_id in current.events}
    for write in reversed(list(engine.writes)):
        changed, written = set(), []
        for table, old, new in write.items:
            if table == shard_table:
                shard_id = _decode_shard(old or new or b"").id
                changed.add(shard_id.rpartition("#")[0])
                state.pop(shard_id, None)
                if old is not None:
                    state[shard_id] = _decode_shard(old)
            elif table == ledger_table and new is not None:
                item = decode_item(new)
                if int(item["number"]["N"]) > 0:  # others are the markers of figures
                    body = zlib.decompress(base64.b64decode(item["body"]["B"]))
                    written.append((item["event_id"]["S"], msgspec.json.decode(body, type=stock_ledger.StockEntry)))
        for event_id, totals in list(opened.items()):
            if write.at < clock.epoch_seconds(datetime.fromisoformat(totals.entry.counted_from or "")) - CLOCKS_DIFFER_SECONDS:
                close(event_id)
            elif changed & stock_ids[event_id]:
                look(event_id, totals)
        for event_id, entry in written:
            close(event_id)
            if entry.counted_from is not None and event_id in stock_ids:
                opened[event_id] = _Totals(entry)
                look(event_id, opened[event_id])
    for event_id in list(opened):
        close(event_id)
    return violations


def _without_reasons(lines: list[stock_ledger.StockLine]) -> list[stock_ledger.StockLine]:
    """Sum up the issued tickets of all reasons: the catalog forgets the reason of a holdback that was released and removed."""
    return [msgspec.structs.replace(line, issued={"other": sum(line.issued.values())} if line.issued else {}) for line in lines]


@lru_cache(10_000)
def _decode_shard(encoded: bytes) -> Shard:
    return _shard(ShardRow.from_raw_data(decode_item(encoded)))


def _ledger_stocks(event_id: str, current: Catalog) -> set[str]:
    """Return the ids of all stocks that the stock ledger of an event counts."""
    tiers = [tier for tier in current.tiers.values() if tier.event_id == event_id]
    holdbacks = {tier.holdback_stock_id(holdback_id) for tier in tiers for holdback_id in tier.issuing}
    return {tier.stock_id for tier in tiers} | holdbacks | {current.events[event_id].pool_id or ""}


def _are_possible(event_id: str, totals: _Totals, current: Catalog) -> bool:
    """Whether totals that were read shard by shard lie between the smallest and the largest sums of what was there to read."""
    lines = []
    for choose in (min, max):
        shards = []
        for states in totals.seen.values():
            numbers = {name: choose(getattr(shard, name) for shard in states) for name in ("available", "sold", "returned", "unpaid")}
            holds = {"": (choose(shard.held for shard in states), 0)}
            shards.append(msgspec.structs.replace(states[0], holds=holds, **numbers))
        lines.append(_ledger_lines(event_id, shards, current, totals.entry.definition))
    counts = ("available", "held", "sold", "returned", "unpaid")
    return all(
        getattr(low, name) is None or getattr(low, name) <= getattr(line, name) <= getattr(high, name)
        for low, line, high in zip(lines[0], totals.entry.lines, lines[1], strict=True)
        for name in counts
    )


def _is_signed(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Check a signature with `cryptography`, twenty times as fast as the verifier, which may only use Python's own library."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (ValueError, InvalidSignature):
        return False
    return True


def _ledger_lines(
    event_id: str, shards: list[Shard], current: Catalog, definition: list[stock_ledger.StockLine] | None = None
) -> list[stock_ledger.StockLine]:
    """The totals of an event, summed up shard by shard, for the definition of an earlier entry or the present one."""
    lines, event = [], current.events[event_id]
    tiers = {}
    for tier in (tier for tier in current.tiers.values() if tier.event_id == event_id):
        tiers |= {tier.id: tier, stock_ledger.public_id(msgspec.structs.replace(tier, hidden=True)): tier}
    for line in (stock_ledger.define_lines(current, event_id) or []) if definition is None else definition:
        tier = None if line.tier_id is None else tiers[line.tier_id]
        own = [shard for shard in shards if shard.stock_id == (event.pool_id if tier is None else tier.stock_id)]
        issued = Counter()
        for holdback_id in [] if tier is None else tier.issuing:
            reason = next((holdback.reason for holdback in tier.holdbacks if holdback.id == holdback_id), "other")
            issued[reason] += sum(
                shard.capacity - shard.available for shard in shards if shard.stock_id == f"{tier.stock_id}/{holdback_id}"
            )
        has_limit = line.capacity is not None
        counted = {"available": sum(shard.available for shard in own)} if has_limit else {}
        counted |= {"moving": line.capacity - sum(line.held_back.values()) - sum(shard.capacity for shard in own)} if has_limit else {}
        counted |= {"held": sum(shard.held for shard in own), "sold": sum(shard.sold for shard in own)}
        counted |= {name: sum(getattr(shard, name) for shard in own) for name in ("returned", "unpaid")} | {"issued": dict(+issued)}
        lines.append(msgspec.structs.replace(line, **counted))
    return lines


def _check_tills(current: Catalog, orders: list[Purchase]) -> list[str]:
    """Check that the tills of the box office add up to the orders that they sold and to what they paid back."""
    expected = defaultdict[tuple[str, str, str, str], Counter[str]](Counter)
    for order in orders:
        if order.box_office is None:
            continue
        timezone = current.events[order.event_id].timezone
        sale, day = order.box_office, box_office.till_day(order.ended_at, timezone)
        expected[order.event_id, day, order.currency, sale.seller] += Counter(
            {f"{sale.method}_sales": 1, f"{sale.method}_sold_cents": order.total_cents}
        )
        for refund in order.refunds:
            key = order.event_id, box_office.till_day(refund.at, timezone), order.currency, refund.by
            expected[key] += Counter({f"{refund.method}_refunds": 1, f"{refund.method}_refunded_cents": refund.amount_cents})
    found = {}
    for event_id, day, till in box_office.scan_tills():
        totals = {"cash": till.cash, "card": till.card}
        numbers = {f"{method}_{name}": getattr(totals[method], name) for method in totals for name in _TOTALS}
        found[event_id, day, till.currency, till.user_id] = Counter({name: number for name, number in numbers.items() if number})
    found = {key: numbers for key, numbers in found.items() if numbers}  # a till without sales may have been counted
    expected = {key: +numbers for key, numbers in expected.items()}
    return [] if found == expected else [f"the tills of the box office are {found}, and the orders add up to {expected}"]


def _check_resale(shards: list[Shard], current: Catalog, orders: list[Purchase], tickets: list[Ticket], recovered: bool) -> list[str]:
    """Check that the resale stocks have exactly the tickets that are for resale, and that no seat has two valid tickets.

    After recovery, also check that every ticket for resale can be sold, and that nothing is held.
    """
    listed, expected = Counter(scan_listings()), Counter[tuple[str, str]]()
    for ticket in tickets:
        if ticket.listed_at is not None:
            stock_id = current.tiers[ticket.tier_id].for_resale(ticket.price_cents).stock_id
            expected[stock_id, f"{position_at(ticket.listed_at)}#{ticket.id}"] += 1
    violations = [] if listed == expected else [f"the listings are {listed}, and the tickets say {expected}"]
    resold = Counter(hold.stock_id for order in orders for hold in order.resale_holds for _ in range(hold.quantity))
    for_resale = Counter(stock_id for stock_id, _ in listed)
    stocks = {stock_id: stock for stock_id, stock in stocks_of(shards).items() if is_resale_stock(stock_id)}
    for stock_id in {*stocks, *resold, *for_resale}:
        stock = stocks.get(stock_id)
        if stock is None or stock.capacity != for_resale[stock_id] + resold[stock_id]:
            violations.append(f"{stock_id}: {stock}, {for_resale[stock_id]} for resale and {resold[stock_id]} resold")
        elif recovered and stock.available != for_resale[stock_id]:
            violations.append(f"{stock_id}: {stock.available} can be bought, and {for_resale[stock_id]} are for resale")
    if recovered:
        violations += [
            f"{ticket.id}: is for resale, and cannot be sold" for ticket in tickets if ticket.listed_at and not ticket.is_for_resale
        ]
    refunds = [(refund.resold_to, len(refund.tickets)) for order in orders for refund in order.refunds if refund.resold_to is not None]
    given = Counter(purchase_id for purchase_id, quantity in refunds for _ in range(quantity))
    bought = Counter(order.id for order in orders if order.is_resale for _ in range(order.quantity))
    if given != bought:
        violations.append(f"resold were {given}, and bought from others {bought}")
    seats = {(hold.shard_id, hold.hold_id): hold.quantity for order in orders if not order.is_resale for hold in order.holds}
    valid = Counter[tuple[str, str]]()
    for order in orders:
        for hold in order.holds_of_tickets(order.kept_tickets):
            valid[hold.shard_id, hold.hold_id] += hold.quantity
    return violations + [
        f"{seat}: {count} tickets for {seats.get(seat, 0)} seats" for seat, count in valid.items() if count > seats.get(seat, 0)
    ]


_TOTALS = ("sales", "sold_cents", "refunds", "refunded_cents")


def _check_promo_codes(shards: list[Shard], purchases_by_id: dict[str, Purchase], recovered: bool) -> list[str]:
    """Check that a promo code's stock has the code's uses, that each paid purchase counts as one use, and that no buyer used it too often.

    Also check that only purchases with a code have a discount, and that the ticket prices and the payment of a purchase match its total.
    """
    violations, stocks = [], stocks_of(shards)
    codes = {(promo_code.event_id, promo_code.code): promo_code for promo_code in promotions.scan_codes()}
    for promo_code in codes.values():
        stock = stocks[promo_code.stock_id]
        users = [purchase for purchase in purchases_by_id.values() if _uses(purchase, promo_code)]
        paid = sum(purchase.was_order for purchase in users)
        if stock.capacity != promo_code.capacity or stock.sold + stock.held + stock.available != promo_code.capacity:
            violations.append(f"{promo_code.code}: its stock has {stock}, and it may be used {promo_code.capacity} times")
        if not stock.sold <= paid <= stock.sold + stock.held or (recovered and stock.sold != paid):
            violations.append(f"{promo_code.code}: {stock.sold} uses are counted, and {paid} purchases were paid with it")
        # A guest's orders that moved to an account are counted by themselves: each buyer kept to the limit before.
        by_buyer = Counter((purchase.user_id, purchase.moved_from) for purchase in users if purchase.was_order)
        most = promo_code.max_uses_per_donor
        violations += [f"{promo_code.code}: {user} used it {times} times" for user, times in by_buyer.items() if most and times > most]
    for purchase in purchases_by_id.values():
        if [use.quantity for use in purchase.promo_holds] != ([] if purchase.promo_code is None else [1]):
            violations.append(f"{purchase.id}: its code is {purchase.promo_code}, its uses {purchase.promo_holds}")
        if purchase.promo_code is None and purchase.discount_cents:
            violations.append(f"{purchase.id}: {purchase.discount_cents} taken off without a code")
        prices = [purchase.ticket_price(number) for number in range(1, purchase.quantity + 1)]
        if min(prices) < 0 or sum(prices) != purchase.total_cents:
            violations.append(f"{purchase.id}: its tickets cost {prices}, all of them {purchase.total_cents}")
        if purchase.was_order and purchase.payment is not None and purchase.payment.amount_cents != purchase.total_cents:
            violations.append(f"{purchase.id}: {purchase.payment.amount_cents} were asked for, and it costs {purchase.total_cents}")
    return violations


def _uses(purchase: Purchase, promo_code: PromoCode) -> bool:
    return any(use.stock_id == promo_code.stock_id for use in purchase.promo_holds)


def find_unpublished() -> list[str]:
    """Find shards outside the catalog, parts of versions that were never served, and publications neither ended nor abandoned."""
    from chalicelib.catalog.store import CatalogRow

    current = catalog.load_current()
    stock_ids = {*current.shard_counts(current.events), *(tier.stock_id for tier in current.tiers.values())}
    stock_ids.update(*(tier.holdback_shard_counts for tier in current.tiers.values()))
    stock_ids |= {resale.stock_id for tier in current.tiers.values() for resale in tier.resale_tiers}
    stock_ids |= {promo_code.stock_id for promo_code in promotions.scan_codes()}
    found = [f"{shard.id}: is not in the catalog" for shard in scan_shards() if shard.id.rpartition("#")[0] not in stock_ids]
    rows = list(CatalogRow.scan())
    served = {f"version#{row.sk}" for row in rows if row.pk == "versions"}
    found += [f"{row.pk} {row.sk}: was never served" for row in rows if row.pk.startswith("version#") and row.pk not in served]
    return found + [f"publication {row.sk} has not ended" for row in rows if row.pk == "publications" and not row.abandoned]


def _sold_before(metadata: dict[str, object]) -> int:
    """Return the number of a tier's tickets that were sold elsewhere before the import. Tests write it into the tier's metadata."""
    value = metadata.get("sold_before", 0)
    assert isinstance(value, int)
    return value


def _check_cases(purchases_by_id: dict[str, Purchase], cases: list[Case]) -> list[str]:
    """Check that a refund that failed for good is an open case until a person closes it, and that each case has a purchase."""
    recorded = {(case.purchase_id, case.id) for case in cases}
    failed = {(purchase.id, refund.id) for purchase in purchases_by_id.values() for refund in purchase.refunds if refund.status == "failed"}
    lost = [case for case in cases if case.kind != "finding" and case.purchase_id not in purchases_by_id]
    missing = [(order_id, refund_id) for order_id, refund_id in failed - recorded if not _is_dismissed(order_id, refund_id)]
    violations = [f"{case.purchase_id}: the case of an unknown purchase" for case in lost]
    return violations + [f"{order_id}: {refund_id} failed, and no case is open" for order_id, refund_id in missing]


def _is_dismissed(order_id: str, refund_id: str) -> bool:
    entries = audit.list_entries(f"order#{order_id}")
    return any(entry.action == "finding.dismissed" and entry.details["finding"] == refund_id for entry in entries)


def _check_buyers(buyers: list[BuyerRecord], current: Catalog, purchases_by_id: dict[str, Purchase]) -> list[str]:
    """Check that a buyer's record agrees with the buyer's purchases, and that nobody is above the purchase limit."""
    violations = []
    active = {
        (purchase.user_id, purchase.event_id): purchase.id for purchase in purchases_by_id.values() if purchase.state in ACTIVE_STATES
    }
    events = current.events
    moved = defaultdict[tuple[str | None, str], list[Purchase]](list)  # a guest's record goes on counting what has moved to an account
    for purchase in purchases_by_id.values():
        moved[purchase.moved_from, purchase.event_id].append(purchase)
    for record in buyers:
        key = (record.user_id, record.event_id)
        own = [purchase for purchase in purchases_by_id.values() if (purchase.user_id, purchase.event_id) == key]
        bought = sum(len(purchase.kept_tickets) for purchase in own)
        event = events.get(record.event_id)
        limit = (event.purchase_limit if event else None) or settings.current().event_purchase_limit
        if record.active_id not in (None, active.get(key)):
            violations.append(f"{record.user_id}: the record names {record.active_id} as active, wrongly")
        if not 0 <= record.bought - bought <= sum(purchase.quantity for purchase in moved[key]):
            violations.append(f"{record.user_id}: the record says {record.bought} bought, the orders {bought}")
        uses = {f"{purchase.promo_code}#{purchase.id}" for purchase in own if purchase.was_order and purchase.promo_code}
        if record.promo_uses - {f"{purchase.promo_code}#{purchase.id}" for purchase in moved[key]} != uses:
            violations.append(f"{record.user_id}: the record's uses of promo codes are {set(record.promo_uses)}")
        if record.orders != {purchase.id for purchase in own if purchase.is_order}:
            violations.append(f"{record.user_id}: the record's orders are {set(record.orders)}")
        if record.past_orders != {purchase.id for purchase in own if purchase.was_order and not purchase.is_order}:
            violations.append(f"{record.user_id}: the record's past orders are {set(record.past_orders)}")
        for guest in {purchase.moved_from for purchase in own}:  # orders that moved from a guest may lift the sum above the limit
            bought_or_held = sum(_taken(purchase) for purchase in own if purchase.moved_from == guest and not purchase.is_issued_by_staff)
            if bought_or_held > limit:
                violations.append(f"{record.user_id}: {bought_or_held} bought and held (moved from {guest}), above the limit of {limit}")
        if record.active_quantity != sum(purchase.quantity for purchase in own if purchase.state in ACTIVE_STATES):
            violations.append(f"{record.user_id}: the record says {record.active_quantity} held, wrongly")
    return violations


def _taken(purchase: Purchase) -> int:
    return purchase.quantity if purchase.state in ACTIVE_STATES else len(purchase.kept_tickets)


def _check_details(purchases_by_id: dict[str, Purchase], ticket_ids: set[str]) -> list[str]:
    """Check that checkout details are stored exactly for the purchases that have them, with the TTL of the purchase.

    Besides, tickets may have the address of an owner who accepted them, and purchases by bank transfer are listed. Checkouts that ended
    unpaid are listed by user; a late payment leaves the row until it expires.
    """
    rows = {row.id: row.ttl for row in purchases.CheckoutDetailsRow.scan()}
    rows = {row_id: ttl for row_id, ttl in rows.items() if not (row_id in ticket_ids and ttl is None)}
    expected = {purchase.id: purchases._ttl(purchase) for purchase in purchases_by_id.values() if purchase.has_details}
    ended = [purchase for purchase in purchases_by_id.values() if purchase.has_details and purchase.state not in ACTIVE_STATES]
    unpaid = {f"{purchase.id}{purchases.UNPAID_OF_USER}": purchases._ttl(purchase) for purchase in ended if not purchase.was_order}
    late = {f"{purchase.id}{purchases.UNPAID_OF_USER}" for purchase in ended if purchase.was_order}
    rows = {row_id: ttl for row_id, ttl in rows.items() if row_id not in late}
    transfers = [purchase for purchase in purchases_by_id.values() if _pays_by_transfer(purchase)]
    listed = {f"{purchase.id}{purchases.BANK_TRANSFER}": None if _taken(purchase) else purchases._ttl(purchase) for purchase in transfers}
    expected |= unpaid | listed
    return [] if rows == expected else [f"the checkout details are {rows} and not {expected}"]


def _pays_by_transfer(purchase: Purchase) -> bool:
    return purchase.payment is not None and purchase.payment.provider == "bank_transfer"


def _check_tickets(rows: list[TicketRow], tickets: list[Ticket], purchases_by_id: dict[str, Purchase]) -> list[str]:
    """Check that every ticket belongs to a present or past order, has a unique code, and says how many people are in."""
    violations = [
        f"{row.id}: a ticket without an order"
        for row in rows
        if row.purchase_id not in purchases_by_id or not purchases_by_id[row.purchase_id].was_order
    ]
    violations += [
        f"{row.id}: {ticket.inside_count} people are in, and the item says {row.admitted}"
        for row, ticket in zip(rows, tickets, strict=True)
        if ticket.inside_count != int(row.admitted or 0)
    ]
    return violations


def _check_seats(tickets: list[Ticket]) -> list[str]:
    """Check that each guest of a seat has details, a genuine signature, and a code that no other guest or ticket has."""
    from chalicelib.tickets import seats

    codes = Counter(code for ticket in tickets for code in (ticket.code, *(guest.code for guest in ticket.guests)))
    violations = [f"{code}: the code of {times} tickets or guests" for code, times in codes.items() if times > 1]
    for seat in seats.list_seats((ticket, guest.seat) for ticket in tickets for guest in ticket.guests):
        if not signature.is_genuine(seat.guest.qr_sig, seat.id, seat.ticket.event_id, seat.guest.code):
            violations.append(f"{seat.id}: the signature of its guest is not ours")
        if seat.details is None or (seat.details.secret is None) != (seat.guest.name is None):
            violations.append(f"{seat.id}: its guest is {seat.guest.name}, with the details {seat.details}")
    return violations


def _check_numbers(tickets: list[Ticket]) -> list[str]:
    """Check that each seat has a number of its own, which the event's counter has given out. A crash may leave numbers unused."""
    from chalicelib.tickets.seat_numbers import CounterRow

    numbers: dict[str, list[int]] = {}
    for ticket in tickets:
        if ticket.serial is not None:
            numbers.setdefault(ticket.event_id, []).extend(range(ticket.serial.first, ticket.serial.first + ticket.admits))
    last = {row.id: int(row.last) for row in CounterRow.scan()}
    return [
        f"{event_id}: the last number is {last.get(event_id)}, given were {sorted(given)}"
        for event_id, given in numbers.items()
        if len(set(given)) < len(given) or not 1 <= min(given) <= max(given) <= last.get(event_id, 0)
    ]


def _check_owners(rows: list[TicketRow], buyers: list[BuyerRecord], purchases_by_id: dict[str, Purchase]) -> list[str]:
    """Check that the record of each recipient of a ticket names the ticket, and that no record names a ticket of another owner."""
    named = {(record.user_id, ticket_id) for record in buyers for ticket_id in record.received}
    owners, given = set(), set()
    for row in rows:
        owners.add((row.owner_id, row.id))
        purchase = purchases_by_id.get(row.purchase_id)
        if purchase is not None and purchase.user_id != row.owner_id:
            given.add((row.owner_id, row.id))
    violations = [f"{ticket_id}: its owner {owner} cannot find it" for owner, ticket_id in given - named]
    return violations + [f"{ticket_id}: the record of {owner} names it, who does not own it" for owner, ticket_id in named - owners]


def _check_waiting_rooms() -> list[str]:
    """Check that each number was issued by its counter and belongs to one user or group, which knows its members.

    The N of an opened room is the sum of its counters.
    """
    from chalicelib.waiting_room.store import WaitingRoomRow

    rows = {row.id: row for row in WaitingRoomRow.scan()}
    issued = {key: int(row.arrivals or 0) for key, row in rows.items() if key.startswith("counter#")}
    violations, owners = [], defaultdict(set)
    for key, row in rows.items():
        kind, event_id, *rest = key.split("#")
        if kind == "entry":
            arrival = row.arrival
            counter = f"counter#{event_id}#{rest[0]}#{'late' if arrival.counter == LATE else arrival.counter}"
            owners[(counter, arrival.number)].add(arrival.owner)
            group = rows.get(f"group#{event_id}#{rest[0]}#{arrival.group}")
            if arrival.group is not None and (group is None or arrival.user not in (group.members or ())):
                violations.append(f"{key}: the group does not have this member")
            if not 1 <= arrival.number <= issued.get(counter, 0):
                violations.append(f"{key}: number {arrival.number} was never issued")
        elif kind == "room" and row.n is not None:
            counters = [f"counter#{event_id}#{int(row.room)}#{number}" for number in range(int(row.counters))]
            if row.n != sum(issued.get(counter, 0) for counter in counters):
                violations.append(f"{key}: N is {row.n}, the counters say {[issued.get(counter, 0) for counter in counters]}")
    return violations + [f"{counter}: {found} have number {number}" for (counter, number), found in owners.items() if len(found) > 1]
