"""A checker for each action of the state table: what it does to the purchase, its tickets, the stock, the ledger and Stripe."""

from collections.abc import Callable
from typing import get_args

from chalicelib.purchases.transitions import Action
from tests import builders
from tests.purchases.purchase_scenarios import PRICE, QUANTITY, TOTAL, USER, PurchaseScenario, Snapshot

Checker = Callable[[PurchaseScenario, Snapshot, Snapshot], None]  # the scenario, and the snapshots before and after


def issue(scenario: PurchaseScenario, before: Snapshot, after: Snapshot) -> None:
    assert after.purchase.state == "paid"
    assert after.tickets == {1: "valid", 2: "valid"}
    assert (after.available + after.held + after.sold, after.sold - before.sold) == (before.available + before.held + before.sold, QUANTITY)
    assert after.held == 0
    assert ledger_changes(before, after) == {"captured": TOTAL}
    assert after.kept - before.kept == TOTAL


def reissue_or_refund(scenario: PurchaseScenario, before: Snapshot, after: Snapshot) -> None:
    issue(scenario, before, after)
    assert before.available - after.available == QUANTITY
    assert {hold.hold_id for hold in before.purchase.holds}.isdisjoint(hold.hold_id for hold in after.purchase.holds)


def refund(scenario: PurchaseScenario, before: Snapshot, after: Snapshot) -> None:
    received = after.received - before.received
    assert received > 0
    assert after.kept == before.kept
    assert ledger_changes(before, after) == {"captured": received, "refunded": -received}
    (refund,) = after.purchase.refunds[len(before.purchase.refunds) :]
    assert (after.tickets, after.sold) == (before.tickets, before.sold)
    is_own = after.purchase.payment is not None and after.purchase.payment.payment_intent_id == scenario.payment_intent_id
    assert (refund.status, refund.reason) == ("succeeded", "amount_mismatch" if is_own else "duplicate")
    assert after.purchase.state == ("refunded" if is_own else before.purchase.state)
    returned = QUANTITY if is_own and before.held else 0
    assert (after.held, after.available) == (before.held - returned, before.available + returned)


def ignore(scenario: PurchaseScenario, before: Snapshot, after: Snapshot) -> None:
    assert after == before
    assert scenario.error is None


def end(scenario: PurchaseScenario, before: Snapshot, after: Snapshot) -> None:
    assert after.purchase.state == ("expired" if scenario.trigger == "hold_expired" else "cancelled")
    assert (after.held, after.available) == (0, before.available + QUANTITY)
    assert (after.tickets, after.ledger_cents, after.received) == ({}, {}, 0)


def cancel_payment(scenario: PurchaseScenario, before: Snapshot, after: Snapshot) -> None:
    end(scenario, before, after)
    assert scenario.shop.dashboard.v1.payment_intents.retrieve(scenario.payment_intent_id).status == "canceled"


def refuse(scenario: PurchaseScenario, before: Snapshot, after: Snapshot) -> None:
    assert after == before
    assert scenario.error in ("reservation_converted", "not_refundable", "order_not_found")


def return_tickets(scenario: PurchaseScenario, before: Snapshot, after: Snapshot) -> None:
    assert after.tickets == before.tickets | {2: "void"}
    assert after.purchase.state == ("partially_refunded" if "valid" in after.tickets.values() else "refunded")
    assert (after.available, after.sold) == (before.available + 1, before.sold - 1)
    assert ledger_changes(before, after) == {"refunded": -PRICE}
    assert before.kept - after.kept == PRICE


def retry(scenario: PurchaseScenario, before: Snapshot, after: Snapshot) -> None:
    """The second and third attempts fail as well, and then the refund is shown to the admins."""
    refund = after.purchase.refunds[-1]
    case_key, amount = f"refund#{refund.id}", refund.amount_cents
    assert (refund.status, refund.attempt, after.cases[case_key]) == ("due", 2, scenario.shop.time.now + 3600)
    assert (after.tickets, after.purchase.state) == (before.tickets, before.purchase.state)
    for attempt, wait in ((2, 3600), (3, 86_400)):
        scenario.shop.time.advance(wait - 1)
        builders.run_sweep()
        assert (again := scenario.take_snapshot()).purchase.refunds[-1].status == "due"
        scenario.shop.time.advance(1)
        builders.run_sweep()
        assert ((tried := scenario.take_snapshot().purchase.refunds[-1]).status, tried.attempt) == ("succeeded", attempt)
        scenario.fake.complete_pending()
        scenario.fake.deliver()
    assert again.kept == scenario.take_snapshot().kept == after.kept
    last = scenario.take_snapshot()
    assert (last.purchase.refunds[-1].status, last.cases) == ("failed", {case_key: None})
    assert (last.ledger_cents["refunded"], last.ledger_cents["refund_failed"]) == (
        after.ledger_cents["refunded"] - 2 * amount,
        after.ledger_cents["refund_failed"] + 2 * amount,
    )
    scenario.shop.time.advance(3 * 86_400)
    builders.run_sweep()
    assert scenario.take_snapshot().cases == last.cases


