"""The Idempotency-Key of a checkout, which is kept in the purchase: the same request gets the same reply, whatever has happened since."""

import pytest

from chalicelib.foundation import settings
from tests import builders, invariants
from tests.payment_pages import on_either_page
from tests.simulation import faults
from tests.simulation.call_log import record_calls
from tests.simulation.threads import run_in_threads

REPLAYED = "This is the reply to the first request with this Idempotency-Key. Nothing was done again (idempotent)."


@pytest.fixture
def reservation_id(api, time):
    return builders.reserve(api, "ada", *builders.create_shop(api), 2).json["id"]


def assert_replayed(first, again):
    assert (first.status, again.status, again.headers["idempotency-replayed"]) == (201, 200, "true")
    assert again.json == {**first.json, "message": REPLAYED}


def do_nothing(api, time, checkout_id):
    pass


def confirm(api, time, checkout_id):
    assert builders.confirm(api, "ada", checkout_id).status == 201


def decline(api, time, checkout_id):
    assert builders.confirm(api, "ada", checkout_id, "fail").status == 200


def release(api, time, checkout_id):
    assert api.delete(f"/reservations/{checkout_id}", user="ada").status == 200


def refund(api, time, checkout_id):
    confirm(api, time, checkout_id)
    assert builders.refund(api, checkout_id).status == 201


def expire(api, time, checkout_id):
    time.advance(200)
    builders.run_sweep()


@pytest.mark.parametrize("happens", [do_nothing, confirm, decline, release, refund, expire])
def test_a_repeated_request_gets_the_first_reply(api, time, reservation_id, happens):
    first = builders.start_checkout(api, "ada", reservation_id)
    happens(api, time, reservation_id)
    time.advance(30)
    assert_replayed(first, builders.start_checkout(api, "ada", reservation_id))
    assert "idempotency-replayed" not in first.headers
    invariants.check(time.now)


def test_a_repeated_request_costs_one_read(api, time, reservation_id):
    builders.start_checkout(api, "ada", reservation_id)
    with record_calls(measured=True) as log:
        builders.start_checkout(api, "ada", reservation_id)
    assert (log.names, log.capacity) == (["GetItem"], (1, 0))


def test_another_payload_under_the_key_is_a_409(api, time, reservation_id):
    builders.start_checkout(api, "ada", reservation_id)
    reused = builders.start_checkout(api, "ada", reservation_id, responses={"diet": "none"})
    assert (reused.status, reused.json["error"]) == (409, "idempotency_key_reused")


def test_a_key_is_kept_for_a_day_and_no_longer(api, time, reservation_id):
    first = builders.start_checkout(api, "ada", reservation_id)
    builders.confirm(api, "ada", reservation_id)
    time.advance(86_399)
    assert_replayed(first, builders.start_checkout(api, "ada", reservation_id))
    time.advance(1)
    assert builders.start_checkout(api, "ada", reservation_id).json["error"] == "reservation_converted"


def test_a_key_is_of_one_reservation(api, time, reservation_id):
    """It says what must not be done twice, and the checkout of another reservation is another thing."""
    builders.start_checkout(api, "ada", reservation_id)
    other_id = builders.reserve(api, "ada", *builders.create_shop(api)).json["id"]
    other = builders.start_checkout(api, "ada", other_id)
    assert (other.status, other.json["id"]) == (201, other_id)
    assert builders.start_checkout(api, "ada", "unknown").status == 404
    invariants.check(time.now)


def test_a_key_that_opened_nothing_is_not_kept(api, time, reservation_id):
    builders.start_checkout(api, "ada", reservation_id)
    for _ in range(2):
        other = builders.start_checkout(api, "ada", reservation_id, key="another")
        assert (other.status, other.json["message"]) == (200, "The checkout for this reservation is already open (idempotent).")
        assert "idempotency-replayed" not in other.headers


def test_a_refused_request_leaves_its_key_unused(api, time, reservation_id):
    assert builders.start_checkout(api, "ada", reservation_id, success_url="javascript:alert(1)").status == 400
    assert builders.start_checkout(api, "ada", reservation_id).status == 201


def test_a_key_of_another_user_repeats_nothing(api, time, reservation_id):
    builders.start_checkout(api, "ada", reservation_id)
    assert builders.start_checkout(api, "bob", reservation_id).status == 404


@pytest.mark.parametrize(("crash", "status"), [(faults.crash_before, 201), (faults.crash_after, 200)])
def test_after_a_crash_the_repeated_request_finds_the_checkout_at_once(api, time, reservation_id, crash, status):
    with crash(1, table="purchases") as fault:
        builders.start_checkout(api, "ada", reservation_id)
    assert fault.was_triggered
    again = builders.start_checkout(api, "ada", reservation_id)
    assert again.status == status
    assert ("idempotency-replayed" in again.headers) == (status == 200)
    assert (again.json["id"], again.json["state"]) == (reservation_id, "pending")


@pytest.mark.usefixtures("threaded_store")
def test_a_key_sent_many_times_at_once_opens_one_checkout(api, time, reservation_id):
    replies = run_in_threads(16, lambda _: builders.start_checkout(api, "ada", reservation_id), range(48))
    (first,) = [reply for reply in replies if reply.status == 201]
    assert all(reply.json == {**first.json, "message": REPLAYED} for reply in replies if reply is not first)
    invariants.check(time.now)


@on_either_page
def test_a_repeated_request_shows_the_same_payment_at_the_provider(shop, page):
    session = shop.open_checkout(page=page)
    again = shop.request_checkout(session["id"], page=page)
    assert (again.status, again.json["payment"], again.headers["idempotency-replayed"]) == (200, session["payment"], "true")
    shop.pay(session)
    shop.confirm(session)
    paid = shop.request_checkout(session["id"], page=page)
    assert (paid.status, paid.json["state"], paid.headers["idempotency-replayed"]) == (200, "pending", "true")
    assert "url" not in paid.json["payment"]  # the hosted page cannot be paid any more


@on_either_page
def test_after_a_provider_failure_a_repetition_opens_the_payment(shop, page):
    reservation_id = shop.reserve()
    with settings.override(stripe_api_base="http://127.0.0.1:9"):
        assert shop.request_checkout(reservation_id, page=page).status == 503
    opened = shop.request_checkout(reservation_id, page=page)
    assert opened.status == 200
    assert "idempotency-replayed" not in opened.headers
    again = shop.request_checkout(reservation_id, page=page)
    assert (again.headers["idempotency-replayed"], again.json["payment"]) == ("true", opened.json["payment"])
    reused = shop.request_checkout(reservation_id, page=page, provider="stripe")
    assert (reused.status, reused.json["error"]) == (409, "idempotency_key_reused")
