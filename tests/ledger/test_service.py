"""The money ledger: entries are written once, in the transaction of their change, and balances and reports add them up."""

from itertools import count
from typing import get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.audit import service as audit
from chalicelib.dynamodb import dynamo
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import SIGNS, EntryKind, RevenueTotals, StatementTotals
from chalicelib.payments.model import ProviderName
from tests.ledger.entries import NOW, PURCHASE_ID, entry_fields, kinds_and_cents, write_entry
from tests.simulation import faults

KINDS_IN_ORDER = ("opened", "declined", "captured", "fee", "refunded", "fee_returned", "refund_failed", "disputed", "dispute_won")

_events = count(1)


# One entry.


@pytest.mark.parametrize(
    ("kind", "signed"),
    [("captured", 5000), ("refunded", -5000), ("refund_failed", 5000), ("disputed", -5000), ("dispute_won", 5000)],
)
def test_the_kind_gives_the_sign(store, kind, signed):
    write_entry(kind, 5000, details={"reason": "requested"})
    (found,) = ledger.list_purchase_entries("ev", PURCHASE_ID)
    assert msgspec.to_builtins(found) == {
        "event_id": "ev",
        "purchase_id": PURCHASE_ID,
        "kind": kind,
        "reference": "pi_1",
        "amount_cents": signed,
        "currency": "EUR",
        "provider": "stripe",
        "at": NOW,
        "details": {"reason": "requested"},
    }


@pytest.mark.parametrize("kind", ["opened", "declined"])
def test_attempts_have_no_amount_and_their_cents_are_a_detail(store, kind):
    details = {"decline_code": "insufficient_funds"}
    write_entry(kind, 5000, details=details)
    (found,) = ledger.list_purchase_entries("ev", PURCHASE_ID)
    assert (found.amount_cents, found.details) == (0, {"decline_code": "insufficient_funds", "asked_cents": 5000})
    assert details == {"decline_code": "insufficient_funds"}


@pytest.mark.parametrize(("kind", "net"), [("fee", -450), ("fee_returned", 450)])
def test_a_fee_is_part_of_the_net_amount_but_not_of_the_balance(store, kind, net):
    write_entry(kind, 450, details={"account": "acct_1"})
    (found,) = ledger.list_purchase_entries("ev", PURCHASE_ID)
    assert (found.amount_cents, found.net_cents, found.account) == (0, net, "acct_1")
    assert found.details == {"account": "acct_1", "fee_cents": 450}


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
        {"purchase_id": f"{PURCHASE_ID}#captured"},
        {"purchase_id": f"{PURCHASE_ID}\n"},
        {"purchase_id": "a" * 101},
        {"reference": ""},
        {"reference": "r" * 256},
    ],
)
def test_an_invalid_entry_is_not_written(store, wrong):
    for write in (ledger.entry_item, ledger.record_entry):
        with pytest.raises(ValueError):
            write(**entry_fields(**wrong))
    assert ledger.revenue_report("ev").totals == []


# Written once, and together with the change that they are about.


def test_a_second_entry_of_the_same_key_is_refused_and_the_first_stays(store):
    write_entry(amount=5000)
    with pytest.raises(dynamo.ConditionFailed) as refused:
        write_entry(amount=1, currency="USD", now=NOW + 9)
    assert refused.value.failed(0)
    assert ledger.record_entry(**entry_fields(amount=1)) is False
    assert kinds_and_cents(ledger.list_purchase_entries("ev", PURCHASE_ID)) == [("captured", 5000)]


def test_an_entry_recorded_twice_is_there_once(store):
    fields = entry_fields("declined", reference="ch_1")
    assert [ledger.record_entry(**fields), ledger.record_entry(**fields), ledger.record_entry(**{**fields, "reference": "ch_2"})] == [
        True,
        False,
        True,
    ]
    assert [entry.reference for entry in ledger.list_purchase_entries("ev", PURCHASE_ID)] == ["ch_1", "ch_2"]


@pytest.mark.parametrize("repeated", [False, True])
def test_an_entry_whose_response_was_lost_is_there_once(store, repeated):
    fields = entry_fields("declined", reference="ch_1")
    with faults.lose_answer(1, repeated=repeated) as fault:
        if repeated:
            assert ledger.record_entry(**fields) is False
        else:
            with pytest.raises(dynamo.STORE_ERRORS):
                ledger.record_entry(**fields)
    assert fault.was_triggered
    assert ledger.record_entry(**fields) is False
    assert len(ledger.list_purchase_entries("ev", PURCHASE_ID)) == 1


