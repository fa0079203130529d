"""What each answer of the state table means for purchase, tickets, stock, ledger and Stripe's books: a checker for each."""

from collections.abc import Callable
from typing import get_args

from chalicelib.purchases.record.transitions import Action
from tests import builders
from tests.purchases.record.purchase_scenarios import PRICE, QUANTITY, TOTAL, USER, Look, Play

Checker = Callable[[Play, Look, Look], None]  # the play, and what there was before and after


def issue(play: Play, before: Look, after: Look) -> None:
    assert after.purchase.state == "paid"
    assert after.tickets == {1: "valid", 2: "valid"}
    assert (after.available + after.held + after.sold, after.sold - before.sold) == (before.available + before.held + before.sold, QUANTITY)
    assert after.held == 0
    assert money(before, after) == {"captured": TOTAL}
    assert after.kept - before.kept == TOTAL


def reissue_or_refund(play: Play, before: Look, after: Look) -> None:
    issue(play, before, after)
    assert before.available - after.available == QUANTITY
    assert {hold.hold_id for hold in before.purchase.holds}.isdisjoint(hold.hold_id for hold in after.purchase.holds)


def refund(play: Play, before: Look, after: Look) -> None:
    came = after.received - before.received
    assert came > 0
    assert after.kept == before.kept
    assert money(before, after) == {"captured": came, "refunded": -came}
    (refund,) = after.purchase.refunds[len(before.purchase.refunds) :]
    assert (after.tickets, after.sold) == (before.tickets, before.sold)
    own = after.purchase.payment is not None and after.purchase.payment.payment_intent_id == play.intent
    assert (refund.status, refund.reason) == ("succeeded", "amount_mismatch" if own else "duplicate")
    assert after.purchase.state == ("refunded" if own else before.purchase.state)
    given = QUANTITY if own and before.held else 0
    assert (after.held, after.available) == (before.held - given, before.available + given)


def ignore(play: Play, before: Look, after: Look) -> None:
    assert after == before
    assert play.refused is None


def end(play: Play, before: Look, after: Look) -> None:
    assert after.purchase.state == ("expired" if play.happening == "hold_expired" else "cancelled")
    assert (after.held, after.available) == (0, before.available + QUANTITY)
    assert (after.tickets, after.moved, after.received) == ({}, {}, 0)


def cancel_payment(play: Play, before: Look, after: Look) -> None:
    end(play, before, after)
    assert play.shop.dashboard.v1.payment_intents.retrieve(play.intent).status == "canceled"


def refuse(play: Play, before: Look, after: Look) -> None:
    assert after == before
    assert play.refused in ("reservation_converted", "not_refundable", "order_not_found")


def return_tickets(play: Play, before: Look, after: Look) -> None:
    assert after.tickets == before.tickets | {2: "void"}
    assert after.purchase.state == ("partially_refunded" if "valid" in after.tickets.values() else "refunded")
    assert (after.available, after.sold) == (before.available + 1, before.sold - 1)
    assert money(before, after) == {"refunded": -PRICE}
    assert before.kept - after.kept == PRICE


def retry(play: Play, before: Look, after: Look) -> None:
    """Each further try fails as well."""
    refund = after.purchase.refunds[-1]
    what, amount = f"refund#{refund.id}", refund.amount_cents
    assert (refund.status, refund.attempt, after.cases[what]) == ("due", 2, play.shop.time.now + 3600)
    assert (after.tickets, after.purchase.state) == (before.tickets, before.purchase.state)
    for attempt, wait in ((2, 3600), (3, 86_400)):
        play.shop.time.advance(wait - 1)
        builders.run_sweep()
        assert (again := play.look()).purchase.refunds[-1].status == "due"
        play.shop.time.advance(1)
        builders.run_sweep()
        assert ((tried := play.look().purchase.refunds[-1]).status, tried.attempt) == ("succeeded", attempt)
        play.fake.complete_pending()
        play.fake.deliver()
    assert again.kept == play.look().kept == after.kept
    shown = play.look()
    assert (shown.purchase.refunds[-1].status, shown.cases) == ("failed", {what: None})
    assert (shown.moved["refunded"], shown.moved["refund_failed"]) == (
        after.moved["refunded"] - 2 * amount,
        after.moved["refund_failed"] + 2 * amount,
    )
    play.shop.time.advance(3 * 86_400)
    builders.run_sweep()
    assert play.look().cases == shown.cases


