"""Payment Intents: update and cancellation."""

import pytest
import stripe


def test_cancel(shop):
    intent = shop.intents.cancel(shop.create_intent().id, {"cancellation_reason": "abandoned"})
    assert (intent.status, intent.cancellation_reason, intent.canceled_at) == ("canceled", "abandoned", intent.created)
    for call in (shop.intents.cancel, lambda key: shop.intents.confirm(key, {"payment_method": "pm_card_visa"})):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            call(intent.id)
        assert (caught.value.http_status, caught.value.code) == (400, "payment_intent_unexpected_state")
        assert caught.value.error.payment_intent.status == "canceled"
    assert shop.event_types() == ["payment_intent.created", "payment_intent.canceled"]


def test_a_succeeded_intent_cannot_be_canceled_confirmed_or_repriced(shop):
    intent = shop.pay()
    for call in (
        lambda: shop.intents.cancel(intent.id),
        lambda: shop.intents.confirm(intent.id),
        lambda: shop.intents.update(intent.id, {"amount": 100}),
    ):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            call()
        assert caught.value.code == "payment_intent_unexpected_state"
    assert shop.intents.update(intent.id, {"metadata": {"order": "o1"}}).metadata["order"] == "o1"


def test_update(shop):
    intent = shop.create_intent(metadata={"a": "1", "b": "2"})
    intent = shop.intents.update(intent.id, {"amount": 700, "metadata": {"a": "", "c": "3"}, "payment_method": "pm_card_visa"})
    assert (intent.amount, intent.metadata.to_dict(), intent.status) == (700, {"b": "2", "c": "3"}, "requires_confirmation")
    assert shop.intents.update(intent.id, {"metadata": ""}).metadata.to_dict() == {}
    assert shop.intents.confirm(intent.id).amount_received == 700