def record(scenario: PurchaseScenario, before: Snapshot, after: Snapshot) -> None:
    if scenario.trigger == "refunded_externally":
        return _record_refund(scenario, before, after)
    assert (after.tickets, after.sold, after.available) == (before.tickets, before.sold, before.available)
    assert after.purchase.state == before.purchase.state
    _check_dispute(scenario, before, after)
    return None


def _record_refund(scenario: PurchaseScenario, before: Snapshot, after: Snapshot) -> None:
    refund = after.purchase.refunds[-1]
    assert (refund.is_external, refund.status) == (True, "succeeded")
    assert ledger_changes(before, after) == {"refunded": -refund.amount_cents}
    assert before.kept - after.kept == refund.amount_cents
    if refund.amount_cents == before.kept:
        assert set(after.tickets.values()) == {"void"}
        assert after.purchase.state == "refunded"
        assert after.sold == 0
        assert after.cases == before.cases
    else:
        assert (after.tickets, after.purchase.state) == (before.tickets, before.purchase.state)
        assert after.cases == {f"finding#{refund.id}": None}


def settle_first(scenario: PurchaseScenario, before: Snapshot, after: Snapshot) -> None:
    """The payment is applied first: it makes an order, or ends the purchase if it was refunded already."""
    assert after.received > 0
    if scenario.trigger == "refunded_externally":
        assert (after.ledger_cents, after.purchase.refunds) == ({}, [])  # it was refunded before it was recorded
        assert after.purchase.state == {"paying": "cancelled"}.get(scenario.state, scenario.state)
        assert (after.tickets, after.sold, after.held) == ({}, 0, before.held if scenario.state == "held" else 0)
        assert after.available == before.available + before.held - after.held
        return
    assert after.ledger_cents["captured"] == after.received
    _check_dispute(scenario, before, after)
    if scenario.state == "held":
        # It is for no tickets, so it is refunded as soon as Stripe allows that.
        assert (after.purchase.state, after.tickets) == ("held", {})
        assert after.purchase.refunds[0].status == ("succeeded" if scenario.trigger == "dispute_won" else "due")
        return
    state = {"dispute_opened": "frozen", "dispute_won": "valid", "dispute_lost": "void"}[scenario.trigger]
    assert after.tickets == {1: state, 2: state}
    assert after.purchase.state == ("refunded" if state == "void" else "paid")


def freeze(scenario: PurchaseScenario, before: Snapshot, after: Snapshot) -> None:
    assert after.tickets == {number: "frozen" if state == "valid" else state for number, state in before.tickets.items()}
    assert (after.purchase.state, after.sold) == (before.purchase.state, before.sold)
    _check_dispute(scenario, before, after)
    assert fetch_order(scenario)["disputed"] is True


def thaw(scenario: PurchaseScenario, before: Snapshot, after: Snapshot) -> None:
    assert "frozen" not in after.tickets.values()
    assert (after.tickets, after.purchase.state, after.sold) == (before.tickets, before.purchase.state, before.sold)
    _check_dispute(scenario, before, after)


def void(scenario: PurchaseScenario, before: Snapshot, after: Snapshot) -> None:
    """The fake Stripe disputes whole payments, so all of the tickets are void."""
    assert set(after.tickets.values()) == {"void"}
    assert (after.purchase.state, after.sold, after.available) == ("refunded", 0, before.available + before.sold)
    _check_dispute(scenario, before, after)


def _check_dispute(scenario: PurchaseScenario, before: Snapshot, after: Snapshot) -> None:
    (dispute,) = after.purchase.disputes
    assert (dispute.payment_intent_id, dispute.amount_cents) == (scenario.payment_intent_id, TOTAL)
    assert dispute.status == {"dispute_opened": "open", "dispute_won": "won", "dispute_lost": "lost"}[scenario.trigger]
    assert (f"dispute#{dispute.id}" in after.cases) == (dispute.status == "open")
    assert (after.ledger_cents["disputed"], after.ledger_cents["dispute_won"]) == (-TOTAL, TOTAL if dispute.status == "won" else 0)


def fetch_order(scenario: PurchaseScenario) -> dict:
    reply = scenario.shop.api.get(f"/orders/{scenario.id}", user=USER)
    assert reply.status == 200
    return reply.json["order"]


def ledger_changes(before: Snapshot, after: Snapshot) -> dict[str, int]:
    """Cents by kind of the ledger entries since then."""
    return {kind: cents for kind in after.ledger_cents if (cents := after.ledger_cents[kind] - before.ledger_cents[kind])}


CHECKERS: dict[str, Checker] = {name: globals()[name] for name in get_args(Action) if name != "never"}