def record(play: Play, before: Look, after: Look) -> None:
    if play.happening == "refunded_externally":
        return _record_refund(play, before, after)
    assert (after.tickets, after.sold, after.available) == (before.tickets, before.sold, before.available)
    assert after.purchase.state == before.purchase.state
    _dispute_is_known(play, before, after)
    return None


def _record_refund(play: Play, before: Look, after: Look) -> None:
    refund = after.purchase.refunds[-1]
    assert (refund.is_external, refund.status) == (True, "succeeded")
    assert money(before, after) == {"refunded": -refund.amount_cents}
    assert before.kept - after.kept == refund.amount_cents
    if refund.amount_cents == before.kept:
        assert set(after.tickets.values()) == {"void"}
        assert after.purchase.state == "refunded"
        assert after.sold == 0
        assert after.cases == before.cases
    else:
        assert (after.tickets, after.purchase.state) == (before.tickets, before.purchase.state)
        assert after.cases == {f"finding#{refund.id}": None}


def settle_first(play: Play, before: Look, after: Look) -> None:
    """The payment first: one that came in for a purchase without an order makes it one, one that went back already ends it."""
    assert after.received > 0
    if play.happening == "refunded_externally":
        assert (after.moved, after.purchase.refunds) == ({}, [])  # it was gone before it was ours
        assert after.purchase.state == {"paying": "cancelled"}.get(play.state, play.state)
        assert (after.tickets, after.sold, after.held) == ({}, 0, before.held if play.state == "held" else 0)
        assert after.available == before.available + before.held - after.held
        return
    assert after.moved["captured"] == after.received
    _dispute_is_known(play, before, after)
    if play.state == "held":
        # Nobody's tickets: it goes back, as soon as Stripe lets it.
        assert (after.purchase.state, after.tickets) == ("held", {})
        assert after.purchase.refunds[0].status == ("succeeded" if play.happening == "dispute_won" else "due")
        return
    state = {"dispute_opened": "frozen", "dispute_won": "valid", "dispute_lost": "void"}[play.happening]
    assert after.tickets == {1: state, 2: state}
    assert after.purchase.state == ("refunded" if state == "void" else "paid")


def freeze(play: Play, before: Look, after: Look) -> None:
    assert after.tickets == {number: "frozen" if state == "valid" else state for number, state in before.tickets.items()}
    assert (after.purchase.state, after.sold) == (before.purchase.state, before.sold)
    _dispute_is_known(play, before, after)
    assert builders_order(play)["disputed"] is True


def thaw(play: Play, before: Look, after: Look) -> None:
    assert "frozen" not in after.tickets.values()
    assert (after.tickets, after.purchase.state, after.sold) == (before.tickets, before.purchase.state, before.sold)
    _dispute_is_known(play, before, after)


def void(play: Play, before: Look, after: Look) -> None:
    """The fake Stripe disputes whole payments, so all the tickets go."""
    assert set(after.tickets.values()) == {"void"}
    assert (after.purchase.state, after.sold, after.available) == ("refunded", 0, before.available + before.sold)
    _dispute_is_known(play, before, after)


def _dispute_is_known(play: Play, before: Look, after: Look) -> None:
    (dispute,) = after.purchase.disputes
    assert (dispute.payment_intent_id, dispute.amount_cents) == (play.intent, TOTAL)
    assert dispute.status == {"dispute_opened": "open", "dispute_won": "won", "dispute_lost": "lost"}[play.happening]
    assert (f"dispute#{dispute.id}" in after.cases) == (dispute.status == "open")
    assert (after.moved["disputed"], after.moved["dispute_won"]) == (-TOTAL, TOTAL if dispute.status == "won" else 0)


def builders_order(play: Play) -> dict:
    reply = play.shop.api.get(f"/orders/{play.id}", user=USER)
    assert reply.status == 200
    return reply.json["order"]


def money(before: Look, after: Look) -> dict[str, int]:
    """What the ledger says moved meanwhile, in cents by kind."""
    return {kind: cents for kind in after.moved if (cents := after.moved[kind] - before.moved[kind])}


CHECKERS: dict[str, Checker] = {name: globals()[name] for name in get_args(Action) if name != "never"}
