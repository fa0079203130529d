"""Events: their list and their contents."""

import stripe


def test_events_are_listed_for_30_days(shop, clock):
    intent = shop.pay()
    clock.advance(60)
    shop.refunds.create({"payment_intent": intent.id})
    types = [event.type for event in shop.events.list().data]
    assert types == shop.event_types()[::-1]
    assert [event.type for event in shop.events.list({"types": ["charge.refunded", "charge.succeeded"]}).data] == [
        "charge.refunded",
        "charge.succeeded",
    ]
    event = shop.events.list({"type": "payment_intent.succeeded"}).data[0]
    assert (event.data.object.id, event.api_version) == (intent.id, stripe.api_version)
    assert shop.events.retrieve(event.id).data.object.status == "succeeded"
    clock.advance(30 * 86400 - 60)
    assert {event.type for event in shop.events.list().data} == {"refund.created", "charge.refunded"}


def test_an_event_is_a_snapshot_and_has_the_id_of_its_request(shop):
    intent = shop.create_intent(key="k1")
    shop.intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    created = shop.events.list({"type": "payment_intent.created"}).data[0]
    assert created.data.object.status == "requires_payment_method"
    assert created.request.idempotency_key == "k1"
    assert created.request.id == intent.last_response.request_id
