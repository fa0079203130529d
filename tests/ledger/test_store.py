"""The ledger's keys, lanes and queries."""

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import ids
from chalicelib.ledger import service as ledger
from tests.ledger.entries import PURCHASE_ID, kinds_and_cents, limited_pages, write_entry
from tests.simulation import faults


@pytest.mark.parametrize("purchase_id", ["", "A#captured", "A$", "A\n"])
def test_a_purchase_id_that_could_be_part_of_a_key_is_refused(store, purchase_id):
    with faults.record_calls() as calls, pytest.raises(ValueError):
        ledger.list_purchase_entries("ev", purchase_id)
    assert calls.names == []


def test_a_purchase_has_its_own_entries_only(store):
    """Also where ids begin alike, where a reference looks like a key, and in another event."""
    write_entry(purchase_id="A", amount=1, reference="x#captured#y")
    for last in "0123456789.-_abcdef":  # several of them are in the same lane
        write_entry(purchase_id=f"A{last}", amount=2)
    write_entry(purchase_id="A", amount=4, event_id="ev.1")
    found = ledger.list_purchase_entries("ev", "A")
    assert [(entry.purchase_id, entry.reference, entry.amount_cents) for entry in found] == [("A", "x#captured#y", 1)]
    assert kinds_and_cents(ledger.list_purchase_entries("ev", "none")) == []


def test_purchases_spread_over_the_lanes_and_find_their_own_entries(store):
    purchases = [ids.new_id() for _ in range(80)]
    for number, purchase_id in enumerate(purchases):
        write_entry(purchase_id=purchase_id, amount=number)
    found = {purchase_id: ledger.list_purchase_entries("ev", purchase_id) for purchase_id in purchases}
    assert [entry.amount_cents for entries in found.values() for entry in entries] == list(range(80))
    lanes = [item["lane"]["S"] for item in store.scan(TableName=dynamo.table_name("payment-transactions"))["Items"]]
    assert sorted(set(lanes)) == ["ev#0", "ev#1", "ev#2", "ev#3"]
    assert max(map(lanes.count, lanes)) <= 40


def test_the_keys_of_entries_never_change(store):
    """Entries that another version of the code wrote are found."""
    write_entry(purchase_id="01J00000000000000000000001")
    write_entry(purchase_id="01J00000000000000000000002")
    found = store.scan(TableName=dynamo.table_name("payment-transactions"))["Items"]
    assert sorted((item["lane"]["S"], item["entry"]["S"]) for item in found) == [
        ("ev#1", "01J00000000000000000000001#captured#pi_1"),
        ("ev#3", "01J00000000000000000000002#captured#pi_1"),
    ]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_pages_of_any_size_are_merged(store, size):
    purchases = [f"{PURCHASE_ID[:-2]}{number:02}" for number in range(12)]
    for purchase_id in reversed(purchases):
        write_entry("captured", 100, purchase_id=purchase_id)
        write_entry("refunded", 30, purchase_id=purchase_id, reference="re_1")
    write_entry(event_id="other")
    with limited_pages(store, size):
        assert [entry.purchase_id for entry in ledger.list_event_entries("ev")] == [
            purchase_id for purchase_id in purchases for _ in range(2)
        ]
        assert kinds_and_cents(ledger.list_purchase_entries("ev", purchases[5])) == [("captured", 100), ("refunded", -30)]
        between = [entry.purchase_id for entry in ledger.list_entries_between("ev", purchases[3], purchases[8])]
        assert between == [purchase_id for purchase_id in purchases[3:9] for _ in range(2)]
        (totals,) = ledger.revenue_report("ev").totals
        assert (totals.payments, totals.refunds, totals.balance_cents) == (12, 12, 12 * 70)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("A", "C", ["A", "A1", "B", "C"]),
        ("A", "A", ["A"]),
        ("A0", "B", ["A1", "B"]),
        ("B", "B9", ["B"]),
        ("C", "A", []),
        ("D", "E", []),
    ],
)
def test_a_range_includes_both_ends_and_no_id_with_the_same_prefix(store, first, last, expected):
    for purchase_id in ("A", "A1", "B", "C", "C1"):
        write_entry("opened", purchase_id=purchase_id)
        write_entry("captured", purchase_id=purchase_id)
    found = [entry.purchase_id for entry in ledger.list_entries_between("ev", first, last)]
    assert found == [purchase_id for purchase_id in expected for _ in range(2)]


def test_the_entries_of_an_event_are_read_page_by_page(store):
    for number in range(40):
        write_entry(purchase_id=f"{PURCHASE_ID[:-2]}{number:02}")
    with limited_pages(store, 2), faults.record_calls() as calls:
        next(ledger.list_event_entries("ev"))
    assert calls.names == ["Query"] * 4
