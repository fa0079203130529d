"""The money ledger: it only grows, is never apart from the change that it tells of, and its sums are those of its entries."""

from contextlib import contextmanager
from itertools import count
from typing import get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib import dynamo, ids
from chalicelib.audit import service as audit
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import SIGNS, EntryKind, RevenueTotals
from chalicelib.payments.model import ProviderName
from tests.simulation import faults

NOW = 1_780_315_200
PURCHASE = "01J00000000000000000000001"
STORY = ("opened", "declined", "captured", "refunded", "refund_failed", "disputed", "dispute_won")

_events = count(1)


def happening(kind="captured", amount=5000, reference="pi_1", purchase_id=PURCHASE, **others):
    said = {"event_id": "ev", "purchase_id": purchase_id, "kind": kind, "reference": reference, "amount": amount}
    return {**said, "currency": "EUR", "provider": "stripe", "now": NOW, **others}


def write(*args, **others):
    dynamo.transact([ledger.entry_item(**happening(*args, **others))])


def shown(entries):
    return [(one.kind, one.amount_cents) for one in entries]


@contextmanager
def pages_of(client, size):
    """DynamoDB ends a page after 1 MB; here it does after `size` entries."""

    def limited(params, **_):
        params["Limit"] = size

    client.meta.events.register("provide-client-params.dynamodb.Query", limited, unique_id="pages")
    try:
        yield
    finally:
        client.meta.events.unregister("provide-client-params.dynamodb.Query", unique_id="pages")


# One entry


@pytest.mark.parametrize(
    ("kind", "signed"),
    [("captured", 5000), ("refunded", -5000), ("refund_failed", 5000), ("disputed", -5000), ("dispute_won", 5000)],
)
def test_the_kind_gives_the_sign(store, kind, signed):
    write(kind, 5000, details={"reason": "requested"})
    (found,) = ledger.list_purchase_entries("ev", PURCHASE)
    assert msgspec.to_builtins(found) == {
        "event_id": "ev",
        "purchase_id": PURCHASE,
        "kind": kind,
        "reference": "pi_1",
        "amount_cents": signed,
        "currency": "EUR",
        "provider": "stripe",
        "at": NOW,
        "details": {"reason": "requested"},
    }


@pytest.mark.parametrize("kind", ["opened", "declined"])
def test_what_was_only_asked_for_is_a_fact_and_no_money(store, kind):
    facts = {"decline_code": "insufficient_funds"}
    write(kind, 5000, details=facts)
    (found,) = ledger.list_purchase_entries("ev", PURCHASE)
    assert (found.amount_cents, found.details) == (0, {"decline_code": "insufficient_funds", "asked_cents": 5000})
    assert facts == {"decline_code": "insufficient_funds"}


def test_every_kind_has_a_sign():
    assert set(SIGNS) == set(get_args(EntryKind))


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": -1},
        {"currency": "eur"},
        {"currency": ""},
        {"event_id": ""},
        {"event_id": "ev#0"},
        {"purchase_id": ""},
        {"purchase_id": f"{PURCHASE}#captured"},
        {"purchase_id": f"{PURCHASE}\n"},
        {"purchase_id": "a" * 101},
        {"reference": ""},
        {"reference": "r" * 256},
    ],
)
def test_what_cannot_be_an_entry_is_not_written(store, wrong):
    for put in (ledger.entry_item, ledger.record_entry):
        with pytest.raises(ValueError):
            put(**happening(**wrong))
    assert ledger.revenue_report("ev").totals == []


@pytest.mark.parametrize("purchase_id", ["", "A#captured", "A$", "A\n"])
def test_nothing_is_asked_for_by_a_part_of_a_key(store, purchase_id):
    with faults.record_calls() as made, pytest.raises(ValueError):
        ledger.list_purchase_entries("ev", purchase_id)
    assert made.names == []


# Append-only, and never apart from its change


def test_a_second_entry_of_the_same_key_is_refused_and_the_first_stays(store):
    write(amount=5000)
    with pytest.raises(dynamo.TransactionCanceled) as refused:
        write(amount=1, currency="USD", now=NOW + 9)
    assert refused.value.failed(0)
    assert ledger.record_entry(**happening(amount=1)) is False
    assert shown(ledger.list_purchase_entries("ev", PURCHASE)) == [("captured", 5000)]


def test_a_note_is_written_once(store):
    said = happening("declined", reference="ch_1")
    assert [ledger.record_entry(**said), ledger.record_entry(**said), ledger.record_entry(**{**said, "reference": "ch_2"})] == [
        True,
        False,
        True,
    ]
    assert [one.reference for one in ledger.list_purchase_entries("ev", PURCHASE)] == ["ch_1", "ch_2"]


@pytest.mark.parametrize("repeated", [False, True])
def test_a_note_whose_answer_is_lost_is_there_once(store, repeated):
    said = happening("declined", reference="ch_1")
    with faults.lose_answer(1, repeated=repeated) as fault:
        if repeated:
            assert ledger.record_entry(**said) is False
        else:
            with pytest.raises(dynamo.STORE_ERRORS):
                ledger.record_entry(**said)
    assert fault.was_triggered
    assert ledger.record_entry(**said) is False
    assert len(ledger.list_purchase_entries("ev", PURCHASE)) == 1