def test_an_entry_is_not_written_when_its_change_is_refused(store):
    change = audit.entry_item("catalog", "step", "root", NOW, {})
    dynamo.transact([change])
    with pytest.raises(dynamo.ConditionFailed) as refused:
        dynamo.transact([change, ledger.entry_item(**entry_fields())])
    assert [refused.value.failed(0), refused.value.failed(1)] == [True, False]
    assert ledger.list_purchase_entries("ev", PURCHASE_ID) == []


def test_a_change_is_refused_when_its_entry_exists(store):
    write_entry()
    with pytest.raises(dynamo.ConditionFailed) as refused:
        dynamo.transact([audit.entry_item("catalog", "step", "root", NOW, {}), ledger.entry_item(**entry_fields())])
    assert [refused.value.failed(0), refused.value.failed(1)] == [False, True]
    assert audit.list_entries("catalog") == []


def test_an_entry_costs_two_units_in_a_transaction_and_one_alone(store):
    with faults.record_calls(measured=True) as calls:
        write_entry(details={"reason": "requested_by_customer"})
        ledger.record_entry(**entry_fields("declined", details={"decline_code": "insufficient_funds"}))
    assert calls.names == ["TransactWriteItems", "PutItem"]
    assert [call.write_units for call in calls.entries] == [2, 1]


# The entries of one purchase.


def test_entries_of_a_purchase_are_in_chronological_order(store):
    """By the second, then in the order in which they happen to a purchase, in whatever order they were written."""
    for kind in reversed(KINDS_IN_ORDER):
        write_entry(kind, 100, now=NOW)
    write_entry("declined", 100, reference="pi_0", now=NOW - 1)
    write_entry("refunded", 100, reference="re_2", now=NOW + 1)
    found = ledger.list_purchase_entries("ev", PURCHASE_ID)
    assert [entry.kind for entry in found] == ["declined", *KINDS_IN_ORDER, "refunded"]
    assert ledger.balances(found) == {"EUR": 0}


def test_a_balance_adds_up_the_entries_of_each_currency(store):
    write_entry("captured", 5000)
    write_entry("captured", 700, reference="pi_2", currency="USD")
    write_entry("refunded", 2000, reference="re_1")
    write_entry("refund_failed", 2000, reference="re_1")
    write_entry("refunded", 1500, reference="re_2")
    found = ledger.list_purchase_entries("ev", PURCHASE_ID)
    assert ledger.balances(found) == {"EUR": 3500, "USD": 700}
    assert ledger.balances([]) == {}


def test_a_purchase_takes_one_strongly_consistent_query(store):
    write_entry("opened")
    write_entry("captured")
    with faults.record_calls(measured=True) as calls:
        assert len(ledger.list_purchase_entries("ev", PURCHASE_ID)) == 2
    assert (calls.names, calls.capacity) == (["Query"], (1, 0))


# The entries of an event.


def test_a_report_tells_providers_and_currencies_apart(store):
    write_entry("opened", 5000)
    write_entry("declined", 5000, reference="ch_1")
    write_entry("captured", 5000)
    write_entry("refunded", 2000, reference="re_1")
    write_entry("refund_failed", 2000, reference="re_1")
    write_entry("refunded", 1500, reference="re_2")
    write_entry("captured", 900, purchase_id="B")
    write_entry("disputed", 900, purchase_id="B", reference="dp_1")
    write_entry("disputed", 400, purchase_id="C", reference="dp_2")
    write_entry("dispute_won", 400, purchase_id="C", reference="dp_2")
    write_entry("captured", 800, purchase_id="D", currency="USD")
    write_entry("captured", 999, purchase_id="E", provider="simulated")
    write_entry("opened", 111, purchase_id="F", provider="simulated")
    write_entry("captured", 77777, event_id="other")
    report = ledger.revenue_report("ev")
    assert report.event_id == "ev"
    zeros = dict.fromkeys(RevenueTotals.__struct_fields__[2:], 0) | {"taxes": []}
    assert [msgspec.to_builtins(totals) for totals in report.totals] == [
        zeros | {"provider": "simulated", "currency": "EUR", "captured_cents": 999, "balance_cents": 999} | {"attempts": 1, "payments": 1},
        zeros
        | {"provider": "stripe", "currency": "EUR", "captured_cents": 5900, "refunded_cents": 1500, "disputed_cents": 900}
        | {"balance_cents": 3500, "attempts": 1, "declined": 1, "payments": 2, "refunds": 2, "failed_refunds": 1}
        | {"disputes": 2, "disputes_won": 1},
        zeros | {"provider": "stripe", "currency": "USD", "captured_cents": 800, "balance_cents": 800, "payments": 1},
    ]


