"""Open cases: opening, updating, postponing, dismissing and listing them."""

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock
from chalicelib.ledger import money_cases

NOW = 1_780_315_200
DETAILS = {"event_id": "fest", "amount_cents": 5000}

pytestmark = pytest.mark.usefixtures("store")


def open_case(purchase_id="p1", kind="refund", case_id="r1", since=NOW, next_at=None, **details):
    dynamo.transact([money_cases.open_case_item(purchase_id, kind, case_id, since, DETAILS | details, next_at)])


def get_only_case():
    [case] = money_cases.list_open_cases()
    return case


# ------------------------------------------------------------------ opening and closing
def test_no_case_is_open_at_first():
    assert money_cases.list_open_cases() == []


@pytest.mark.parametrize("kind", ["refund", "dispute", "finding"])
@pytest.mark.parametrize("next_at", [None, NOW + 60])
def test_an_opened_case_is_listed_as_it_was_written(kind, next_at):
    open_case(kind=kind, case_id="pi_1#2", next_at=next_at)
    case = get_only_case()
    assert (case.purchase_id, case.kind, case.id, case.since, case.next_at, case.details) == ("p1", kind, "pi_1#2", NOW, next_at, DETAILS)


def test_opening_an_open_case_updates_it():
    open_case(next_at=NOW + 60, status="due")
    open_case(next_at=NOW + 3600, status="pending")
    assert (get_only_case().next_at, get_only_case().details["status"]) == (NOW + 3600, "pending")


def test_purchase_kind_and_id_together_identify_a_case():
    open_case()
    open_case(purchase_id="p2")
    open_case(kind="finding")
    open_case(case_id="r2")
    assert len(money_cases.list_open_cases()) == 4


def test_a_closed_case_is_gone_and_may_be_closed_again():
    open_case()
    for _ in range(2):
        dynamo.transact([money_cases.close_case_item("p1", "refund", "r1")])
        assert money_cases.list_open_cases() == []


def test_a_case_is_written_only_with_the_rest_of_its_transaction():
    open_case()
    closed = get_only_case()
    dynamo.transact([money_cases.close_case_item("p1", "refund", "r1")])
    with pytest.raises(dynamo.ConditionFailed):
        dynamo.transact([money_cases.open_case_item("p2", "refund", "r2", NOW, DETAILS), money_cases.dismiss_case_item(closed)])
    assert money_cases.list_open_cases() == []


def test_a_finding_that_is_open_stays_as_it_was_first_written():
    assert money_cases.open_finding("p1", "amounts_differ-pi_1", NOW, {"found": 1})
    assert not money_cases.open_finding("p1", "amounts_differ-pi_1", NOW + 60, {"found": 2})
    assert (get_only_case().since, get_only_case().details) == (NOW, {"found": 1})


def test_a_finding_can_be_closed_and_opened_again():
    money_cases.open_finding("p1", "amounts_differ-pi_1", NOW, {})
    for _ in range(2):
        money_cases.close_finding("p1", "amounts_differ-pi_1")
        assert money_cases.list_open_cases() == []
    assert money_cases.open_finding("p1", "amounts_differ-pi_1", NOW + 60, {})


# ------------------------------------------------------------------ postponing
def test_a_case_can_be_postponed():
    open_case(next_at=NOW)
    money_cases.postpone_case(get_only_case(), NOW + 3600)
    assert (get_only_case().next_at, get_only_case().details) == (NOW + 3600, DETAILS)


def test_a_case_that_has_changed_since_it_was_read_is_not_postponed():
    open_case(next_at=NOW)
    read = get_only_case()
    open_case(next_at=NOW + 60)
    money_cases.postpone_case(read, NOW + 3600)
    assert get_only_case().next_at == NOW + 60


def test_postponing_does_not_reopen_a_case_closed_in_between():
    open_case(next_at=NOW)
    read = get_only_case()
    dynamo.transact([money_cases.close_case_item("p1", "refund", "r1")])
    money_cases.postpone_case(read, NOW + 3600)
    assert money_cases.list_open_cases() == []