def test_an_entry_is_not_there_when_its_change_is_refused(store):
    change = audit.entry_item("catalog", "step", "root", NOW, {})
    dynamo.transact([change])
    with pytest.raises(dynamo.TransactionCanceled) as refused:
        dynamo.transact([change, ledger.entry_item(**happening())])
    assert [refused.value.failed(0), refused.value.failed(1)] == [True, False]
    assert ledger.list_purchase_entries("ev", PURCHASE) == []


def test_a_change_is_not_made_when_its_entry_is_there(store):
    write()
    with pytest.raises(dynamo.TransactionCanceled) as refused:
        dynamo.transact([audit.entry_item("catalog", "step", "root", NOW, {}), ledger.entry_item(**happening())])
    assert [refused.value.failed(0), refused.value.failed(1)] == [False, True]
    assert audit.list_entries("catalog") == []


def test_an_entry_costs_two_units_in_a_transaction_and_one_as_a_note(store):
    with faults.record_calls(measured=True) as made:
        write(details={"reason": "requested_by_customer"})
        ledger.record_entry(**happening("declined", details={"decline_code": "insufficient_funds"}))
    assert made.names == ["TransactWriteItems", "PutItem"]
    assert [one.write_units for one in made.entries] == [2, 1]


# One purchase


def test_entries_come_as_they_happened(store):
    """By the second, then in the order of a purchase's story, whatever the order of writing."""
    for kind in reversed(STORY):
        write(kind, 100, now=NOW)
    write("declined", 100, reference="pi_0", now=NOW - 1)
    write("refunded", 100, reference="re_2", now=NOW + 1)
    found = ledger.list_purchase_entries("ev", PURCHASE)
    assert [one.kind for one in found] == ["declined", *STORY, "refunded"]
    assert ledger.balances(found) == {"EUR": 0}


def test_a_balance_is_what_is_kept_in_each_currency(store):
    write("captured", 5000)
    write("captured", 700, reference="pi_2", currency="USD")
    write("refunded", 2000, reference="re_1")
    write("refund_failed", 2000, reference="re_1")
    write("refunded", 1500, reference="re_2")
    found = ledger.list_purchase_entries("ev", PURCHASE)
    assert ledger.balances(found) == {"EUR": 3500, "USD": 700}
    assert ledger.balances([]) == {}


def test_a_purchase_has_its_own_entries_only(store):
    """Also where ids begin alike, where a reference looks like a key, and in another event."""
    write(purchase_id="A", amount=1, reference="x#captured#y")
    for last in "0123456789.-_abcdef":  # several of them are in the same lane
        write(purchase_id=f"A{last}", amount=2)
    write(purchase_id="A", amount=4, event_id="ev.1")
    found = ledger.list_purchase_entries("ev", "A")
    assert [(one.purchase_id, one.reference, one.amount_cents) for one in found] == [("A", "x#captured#y", 1)]
    assert shown(ledger.list_purchase_entries("ev", "none")) == []


def test_one_strongly_consistent_query_finds_a_purchase(store):
    write("opened")
    write("captured")
    with faults.record_calls(measured=True) as made:
        assert len(ledger.list_purchase_entries("ev", PURCHASE)) == 2
    assert (made.names, made.capacity) == (["Query"], (1, 0))


# An event


def test_purchases_spread_over_the_lanes_and_always_find_their_own(store):
    purchases = [ids.new_id() for _ in range(80)]
    for number, purchase_id in enumerate(purchases):
        write(purchase_id=purchase_id, amount=number)
    found = {purchase_id: ledger.list_purchase_entries("ev", purchase_id) for purchase_id in purchases}
    assert [one.amount_cents for entries in found.values() for one in entries] == list(range(80))
    lanes = [item["lane"]["S"] for item in store.scan(TableName=dynamo.table_name("payment-transactions"))["Items"]]
    assert sorted(set(lanes)) == ["ev#0", "ev#1", "ev#2", "ev#3"]
    assert max(map(lanes.count, lanes)) <= 40


