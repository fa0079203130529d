"""Responses: expanded objects, and lists with their pages and filters."""

import pytest
import stripe

from tests.devtools.stripe.conftest import MINUTE
from tests.devtools.stripe.sdk_shop import SdkShop


def test_lists_have_pages(shop, clock):
    ids = []
    for _ in range(7):
        clock.advance(1)
        ids.append(shop.create_intent().id)
    newest_first = ids[::-1]
    first = shop.intents.list({"limit": 3})
    assert ([intent.id for intent in first.data], first.has_more, first.url) == (newest_first[:3], True, "/v1/payment_intents")
    assert [intent.id for intent in first.auto_paging_iter()] == newest_first
    last = shop.intents.list({"limit": 3, "starting_after": newest_first[3]})
    assert ([intent.id for intent in last.data], last.has_more) == (newest_first[4:], False)
    before = shop.intents.list({"limit": 2, "ending_before": newest_first[3]})
    assert ([intent.id for intent in before.data], before.has_more) == (newest_first[1:3], True)
    for wrong in ({"limit": 101}, {"limit": 0}, {"starting_after": "pi_nobody"}):
        with pytest.raises(stripe.InvalidRequestError):
            shop.intents.list(wrong)


def test_lists_are_filtered(shop, clock):
    start = int(clock.now)
    early = shop.pay()
    clock.advance(60)
    late = shop.pay()
    assert [intent.id for intent in shop.intents.list({"created": {"gte": start + 60}}).data] == [late.id]
    assert [intent.id for intent in shop.intents.list({"created": {"gt": start - 1, "lt": start + 60}}).data] == [early.id]
    assert [intent.id for intent in shop.intents.list({"created": start}).data] == [early.id]
    assert [charge.payment_intent for charge in shop.charges.list({"payment_intent": late.id}).data] == [late.id]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.intents.list({"created": {"since": 1}})
    assert caught.value.param == "created[since]"


@pytest.mark.parametrize("name", ["payment_intents", "charges", "refunds", "disputes", "sessions", "events"])
def test_a_time_span_is_complete_whatever_the_page_size(shop: SdkShop, first_payment_at, name):
    calls = shop.lists()[name]
    span = {"gte": first_payment_at + MINUTE, "lt": first_payment_at + 4 * MINUTE}
    expected = [obj for obj in calls.list({"limit": 100}).data if span["gte"] <= obj.created < span["lt"]]
    assert {obj.created for obj in expected} == {first_payment_at + MINUTE, first_payment_at + 2 * MINUTE, first_payment_at + 3 * MINUTE}
    page = calls.list({"created": span, "limit": 2})
    assert (len(page.data), page.has_more) == (2, True)
    assert [intent.id for intent in page.auto_paging_iter()] == [obj.id for obj in expected]
    assert calls.list({"created": {"gte": first_payment_at + 5 * MINUTE}}).data == []


@pytest.mark.parametrize("name", ["charges", "refunds", "disputes", "sessions"])
def test_lists_are_filtered_by_payment_intent(shop: SdkShop, first_payment_at, name):
    intent = shop.intents.list().data[2]
    found = shop.lists()[name].list({"payment_intent": intent.id, "created": {"gte": intent.created}})
    assert [obj.payment_intent for obj in found.data] == [intent.id]
    assert shop.lists()[name].list({"payment_intent": "pi_nobody"}).data == []


def test_new_objects_do_not_shift_the_pages(shop: SdkShop, first_payment_at):
    known = [intent.id for intent in shop.intents.list({"limit": 100}).data]
    seen = []
    for intent in shop.intents.list({"limit": 2}).auto_paging_iter():
        seen.append(intent.id)
        if len(seen) == 2:
            shop.create_intent()
    assert seen == known


def test_the_default_limit_is_ten(shop: SdkShop):
    for _ in range(11):
        shop.create_intent()
    page = shop.intents.list()
    assert (len(page.data), page.has_more, len(list(page.auto_paging_iter()))) == (10, True, 11)


def test_expansion_over_several_levels(shop):
    intent = shop.pay()
    shop.refunds.create({"payment_intent": intent.id, "amount": 100})
    expand = ["data.payment_intent.latest_charge.refunds", "data.charge"]
    refund = shop.refunds.list({"expand": expand}).data[0]
    assert refund.payment_intent.latest_charge.refunds.data[0].id == refund.id
    assert refund.charge.payment_intent == intent.id
    with pytest.raises(stripe.InvalidRequestError, match="more than 4 levels"):
        shop.refunds.list({"expand": ["data.a.b.c.d"]})


def test_expansion_in_lists(shop: SdkShop, first_payment_at):
    for name in ("charges", "refunds", "disputes", "sessions"):
        found = shop.lists()[name].list({"expand": ["data.payment_intent"], "limit": 2}).data
        assert [obj.payment_intent.metadata["purchase"] for obj in found] == ["p4", "p3"]
    intent = shop.intents.list({"expand": ["data.latest_charge.refunds"], "limit": 1}).data[0]
    assert (intent.latest_charge.amount_refunded, intent.latest_charge.refunds.data[0].amount) == (100, 100)
    session = shop.sessions.list({"expand": ["data.line_items"], "limit": 1}).data[0]
    assert session.line_items.data[0].description == "Standing"


def test_expansion_of_one_object(shop: SdkShop, first_payment_at):
    intent = shop.intents.list({"limit": 1}).data[0]
    assert shop.intents.retrieve(intent.id, {"expand": ["latest_charge"]}).latest_charge.disputed
    session = shop.sessions.list({"payment_intent": intent.id}).data[0]
    assert shop.sessions.retrieve(session.id, {"expand": ["payment_intent"]}).payment_intent.metadata["purchase"] == "p4"
