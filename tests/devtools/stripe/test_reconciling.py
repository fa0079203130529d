"""What a comparison of our books with Stripe's asks for: everything of a span of time, a page at a time, with what belongs to it."""

import pytest
import stripe

from tests.devtools.stripe.conftest import Shop

MINUTE = 60


@pytest.fixture
def day(shop, fake, clock):
    """Five payments on hosted pages, a minute apart, each refunded in part and disputed. Answers when the first one was."""
    first = int(clock.now)
    for number in range(5):
        session = fake.pay_session(shop.session(payment_intent_data={"metadata": {"purchase": f"p{number}"}}).id)
        shop.refunds.create({"payment_intent": session["payment_intent"], "amount": 100})
        fake.create_dispute(shop.charges.list({"payment_intent": session["payment_intent"]}).data[0].id)
        clock.advance(MINUTE)
    return first


LISTS = {
    "payment_intents": lambda shop: shop.intents,
    "charges": lambda shop: shop.charges,
    "refunds": lambda shop: shop.refunds,
    "disputes": lambda shop: shop.disputes,
    "sessions": lambda shop: shop.sessions,
    "events": lambda shop: shop.events,
}


@pytest.mark.parametrize("name", LISTS)
def test_a_span_of_time_comes_whole_however_small_the_pages(shop: Shop, day, name):
    calls = LISTS[name](shop)
    span = {"gte": day + MINUTE, "lt": day + 4 * MINUTE}
    wanted = [one for one in calls.list({"limit": 100}).data if span["gte"] <= one.created < span["lt"]]
    assert {one.created for one in wanted} == {day + MINUTE, day + 2 * MINUTE, day + 3 * MINUTE}
    page = calls.list({"created": span, "limit": 2})
    assert (len(page.data), page.has_more) == (2, True)
    assert [one.id for one in page.auto_paging_iter()] == [one.id for one in wanted]
    assert calls.list({"created": {"gte": day + 5 * MINUTE}}).data == []


@pytest.mark.parametrize("name", ["charges", "refunds", "disputes", "sessions"])
def test_what_belongs_to_one_payment(shop: Shop, day, name):
    intent = shop.intents.list().data[2]
    found = LISTS[name](shop).list({"payment_intent": intent.id, "created": {"gte": intent.created}})
    assert [one.payment_intent for one in found.data] == [intent.id]
    assert LISTS[name](shop).list({"payment_intent": "pi_nobody"}).data == []


def test_lists_expand_what_belongs_to_each(shop: Shop, day):
    for name in ("charges", "refunds", "disputes", "sessions"):
        found = LISTS[name](shop).list({"expand": ["data.payment_intent"], "limit": 2}).data
        assert [one.payment_intent.metadata["purchase"] for one in found] == ["p4", "p3"]
    intent = shop.intents.list({"expand": ["data.latest_charge.refunds"], "limit": 1}).data[0]
    assert (intent.latest_charge.amount_refunded, intent.latest_charge.refunds.data[0].amount) == (100, 100)
    session = shop.sessions.list({"expand": ["data.line_items"], "limit": 1}).data[0]
    assert session.line_items.data[0].description == "Standing"


def test_one_object_expands_it_too(shop: Shop, day):
    intent = shop.intents.list({"limit": 1}).data[0]
    assert shop.intents.retrieve(intent.id, {"expand": ["latest_charge"]}).latest_charge.disputed
    session = shop.sessions.list({"payment_intent": intent.id}).data[0]
    assert shop.sessions.retrieve(session.id, {"expand": ["payment_intent"]}).payment_intent.metadata["purchase"] == "p4"


def test_pages_stay_right_while_payments_come_in(shop: Shop, day):
    known = [one.id for one in shop.intents.list({"limit": 100}).data]
    seen = []
    for one in shop.intents.list({"limit": 2}).auto_paging_iter():
        seen.append(one.id)
        if len(seen) == 2:
            shop.open()
    assert seen == known


def test_lists_without_a_limit_have_ten(shop: Shop):
    for _ in range(11):
        shop.open()
    page = shop.intents.list()
    assert (len(page.data), page.has_more, len(list(page.auto_paging_iter()))) == (10, True, 11)


@pytest.mark.parametrize("reason", ["duplicate", "fraudulent", "requested_by_customer"])
def test_refunds_say_why(shop: Shop, reason):
    refund = shop.refunds.create({"payment_intent": shop.paid().id, "amount": 1, "reason": reason, "metadata": {"refund": "r1"}})
    found = shop.refunds.list({"payment_intent": refund.payment_intent}).data[0]
    assert (found.amount, found.reason, found.metadata["refund"]) == (1, reason, "r1")


def test_refunds_say_why_in_stripes_words(shop: Shop):
    intent = shop.paid()
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.refunds.create({"payment_intent": intent.id, "reason": "event_cancelled"})
    assert caught.value.param == "reason"


def test_parts_to_the_last_cent(shop: Shop):
    intent = shop.paid()
    for amount in (1, 4000, 998):
        assert shop.refunds.create({"payment_intent": intent.id, "amount": amount}).status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.refunds.create({"payment_intent": intent.id, "amount": 2})
    assert (caught.value.param, caught.value.code) == ("amount", None)
    assert shop.charges.retrieve(intent.latest_charge).amount_refunded == 4999
    assert shop.refunds.create({"payment_intent": intent.id, "amount": 1}).amount == 1
    assert shop.charges.retrieve(intent.latest_charge).refunded


def test_a_refund_that_failed_leaves_room_for_another(shop: Shop, clock):
    """The second has a key of its own: the first one's would answer with the first refund, as it was then."""
    intent = shop.paid("pm_card_refundFail")
    shop.refunds.create({"payment_intent": intent.id, "amount": 3000}, {"idempotency_key": "r1"})
    with pytest.raises(stripe.InvalidRequestError):
        shop.refunds.create({"payment_intent": intent.id, "amount": 2001})
    clock.advance(10)
    again = shop.refunds.create({"payment_intent": intent.id, "amount": 3000}, {"idempotency_key": "r1"})
    assert (again.status, shop.refunds.retrieve(again.id).status) == ("succeeded", "failed")
    second = shop.refunds.create({"payment_intent": intent.id}, {"idempotency_key": "r2"})
    assert (second.amount, second.status) == (5000, "succeeded")
    moved = shop.client.v1.balance_transactions.list({"type": "refund_failure"}).data
    assert [one.amount for one in moved] == [3000]


@pytest.mark.parametrize("decision", ["open", "under_review", "lost", "won"])
def test_a_disputed_charge_is_refunded_only_once_it_is_won(shop: Shop, fake, decision):
    intent = shop.paid()
    dispute = fake.create_dispute(intent.latest_charge)
    if decision == "under_review":
        assert shop.disputes.update(dispute["id"], {"evidence": {"uncategorized_text": "They came"}}).status == "under_review"
    elif decision != "open":
        fake.close_dispute(dispute["id"], won=decision == "won")
    if decision == "won":
        assert shop.refunds.create({"payment_intent": intent.id, "amount": 500}).status == "succeeded"
        return
    for target in ({"payment_intent": intent.id}, {"charge": intent.latest_charge}):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            shop.refunds.create({**target, "amount": 500})
        assert (caught.value.http_status, caught.value.code) == (400, "charge_disputed")
