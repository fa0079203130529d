"""What goes over the wire: keys, versions, parameters, errors, expansion, lists."""

import pytest
import stripe

from tests.devtools.stripe.conftest import sdk


@pytest.mark.parametrize("key", ["sk_test_somebody_else", "sk_live_fairgate_local_fake"])
def test_wrong_keys(fake, key):
    with pytest.raises(stripe.AuthenticationError, match=r"Invalid API Key provided: sk_\w+\*+\w{4}$") as caught:
        sdk(fake, key).v1.charges.list()
    assert caught.value.http_status == 401


def test_only_the_pinned_version(shop, fake):
    assert fake.api_version == stripe.api_version
    assert shop.charges.list().last_response.headers["Stripe-Version"] == fake.api_version
    with pytest.raises(stripe.InvalidRequestError, match="version"):
        shop.client.v1.charges.list({}, {"stripe_version": "2020-08-27"})


REFUSED = [
    ({"colour": "red"}, "parameter_unknown", "colour"),
    ({"payment_method_types": ["card"]}, "parameter_unknown", "payment_method_types"),
    ({"automatic_payment_methods": {"enabled": True, "color": "x"}}, "parameter_unknown", "automatic_payment_methods[color]"),
    ({"automatic_payment_methods": {"allow_redirects": "never"}}, "parameter_missing", "automatic_payment_methods[enabled]"),
    ({"automatic_payment_methods": "yes"}, None, "automatic_payment_methods"),
    ({"amount": "12.50"}, "parameter_invalid_integer", "amount"),
    ({"amount": 0}, "parameter_invalid_integer", "amount"),
    ({"amount": -5}, "parameter_invalid_integer", "amount"),
    ({"amount": 49}, "amount_too_small", "amount"),
    ({"amount": 100_000_000}, "amount_too_large", "amount"),
    ({"amount": None}, "parameter_missing", "amount"),
    ({"currency": None}, "parameter_missing", "currency"),
    ({"currency": "xyz"}, None, "currency"),
    ({"currency": "dollars"}, None, "currency"),
    ({"description": ""}, "parameter_invalid_empty", "description"),
    ({"confirm": "maybe"}, None, "confirm"),
    ({"capture_method": "manual"}, None, "capture_method"),
    ({"return_url": "shop"}, "url_invalid", "return_url"),
    ({"allowed_payment_method_types": "card"}, None, "allowed_payment_method_types"),
    ({"allowed_payment_method_types": ["card", "gold"]}, None, "allowed_payment_method_types[1]"),
    ({"metadata": {"k" * 41: "v"}}, None, f"metadata[{'k' * 41}]"),
    ({"metadata": {"k": "v" * 501}}, None, "metadata[k]"),
    ({"metadata": {"k": {"deep": "v"}}}, None, "metadata[k]"),
    ({"metadata": {f"k{n}": "v" for n in range(51)}}, None, "metadata"),
    ({"payment_method": "pm_nobody"}, "resource_missing", "payment_method"),
    ({"expand": ["latest_charge.colour"], "confirm": True, "payment_method": "pm_card_visa"}, None, "expand"),
    ({"expand": ["amount"]}, None, "expand"),
]


@pytest.mark.parametrize(("given", "code", "param"), REFUSED)
def test_parameters_are_checked(shop, given, code, param):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.open(**given)
    assert (caught.value.http_status, caught.value.error.type) == (400, "invalid_request_error")
    assert (caught.value.code, caught.value.param) == (code, param)
    assert shop.intents.list().data == []


def test_an_unknown_parameter_comes_with_a_hint(shop):
    with pytest.raises(stripe.InvalidRequestError, match=r"Received unknown parameter: amout. Did you mean amount\?"):
        shop.open(amout=1)


def test_what_does_not_exist(shop):
    for call in (shop.intents.retrieve, shop.charges.retrieve, shop.refunds.retrieve, shop.disputes.retrieve, shop.events.retrieve):
        with pytest.raises(stripe.InvalidRequestError, match="No such") as caught:
            call("xx_nobody")
        assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
        shop.client.v1.customers.create({})


def test_errors_name_their_request(shop, fake):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.open(49)
    assert caught.value.request_id == next(iter(fake.request_log)).request_id
    assert caught.value.error.doc_url == "https://stripe.com/docs/error-codes/amount-too-small"


def test_expansion(shop):
    intent = shop.paid()
    shop.refunds.create({"payment_intent": intent.id, "amount": 100})
    expand = ["data.payment_intent.latest_charge.refunds", "data.charge"]
    refund = shop.refunds.list({"expand": expand}).data[0]
    assert refund.payment_intent.latest_charge.refunds.data[0].id == refund.id
    assert refund.charge.payment_intent == intent.id
    with pytest.raises(stripe.InvalidRequestError, match="more than 4 levels"):
        shop.refunds.list({"expand": ["data.a.b.c.d"]})


def test_lists_come_in_pages(shop, clock):
    ids = []
    for _ in range(7):
        clock.advance(1)
        ids.append(shop.open().id)
    newest_first = ids[::-1]
    first = shop.intents.list({"limit": 3})
    assert ([one.id for one in first.data], first.has_more, first.url) == (newest_first[:3], True, "/v1/payment_intents")
    assert [one.id for one in first.auto_paging_iter()] == newest_first
    last = shop.intents.list({"limit": 3, "starting_after": newest_first[3]})
    assert ([one.id for one in last.data], last.has_more) == (newest_first[4:], False)
    before = shop.intents.list({"limit": 2, "ending_before": newest_first[3]})
    assert ([one.id for one in before.data], before.has_more) == (newest_first[1:3], True)
    for wrong in ({"limit": 101}, {"limit": 0}, {"starting_after": "pi_nobody"}):
        with pytest.raises(stripe.InvalidRequestError):
            shop.intents.list(wrong)


def test_lists_can_be_filtered(shop, clock):
    start = int(clock.now)
    early = shop.paid()
    clock.advance(60)
    late = shop.paid()
    assert [one.id for one in shop.intents.list({"created": {"gte": start + 60}}).data] == [late.id]
    assert [one.id for one in shop.intents.list({"created": {"gt": start - 1, "lt": start + 60}}).data] == [early.id]
    assert [one.id for one in shop.intents.list({"created": start}).data] == [early.id]
    assert [one.payment_intent for one in shop.charges.list({"payment_intent": late.id}).data] == [late.id]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.intents.list({"created": {"since": 1}})
    assert caught.value.param == "created[since]"


def test_events_can_be_listed(shop, clock):
    intent = shop.paid()
    clock.advance(60)
    shop.refunds.create({"payment_intent": intent.id})
    kinds = [event.type for event in shop.events.list().data]
    assert kinds == shop.kinds()[::-1]
    assert [event.type for event in shop.events.list({"types": ["charge.refunded", "charge.succeeded"]}).data] == [
        "charge.refunded",
        "charge.succeeded",
    ]
    event = shop.events.list({"type": "payment_intent.succeeded"}).data[0]
    assert (event.data.object.id, event.api_version) == (intent.id, stripe.api_version)
    assert shop.events.retrieve(event.id).data.object.status == "succeeded"
    clock.advance(30 * 86400 - 60)
    assert {event.type for event in shop.events.list().data} == {"refund.created", "charge.refunded"}


def test_an_event_is_a_snapshot_and_names_its_request(shop):
    intent = shop.open(key="k1")
    shop.intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    created = shop.events.list({"type": "payment_intent.created"}).data[0]
    assert created.data.object.status == "requires_payment_method"
    assert created.request.idempotency_key == "k1"
    assert created.request.id == intent.last_response.request_id
