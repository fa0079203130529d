"""What the items of a purchase say about what happened: through the shop's own steps, and for single pairs of items."""

import pytest
from msgspec.structs import replace

from chalicelib.changes.rows import purchase_changes
from chalicelib.inventory.model import Hold
from chalicelib.payments.model import Payment
from chalicelib.purchases.model import Dispute, LineItem, Purchase, Refund, ReturnRequest

LINES = [LineItem(f"t{n}", f"Tier {n}", 2, 5000, 1, [Hold(f"t{n}#0", f"p.{n}", 2)]) for n in (1, 2)]
HELD = Purchase(id="p", user_id="ada", event_id="e", state="held", version=1, lines=LINES, currency="USD", created_at=1000, expires_at=1180)
PAYING = replace(HELD, state="paying", version=2, checkout_at=1010, payment=Payment("simulated", "open", 20_000, "USD"))
PAID = replace(PAYING, state="paid", version=3, ended_at=1020)
EXPIRED = replace(PAYING, state="expired", version=3, ended_at=1180)
REFUND = Refund(id="r", status="due", amount_cents=5000, currency="USD", reason="goodwill", by="root", at=1100, tickets=[1, 3])
REQUEST = ReturnRequest(tickets=[1], at=8)
WITHDRAWN = replace(REQUEST, withdrawn_at=9)
REFUNDED = replace(PAID, state="partially_refunded", version=4, refunds=[REFUND])
DISPUTE = Dispute(id="d", status="open", amount_cents=5000, currency="USD", reason="fraud", payment_intent_id="pi", at=1100)
DISPUTED = replace(PAID, version=4, disputes=[DISPUTE])
VOIDED_AHEAD = replace(PAID, version=5, state="partially_refunded", disputes=[replace(DISPUTE, voided=[4])])
LOST_ALL = replace(PAID, version=6, state="refunded", disputes=[replace(DISPUTE, status="lost", voided=[1, 2, 3, 4])])
LOST = replace(PAID, version=5, state="partially_refunded", disputes=[replace(DISPUTE, status="lost", voided=[4])])


def names(before, after):
    return [type(change).__name__ for change in purchase_changes(before, after, 7)]


@pytest.mark.parametrize(
    ("before", "after", "happened"),
    [
        (None, HELD, ["ReservationMade"]),
        (None, replace(HELD, waitlist_entry_id="e.1"), ["ReservationMade", "WaitlistOffered"]),
        (HELD, PAYING, ["CheckoutOpened"]),
        (PAYING, PAID, ["OrderPaid"]),
        (HELD, replace(HELD, state="expired"), ["ReservationExpired", "SeatsReturned"]),
        (PAYING, EXPIRED, ["ReservationExpired", "SeatsReturned"]),
        (HELD, replace(HELD, state="cancelled"), ["ReservationCancelled", "SeatsReturned"]),
        (
            PAYING,
            replace(PAYING, state="cancelled", payment=Payment("simulated", "declined", 1, "USD")),
            ["PaymentFailed", "SeatsReturned"],
        ),
        (EXPIRED, replace(EXPIRED, state="paid"), ["OrderPaid"]),
        (EXPIRED, replace(EXPIRED, state="refunded", refunds=[replace(REFUND, tickets=[])]), ["OrderRejected", "OrderRefunded"]),
        (PAID, replace(PAID, version=4, resent_at=[1030]), ["OrderResent"]),
        (PAID, replace(PAID, return_requests=[REQUEST]), ["ReturnRequested"]),
        (replace(PAID, return_requests=[REQUEST]), replace(PAID, return_requests=[replace(REQUEST, declined_at=9)]), ["ReturnDeclined"]),
        (replace(PAID, return_requests=[REQUEST]), replace(PAID, return_requests=[WITHDRAWN]), []),
        (replace(PAID, return_requests=[WITHDRAWN]), replace(PAID, return_requests=[replace(REQUEST, at=10)]), ["ReturnRequested"]),
        (PAID, REFUNDED, ["OrderRefunded", "SeatsReturned"]),
        (PAID, replace(REFUNDED, refunds=[replace(REFUND, seats_returned=False)]), ["OrderRefunded"]),
        (PAID, replace(REFUNDED, refunds=[replace(REFUND, status="succeeded")]), ["OrderRefunded", "SeatsReturned", "RefundSucceeded"]),
        (REFUNDED, replace(REFUNDED, refunds=[replace(REFUND, status="pending")]), []),
        (REFUNDED, replace(REFUNDED, refunds=[replace(REFUND, status="failed")]), ["RefundFailed"]),
        (PAID, DISPUTED, ["DisputeOpened"]),
        (DISPUTED, LOST, ["DisputeDecided", "SeatsReturned"]),
        (DISPUTED, VOIDED_AHEAD, ["SeatsReturned"]),
        (VOIDED_AHEAD, LOST_ALL, ["DisputeDecided", "SeatsReturned"]),
        (DISPUTED, replace(DISPUTED, disputes=[replace(DISPUTE, status="won")]), ["DisputeDecided"]),
        (replace(DISPUTED, disputes=[replace(DISPUTE, status="won")]), LOST, ["DisputeDecided", "SeatsReturned"]),
        (LOST, replace(LOST, version=6, disputes=[replace(DISPUTE, status="won", voided=[4])]), ["DisputeDecided"]),
        (EXPIRED, replace(EXPIRED, version=4), []),  # a fence
        (EXPIRED, None, ["PurchaseForgotten"]),
        (None, None, []),
    ],
)
def test_each_change_of_a_purchase_says_what_happened(before, after, happened):
    assert names(before, after) == happened


@pytest.mark.parametrize(
    ("before", "after", "written_at", "is_copy"),
    [
        (None, HELD, 1014, False),
        (None, HELD, 1061, True),
        (None, PAID, 1021, True),  # a new purchase has version 1
        (PAYING, PAID, 90_000, False),  # paid late
    ],
)
def test_a_purchase_that_was_copied_into_the_table_is_recognized(before, after, written_at, is_copy):
    changes = purchase_changes(before, after, written_at)
    assert {change.is_copy for change in changes} == {is_copy}


def test_seats_that_return_are_counted_by_tier():
    seats = [change.seats for change in purchase_changes(PAID, REFUNDED, 7) if hasattr(change, "seats")]
    assert seats == [{"t1": 1, "t2": 1}]
    assert [change.seats for change in purchase_changes(VOIDED_AHEAD, LOST_ALL, 7) if hasattr(change, "seats")] == [{"t1": 2, "t2": 1}]
    assert [change.seats for change in purchase_changes(PAYING, EXPIRED, 7) if hasattr(change, "seats")] == [{"t1": 2, "t2": 2}]


def test_changes_have_the_time_of_the_record_and_the_purchase_after_it():
    [change] = purchase_changes(PAYING, PAID, 7)
    assert (change.at, change.purchase) == (7, PAID)
