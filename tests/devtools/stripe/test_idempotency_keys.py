"""Idempotency keys: the same response for a day, whatever happened to the first one."""

import threading

import pytest
import stripe


def replay_flags(fake):
    return [call.replayed for call in fake.request_log]


def test_the_same_request_gets_the_same_response(shop, fake):
    first, second = shop.create_intent(key="k1"), shop.create_intent(key="k1")
    assert first.id == second.id
    assert first.last_response.headers["Request-Id"] != second.last_response.headers["Request-Id"]
    assert second.last_response.headers["Idempotent-Replayed"] == "true"
    assert second.last_response.headers["Original-Request"] == first.last_response.headers["Request-Id"]
    assert "Idempotent-Replayed" not in first.last_response.headers
    assert replay_flags(fake) == [False, True]
    assert len(shop.intents.list().data) == 1


def test_the_response_shows_the_object_as_it_was(shop):
    intent = shop.create_intent(key="k1")
    shop.intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert shop.create_intent(key="k1").status == "requires_payment_method"


def test_other_parameters_are_refused(shop):
    shop.create_intent(key="k1")
    with pytest.raises(stripe.IdempotencyError, match="same parameters") as caught:
        shop.create_intent(5001, key="k1")
    assert (caught.value.http_status, caught.value.error.type) == (400, "idempotency_error")


def test_another_endpoint_is_refused(shop):
    intent = shop.create_intent(key="k1")
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        shop.intents.confirm(intent.id, {"payment_method": "pm_card_visa"}, {"idempotency_key": "k1"})


def test_errors_are_saved_after_processing_began(shop):
    for _ in range(2):
        with pytest.raises(stripe.CardError) as caught:
            shop.create_intent(key="k1", confirm=True, payment_method="pm_card_visa_chargeDeclined")
    assert caught.value.headers["Idempotent-Replayed"] == "true"
    assert len(shop.charges.list().data) == 1


@pytest.mark.parametrize("wrong", [{"amount": "many"}, {"colour": "red"}])
def test_parameters_that_fail_validation_leave_the_key_free(shop, wrong):
    with pytest.raises(stripe.InvalidRequestError):
        shop.create_intent(key="k1", **wrong)
    assert shop.create_intent(key="k1").amount == 5000


def test_errors_before_processing_leave_the_key_free(shop, fake):
    for status, kind in ((429, stripe.RateLimitError), (500, stripe.APIError)):
        fake.fail_next_request("POST", "/v1/payment_intents", status=status)
        with pytest.raises(kind):
            shop.create_intent(key="k1")
    assert shop.create_intent(key="k1").amount == 5000


def test_a_key_is_free_again_after_a_day(shop, clock):
    first = shop.create_intent(key="k1")
    clock.advance(24 * 3600 - 1)
    assert shop.create_intent(key="k1").id == first.id
    clock.advance(1)
    assert shop.create_intent(key="k1", amount=7000).id != first.id


def test_a_key_is_in_use_while_its_first_request_is_processed(shop, fake):
    held = fake.hold_next_request("POST", "/v1/payment_intents")
    intents = []
    first = threading.Thread(target=lambda: intents.append(shop.create_intent(key="k1")))
    first.start()
    assert held.arrived.wait(60)
    with pytest.raises(stripe.APIError) as caught:
        shop.create_intent(key="k1")
    assert (caught.value.http_status, caught.value.error.code) == (409, "idempotency_key_in_use")
    other = shop.create_intent(key="k2")
    held.release()
    first.join(60)
    assert shop.create_intent(key="k1").id == intents[0].id != other.id


def test_sixteen_concurrent_requests_make_one_charge(shop):
    ids, refused = set(), []
    ready = threading.Barrier(16)

    def call():
        ready.wait()
        try:
            ids.add(shop.create_intent(key="k1", confirm=True, payment_method="pm_card_visa").id)
        except stripe.APIError as error:
            refused.append(error.http_status)

    threads = [threading.Thread(target=call) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(ids) == 1
    assert set(refused) <= {409}
    assert len(shop.charges.list().data) == 1


def test_maximum_length(shop):
    with pytest.raises(stripe.IdempotencyError):
        shop.create_intent(key="k" * 256)
    assert shop.create_intent(key="k" * 255).amount == 5000