# ------------------------------------------------------------------ what a person closes
@pytest.mark.parametrize(
    ("kind", "next_at", "needs_person"),
    [
        ("finding", None, True),
        ("refund", None, True),
        ("refund", NOW + 60, False),
        ("dispute", None, False),
    ],
    ids=["finding", "failed refund", "refund that is tried again", "dispute"],
)
def test_only_findings_and_failed_refunds_need_a_person(kind, next_at, needs_person):
    open_case(kind=kind, next_at=next_at)
    assert get_only_case().needs_person == needs_person
    assert money_cases.find_manual_case("p1", "r1") == (get_only_case() if needs_person else None)


def test_a_manual_case_is_found_only_by_its_own_ids():
    open_case(kind="finding")
    assert money_cases.find_manual_case("p1", "r2") is None
    assert money_cases.find_manual_case("p2", "r1") is None


def test_a_dismissed_case_is_gone():
    open_case()
    dynamo.transact([money_cases.dismiss_case_item(get_only_case())])
    assert money_cases.list_open_cases() == []


def test_a_case_cannot_be_dismissed_twice():
    open_case()
    case = get_only_case()
    dynamo.transact([money_cases.dismiss_case_item(case)])
    with pytest.raises(dynamo.ConditionFailed):
        dynamo.transact([money_cases.dismiss_case_item(case)])


def test_a_case_that_the_sweep_works_on_again_cannot_be_dismissed():
    open_case()
    read = get_only_case()
    open_case(next_at=NOW + 60)
    with pytest.raises(dynamo.ConditionFailed):
        dynamo.transact([money_cases.dismiss_case_item(read)])
    assert get_only_case().next_at == NOW + 60


# ------------------------------------------------------------------ the list
def test_open_cases_are_listed_by_age_then_purchase_kind_and_id():
    expected = [
        ("p9", "refund", "r1", NOW - 60),
        ("p1", "dispute", "dp_1", NOW),
        ("p1", "finding", "f1", NOW),
        ("p1", "finding", "f2", NOW),
        ("p2", "dispute", "dp_2", NOW),
        ("p0", "refund", "r1", NOW + 1),
    ]
    for purchase_id, kind, case_id, since in reversed(expected):
        open_case(purchase_id, kind, case_id, since)
    assert [(case.purchase_id, case.kind, case.id, case.since) for case in money_cases.list_open_cases()] == expected


def test_the_view_of_a_case_names_its_order_its_age_and_its_details():
    open_case()
    assert get_only_case().view() == {"order_id": "p1", "kind": "refund", "id": "r1", "since": clock.iso(NOW), **DETAILS}


# ------------------------------------------------------------------ what is due
def test_due_cases_are_listed_by_the_time_at_which_they_are_due():
    for number, next_at in enumerate([NOW, NOW - 60, NOW + 1, None, NOW - 30]):
        open_case(f"p{number}", next_at=next_at)
    assert [case.purchase_id for case in money_cases.list_due("refund", NOW, 10)] == ["p1", "p4", "p0"]
    assert [case.purchase_id for case in money_cases.list_due("refund", NOW, 2)] == ["p1", "p4"]
    assert list(money_cases.list_due("finding", NOW, 10)) == []


def test_a_due_case_goes_behind_the_others_when_it_is_postponed():
    open_case("p1", next_at=NOW - 60)
    open_case("p2", next_at=NOW - 30)
    money_cases.postpone_case(next(money_cases.list_due("refund", NOW, 1)), NOW)
    assert [case.purchase_id for case in money_cases.list_due("refund", NOW, 10)] == ["p2", "p1"]


def test_a_case_that_waits_for_a_person_is_no_longer_due():
    open_case(next_at=NOW)
    open_case(next_at=None)
    assert list(money_cases.list_due("refund", NOW, 10)) == []
