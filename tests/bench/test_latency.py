"""The time of an endpoint follows from its round trips and what it computes, and no endpoint is left out."""

import random

import pytest

from bench import latency
from bench.latency import Samples
from chalicelib.payments import service as payments
from tests.simulation.limits import percentile

# Without an answer that can be had on a tour: a provider's or Amazon's signed event, a refund that Stripe refused, a case that is open.
NOT_VISITED = {
    "POST /webhooks/ses",
    "POST /auth/staff/begin",
    "POST /auth/staff/login",
    *(f"POST /webhooks/{provider.name}" for provider in payments.descriptions()),
    "POST /admin/orders/{order_id}/refunds/{refund_id}/retry",
    "DELETE /admin/reconciliation/{order_id}/{finding}",
}


# What a route may take: so many trips one after the other stay below the limit of the store's part.
MOST_TRIPS = 6

# These are counted before they are made, so that the limit holds across all instances, or look up whose address it is: one more trip. An
# email is counted for the caller's network before it is counted for its mailbox.
ONE_MORE = {
    "GET /events/{event_id}/waiting-room/state",  # on the tour, it makes the draw once
    "POST /admin/events/{event_id}/tickets/packages",
    "PATCH /admin/events/{event_id}/tickets/packages/{package_id}",
    "POST /admin/events/{event_id}/tickets/packages/{package_id}/image",
    "DELETE /auth/me/second-factor",  # counts the password and the code
    "POST /auth/email/verify",
    "POST /auth/register",
    "POST /seats/{seat_id}/invitation",
    "POST /promoters/{promoter_id}/api-keys",  # counts the password, and mails the promoter
    "PUT /promoters/{promoter_id}/legal-texts/{kind}/{language}",  # two limits
    "POST /lost-tickets/return",
    "POST /lost-tickets/withdraw-return",
    "POST /lost-tickets/resale",
    # these read the last entry of the stock ledger, which the transaction continues
    "POST /events/{event_id}/complimentary-orders",
    "POST /events/{event_id}/publish",
    "POST /orders/{order_id}/resale",  # on the tour, it is the first at its price, which changes the catalog
}

TWO_MORE = {"POST /auth/email", "POST /events/{event_id}/members"}  # for both of these reasons

# On the tour, it holds tickets back: the stock shrinks first, then the catalog and the stock ledger change, and the shards are read before
# and after.
THREE_MORE = {"PATCH /tiers/{tier_id}"}


def test_the_tour_visits_every_route():
    import app

    routes = {f"{method} {path.removeprefix('/v1')}" for path, methods in app.app.routes.items() for method in methods}
    samples = latency.take_samples(1)
    assert routes - samples.keys() == NOT_VISITED, "bench/tour.py visits each route once, as its users do, with an answer that they want"
    assert all(len(of.cpu_ms) == 1 for of in samples.values())
    assert samples["GET /events/{event_id}/waiting-room/status"].trips == 0
    assert sum(samples[operation].trips for operation in latency.PURCHASE) <= 8
    limits = {
        operation: MOST_TRIPS + (operation in ONE_MORE) + 2 * (operation in TWO_MORE) + 3 * (operation in THREE_MORE)
        for operation in samples
    }
    too_slow = {operation for operation, of in samples.items() if of.trips > limits[operation]}
    assert too_slow == set(), f"more than {MOST_TRIPS} round trips one after the other: make some side by side, or in one call"


def test_so_many_trips_stay_below_the_limit_of_the_stores_part():
    drawn = random.Random(1)
    store_ms = [latency.simulate(Samples([0.0], trips), drawn).store_ms for trips in (MOST_TRIPS, MOST_TRIPS + 1)]
    assert store_ms[0] < latency.STORE_LIMIT_MS < store_ms[1]


def test_trips_take_as_long_as_the_distribution_says():
    drawn = random.Random(1)
    one = sorted(latency.store_ms(1, drawn) for _ in range(20_000))
    assert one[10_000] == pytest.approx(latency.TRIP_P50_MS, rel=0.03)
    assert one[19_800] == pytest.approx(latency.TRIP_P99_MS, rel=0.1)
    assert latency.store_ms(0, drawn) == 0


def test_latency_is_computation_and_trips():
    without_store = latency.simulate(Samples([3.0], 0), random.Random(1))
    assert (without_store.total_ms, without_store.store_ms) == (3.0, 0)
    with_store = latency.simulate(Samples([3.0], 2), random.Random(1))
    assert with_store.total_ms == pytest.approx(with_store.store_ms + 3)
    assert with_store.store_ms > 2 * latency.TRIP_P50_MS


def test_the_95th_percentile():
    assert percentile(range(1, 101), 95) == 95
    assert percentile([7.0], 95) == 7.0
