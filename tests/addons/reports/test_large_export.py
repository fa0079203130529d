"""The export of an event with 20,000 sales: its sum, its memory, and the same lines whatever the size of its parts."""

import csv
import re
import tracemalloc
from collections.abc import Iterable, Iterator
from itertools import islice

import pytest

from chalicelib.addons.reports import store
from chalicelib.addons.reports.projection import ledger_sale
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock
from chalicelib.ledger import service as ledger
from chalicelib.payments.model import Payment
from chalicelib.purchases import store as purchases
from chalicelib.purchases.model import LineItem, Purchase
from tests import builders
from tests.client import Client

SALES = 20_000
REFUNDS = SALES // 10
PART_LINES = 1000
MAX_PART_BYTES = 24_000_000  # of memory, for a part of 1,000 lines with their orders


@pytest.fixture
def event_id(threaded_store, api: Client, time) -> str:
    """An event with 20,000 sales, of which every tenth was refunded: the items that the product writes, but many in one call."""
    event_id, tier_id = builders.create_shop(api)
    orders = [_order(event_id, tier_id, number) for number in range(SALES)]
    _write(purchases.create_order_items(order)[0] for order in orders)
    _write(_entry(order, "captured", order.total_cents) for order in orders)
    _write(_entry(order, "refunded", order.total_cents) for order in orders[:: SALES // REFUNDS])
    _write(store.sale_item(1, event_id, ledger_sale(entry), is_new=True) for entry in ledger.scan_entries())
    return event_id


def _write(items: Iterable[dynamo.TransactItem]) -> None:
    remaining = iter(items)
    while part := list(islice(remaining, dynamo.MAX_TRANSACT_ITEMS)):
        dynamo.transact(part)


def _order(event_id: str, tier_id: str, number: int) -> Purchase:
    line = LineItem(tier_id, "Floor", 1, 5000 + number % 97, 1, [])
    return Purchase(
        id=f"01KT1GW6G0{number:016}",
        user_id=f"user-{number}",
        event_id=event_id,
        state="paid",
        version=3,
        lines=[line],
        currency="USD",
        created_at=clock.now() + number,
        expires_at=clock.now() + number,
        ended_at=clock.now() + number,
        payment=Payment("simulated", "captured", line.total_cents, "USD"),
    )


def _entry(order: Purchase, kind, cents: int) -> dynamo.TransactItem:
    return ledger.entry_item(
        event_id=order.event_id,
        purchase_id=order.id,
        kind=kind,
        reference="1",
        amount=cents,
        currency="USD",
        provider="simulated",
        now=order.created_at + (kind == "refunded") * 1_000_000,
    )


def _parts(api: Client, event_id: str) -> Iterator[str]:
    """The parts of the export, which Link leads through."""
    path = f"/admin/events/{event_id}/tickets/sales/export"
    more = ""
    while True:
        reply = api.get(path + more, token=builders.admin_token())
        assert reply.status == 200, reply.json
        yield reply.body.decode()
        link = re.fullmatch(r'<(.*)>; rel="next"', reply.headers.get("link", ""))
        if link is None:
            return
        more = link[1]


@pytest.mark.slow
def test_20000_sales_add_up_to_the_ledger_and_need_the_memory_of_one_part(api, event_id):
    cents, orders, lines, peaks = 0, set(), 0, []
    columns = None
    for number, part in enumerate(_parts(api, event_id)):
        rows = list(csv.reader(part.splitlines()))
        columns = columns or {name: place for place, name in enumerate(rows.pop(0))}
        assert len(rows) <= PART_LINES
        lines += len(rows)
        cents += sum(int(row[columns["amount_cents"]]) for row in rows)
        orders.update(row[columns["order_id"]] for row in rows)
        if tracemalloc.is_tracing():
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        if number in (0, 9, 19):  # the first part, one in the middle and one near the end; tracing all takes too long
            tracemalloc.start()
    [totals] = ledger.revenue_report(event_id).totals
    assert (lines, len(orders)) == (SALES + REFUNDS, SALES)
    assert cents == totals.balance_cents > 0
    assert len(peaks) == 3
    assert max(peaks) < MAX_PART_BYTES
    assert max(peaks) < 1.5 * min(peaks)  # whatever comes before and after it