def test_a_statement_adds_up_each_account(store):
    on_account = {"details": {"account": "acct_1"}}
    write_entry("opened", 5000, **on_account)
    write_entry("captured", 5000, **on_account)
    write_entry("fee", 450, **on_account)
    write_entry("refunded", 2000, reference="re_1", **on_account)
    write_entry("fee_returned", 180, reference="re_1", **on_account)
    write_entry("disputed", 1000, reference="dp_1", **on_account)
    write_entry("captured", 900, purchase_id="B")
    stripe = {"provider": "stripe", "currency": "EUR"}
    zeros = dict.fromkeys(StatementTotals.__struct_fields__[3:], 0) | {"taxes": []}
    assert [msgspec.to_builtins(totals) for totals in ledger.statement("ev")] == [
        zeros | stripe | {"account": None, "captured_cents": 900, "net_cents": 900},
        {"account": "acct_1", "captured_cents": 5000, "refunded_cents": 2000, "disputed_cents": 1000, "fee_cents": 270, "net_cents": 1730}
        | stripe
        | {"taxes": [], "included_fee_cents": 0},
    ]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_the_pages_of_a_statement_keep_the_entries_of_a_purchase_together(store, limit):
    for purchase_id in ("A", "B", "B1", "C"):
        write_entry("opened", purchase_id=purchase_id)
        write_entry("captured", purchase_id=purchase_id)
        write_entry("fee", 10, purchase_id=purchase_id)
    pages, after = [], None
    for _ in range(5):
        entries, after = ledger.list_statement_entries("ev", after, limit)
        pages.append([(entry.purchase_id, entry.kind) for entry in entries])
        if after is None:
            break
    assert [entry for page in pages for entry in page] == [(each, kind) for each in ("A", "B", "B1", "C") for kind in ("captured", "fee")]
    assert all(len(page) % 2 == 0 for page in pages)


def test_a_report_takes_one_strongly_consistent_query_for_each_lane(store):
    for number in range(20):
        write_entry(purchase_id=f"{PURCHASE_ID[:-2]}{number:02}")
    with faults.record_calls(measured=True) as calls:
        ledger.revenue_report("ev")
    assert (calls.names, calls.capacity) == (["Query"] * 4, (4, 0))


ENTRIES = st.tuples(
    st.sampled_from(["A", "A1", "B", "C"]),
    st.sampled_from(get_args(EntryKind)),
    st.sampled_from(["r1", "r2"]),
    st.integers(0, 10**9),
    st.sampled_from(["EUR", "USD"]),
    st.sampled_from(get_args(ProviderName)),
)


@pytest.mark.not_on_moto
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fields=st.lists(ENTRIES, max_size=14))
def test_the_balance_of_a_report_is_that_of_its_purchases(store, fields):
    event_id = f"ev-{next(_events)}"
    for purchase_id, kind, reference, amount, currency, provider in fields:
        others = {"purchase_id": purchase_id, "currency": currency, "provider": provider, "event_id": event_id}
        ledger.record_entry(**entry_fields(kind, amount, reference, **others))
    reported, summed = {}, {}
    for totals in ledger.revenue_report(event_id).totals:
        assert totals.balance_cents == totals.captured_cents - totals.refunded_cents - totals.disputed_cents
        reported[totals.currency] = reported.get(totals.currency, 0) + totals.balance_cents
    for purchase_id in {purchase_id for purchase_id, *_ in fields}:
        for currency, cents in ledger.balances(ledger.list_purchase_entries(event_id, purchase_id)).items():
            summed[currency] = summed.get(currency, 0) + cents
    assert reported == summed
    first = {(purchase_id, kind, reference): amount for purchase_id, kind, reference, amount, *_ in reversed(fields)}
    assert sum(summed.values()) == sum(SIGNS[kind] * amount for (_, kind, _), amount in first.items())