def test_keys_are_the_same_for_ever(store):
    """What was written by another version of the code, on another machine, is found."""
    write(purchase_id="01J00000000000000000000001")
    write(purchase_id="01J00000000000000000000002")
    found = store.scan(TableName=dynamo.table_name("payment-transactions"))["Items"]
    assert sorted((item["lane"]["S"], item["entry"]["S"]) for item in found) == [
        ("ev#1", "01J00000000000000000000001#captured#pi_1"),
        ("ev#3", "01J00000000000000000000002#captured#pi_1"),
    ]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_pages_of_any_size_are_put_together(store, size):
    purchases = [f"{PURCHASE[:-2]}{number:02}" for number in range(12)]
    for purchase_id in reversed(purchases):
        write("captured", 100, purchase_id=purchase_id)
        write("refunded", 30, purchase_id=purchase_id, reference="re_1")
    write(event_id="other")
    with pages_of(store, size):
        assert [one.purchase_id for one in ledger.list_event_entries("ev")] == [one for one in purchases for _ in range(2)]
        assert shown(ledger.list_purchase_entries("ev", purchases[5])) == [("captured", 100), ("refunded", -30)]
        between = [one.purchase_id for one in ledger.list_entries_between("ev", purchases[3], purchases[8])]
        assert between == [one for one in purchases[3:9] for _ in range(2)]
        (takings,) = ledger.revenue_report("ev").totals
        assert (takings.payments, takings.refunds, takings.balance_cents) == (12, 12, 12 * 70)


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
def test_a_range_includes_both_ends_and_nothing_that_begins_alike(store, first, last, expected):
    for purchase_id in ("A", "A1", "B", "C", "C1"):
        write("opened", purchase_id=purchase_id)
        write("captured", purchase_id=purchase_id)
    found = [one.purchase_id for one in ledger.list_entries_between("ev", first, last)]
    assert found == [one for one in expected for _ in range(2)]


def test_entries_are_read_as_they_are_asked_for(store):
    for number in range(40):
        write(purchase_id=f"{PURCHASE[:-2]}{number:02}")
    with pages_of(store, 2), faults.record_calls() as made:
        next(ledger.list_event_entries("ev"))
    assert made.names == ["Query"] * 4


def test_a_report_tells_providers_and_currencies_apart(store):
    write("opened", 5000)
    write("declined", 5000, reference="ch_1")
    write("captured", 5000)
    write("refunded", 2000, reference="re_1")
    write("refund_failed", 2000, reference="re_1")
    write("refunded", 1500, reference="re_2")
    write("captured", 900, purchase_id="B")
    write("disputed", 900, purchase_id="B", reference="dp_1")
    write("disputed", 400, purchase_id="C", reference="dp_2")
    write("dispute_won", 400, purchase_id="C", reference="dp_2")
    write("captured", 800, purchase_id="D", currency="USD")
    write("captured", 999, purchase_id="E", provider="simulated")
    write("opened", 111, purchase_id="F", provider="simulated")
    write("captured", 77777, event_id="other")
    report = ledger.revenue_report("ev")
    assert report.event_id == "ev"
    nothing = dict.fromkeys(RevenueTotals.__struct_fields__[2:], 0)
    assert [msgspec.to_builtins(one) for one in report.totals] == [
        nothing
        | {"provider": "simulated", "currency": "EUR", "captured_cents": 999, "balance_cents": 999}
        | {"attempts": 1, "payments": 1},
        nothing
        | {"provider": "stripe", "currency": "EUR", "captured_cents": 5900, "refunded_cents": 1500, "disputed_cents": 900}
        | {"balance_cents": 3500, "attempts": 1, "declined": 1, "payments": 2, "refunds": 2, "failed_refunds": 1}
        | {"disputes": 2, "disputes_won": 1},
        nothing | {"provider": "stripe", "currency": "USD", "captured_cents": 800, "balance_cents": 800, "payments": 1},
    ]


def test_a_report_takes_one_strongly_consistent_query_for_each_lane(store):
    for number in range(20):
        write(purchase_id=f"{PURCHASE[:-2]}{number:02}")
    with faults.record_calls(measured=True) as made:
        ledger.revenue_report("ev")
    assert (made.names, made.capacity) == (["Query"] * 4, (4, 0))


ENTRIES = st.tuples(
    st.sampled_from(["A", "A1", "B", "C"]),
    st.sampled_from(get_args(EntryKind)),
    st.sampled_from(["r1", "r2"]),
    st.integers(0, 10**9),
    st.sampled_from(["EUR", "USD"]),
    st.sampled_from(get_args(ProviderName)),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(ENTRIES, max_size=14))
def test_the_balance_of_a_report_is_that_of_its_purchases(store, said):
    event_id = f"ev-{next(_events)}"
    for purchase_id, kind, reference, amount, currency, provider in said:
        told = {"purchase_id": purchase_id, "currency": currency, "provider": provider, "event_id": event_id}
        ledger.record_entry(**happening(kind, amount, reference, **told))
    reported, summed = {}, {}
    for one in ledger.revenue_report(event_id).totals:
        assert one.balance_cents == one.captured_cents - one.refunded_cents - one.disputed_cents
        reported[one.currency] = reported.get(one.currency, 0) + one.balance_cents
    for purchase_id in {purchase_id for purchase_id, *_ in said}:
        for currency, cents in ledger.balances(ledger.list_purchase_entries(event_id, purchase_id)).items():
            summed[currency] = summed.get(currency, 0) + cents
    assert reported == summed
    first = {(purchase_id, kind, reference): amount for purchase_id, kind, reference, amount, *_ in reversed(said)}
    assert sum(summed.values()) == sum(SIGNS[kind] * amount for (_, kind, _), amount in first.items())
