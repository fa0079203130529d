"""The rate limits of a purchase: free for a buyer who gets on, and no wider for one who does not, on however many instances."""

from collections import Counter

import pytest

from chalicelib.edge import rate_limits
from chalicelib.foundation import gcra, settings
from chalicelib.purchases import store
from tests import builders, invariants
from tests.simulation import faults
from tests.simulation.call_log import record_calls


@pytest.fixture(autouse=True)
def _limits_on(_settings, monkeypatch):
    """With limits of users alone: all users of the tests have one address."""
    monkeypatch.setattr(rate_limits, "source_address", lambda _: None)
    with settings.override(rate_limits="on"):
        yield


@pytest.fixture
def shop(api, time):
    shop = builders.create_shop(api)
    builders.reserve(api, "first", *shop)  # fills all caches
    return shop


def use_new_instance():
    """The next request is served by an instance that knows neither counters nor purchases."""
    rate_limits._local_counters.forget()
    store._copies.forget()


def stay():
    """The next request is served by the same instance."""


def reserve_and_release(api, shop, times, between=stay, user="ada"):
    """Take tickets and give them back so often; returns how often which status came."""
    statuses = Counter()
    for _ in range(times):
        between()
        reserved = builders.reserve(api, user, *shop)
        statuses[reserved.status] += 1
        if reserved.status == 201:
            assert api.delete(f"/reservations/{reserved.json['id']}", user=user).status == 200
    return statuses


def limit_writes(request, status):
    with record_calls() as log:
        assert request().status == status
    return len(log.of(table="rate-limits"))


def test_a_whole_purchase_writes_no_counter(api, shop):
    with record_calls() as log:
        assert builders.buy(api, "ada", *shop).status == 201
    assert log.of(table="rate-limits") == []


@pytest.mark.slow
@pytest.mark.parametrize("between", [stay, use_new_instance])
def test_cycles_of_reserve_and_release_are_limited_across_instances(api, time, shop, between):
    assert reserve_and_release(api, shop, 8, between) == {201: 5, 429: 3}
    time.advance(11)
    assert reserve_and_release(api, shop, 1, between) == {429: 1}
    time.advance(1)
    assert reserve_and_release(api, shop, 2, between) == {201: 1, 429: 1}
    time.advance(86_400)
    assert reserve_and_release(api, shop, 7, between) == {201: 5, 429: 2}
    invariants.check(time.now)


@pytest.mark.slow
def test_without_the_condition_of_the_record_new_instances_get_on(api, time, shop, monkeypatch):
    """The counter-test: if this granted no more either, the test above would prove nothing."""
    monkeypatch.setattr(
        gcra.Charge, "update", lambda charge, counter, _: (counter.set(charge.now), counter.exists() | counter.does_not_exist())
    )
    assert reserve_and_release(api, shop, 8, use_new_instance) == {201: 8}


def test_a_refusal_by_the_record_says_when_to_retry_and_leaves_no_hold(api, time, shop):
    reserve_and_release(api, shop, 5, use_new_instance)
    use_new_instance()
    refused = builders.reserve(api, "ada", *shop)
    assert (refused.status, refused.json["error"], refused.headers["retry-after"]) == (429, "rate_limited", "12")
    assert {name: refused.json[name] for name in ("by", "limit", "limiter", "period_seconds")} == {
        "by": "user",
        "limit": 5,
        "limiter": "reserve",
        "period_seconds": 60,
    }
    with record_calls() as log:
        assert builders.reserve(api, "ada", *shop).status == 429
    assert list(log) == []  # the instance knows it now
    invariants.check(time.now)


def test_a_second_reserve_on_another_instance_writes_twice(api, time, shop):
    reserve_and_release(api, shop, 1)
    use_new_instance()
    with record_calls() as log:
        assert builders.reserve(api, "ada", *shop).status == 201
    assert [entry.outcome for entry in log.of("TransactWriteItems")] == ["refused", "done"]
    assert store.load_buyer("ada", shop[0]).reserve_tat == (time.now + 24) * 1000


def test_reserving_at_many_events_is_limited_beside_their_records(api, time, shop):
    shops = [builders.create_shop(api) for _ in range(8)]
    statuses = Counter(builders.reserve(api, "ada", *each).status for each in shops)
    assert statuses == {201: 5, 429: 3}


@pytest.mark.slow
def test_each_new_instance_lets_one_reserve_more_through_at_another_event(api, time, shop):
    """The worst case: as many events as instances. What each instance has not reported is one request."""
    statuses = Counter()
    for each in [builders.create_shop(api) for _ in range(8)]:
        use_new_instance()
        statuses[builders.reserve(api, "ada", *each).status] += 1
    assert statuses == {201: 8}


def test_a_second_reserve_within_the_period_is_reported_with_the_first(api, shop):
    shops = [builders.create_shop(api) for _ in range(4)]
    assert [limit_writes(lambda each=each: builders.reserve(api, "ada", *each), 201) for each in shops] == [0, 1, 0, 1]


@pytest.mark.parametrize(("seconds", "writes"), [(59, 1), (60, 0)])
def test_an_instance_leaves_one_success_of_a_user_unreported_in_a_period(api, time, shop, seconds, writes):
    """Otherwise each instance would grant one at every interval, of which the others never learn."""
    builders.reserve(api, "ada", *builders.create_shop(api))
    time.advance(seconds)
    other = builders.create_shop(api)
    assert limit_writes(lambda: builders.reserve(api, "ada", *other), 201) == writes


def test_refusals_are_counted_in_the_store(api, time):
    shop = builders.create_shop(api, capacity=1)
    builders.reserve(api, "first", *shop)
    refused = []
    for _ in range(7):
        use_new_instance()
        refused.append(builders.reserve(api, "ada", *shop).json["error"])
    assert refused == ["not_enough_tickets"] * 5 + ["rate_limited"] * 2
    invariants.check(time.now)


def test_each_instance_reports_a_returned_hold_once(api, time, shop):
    """It has changed something, so the limit does not hide it; but from then on the instance knows that the limit is exceeded."""
    builders.reserve(api, "ada", *shop)
    assert [builders.reserve(api, "ada", *shop).status for _ in range(7)] == [409] * 4 + [429] * 3
    for _ in range(2):
        use_new_instance()
        errors = [builders.reserve(api, "ada", *shop).json["error"] for _ in range(3)]
        assert errors == ["active_reservation_exists", "rate_limited", "rate_limited"]
    invariants.check(time.now)


def test_a_sold_out_event_can_be_tried_as_often_as_the_limit_says(api, time):
    shop = builders.create_shop(api, capacity=1)
    builders.reserve(api, "first", *shop)
    replies = [builders.reserve(api, "ada", *shop) for _ in range(8)]
    assert [reply.status for reply in replies] == [409] * 5 + [429] * 3
    with record_calls() as log:
        builders.reserve(api, "ada", *shop)
    assert list(log) == []


@pytest.mark.parametrize("between", [stay, use_new_instance])
def test_repeated_checkouts_and_confirms_are_limited(api, time, shop, between):
    reservation_id = builders.reserve(api, "ada", *shop).json["id"]
    assert builders.start_checkout(api, "ada", reservation_id).status == 201
    statuses = []
    for _ in range(7):
        between()
        statuses.append(builders.start_checkout(api, "ada", reservation_id).status)
    assert statuses == [200] * 5 + [429] * 2
    assert builders.confirm(api, "ada", reservation_id).status == 201
    statuses = []
    for _ in range(12):
        between()
        statuses.append(builders.confirm(api, "ada", reservation_id).status)
    assert statuses == [200] * 10 + [429] * 2


def test_a_purchase_that_is_paid_is_never_refused_by_its_own_confirm(api, time, shop):
    """Its user has used up the limit with refusals elsewhere, on another instance."""
    reservation_id = builders.reserve(api, "ada", *shop).json["id"]
    builders.start_checkout(api, "ada", reservation_id)
    assert Counter(builders.confirm(api, "ada", "unknown").status for _ in range(11)) == {404: 10, 429: 1}
    assert builders.confirm(api, "ada", reservation_id).status == 429
    use_new_instance()
    assert builders.confirm(api, "ada", reservation_id).status == 201
    invariants.check(time.now, recovered=False)


def test_with_limits_off_the_record_counts_nothing(api, time, shop):
    with settings.override(rate_limits="off"):
        assert reserve_and_release(api, shop, 8) == {201: 8}
    assert store.load_buyer("ada", shop[0]).reserve_tat == 0


def test_while_the_store_of_the_counters_is_down_the_record_still_limits(api, time, shop):
    with faults.fail_from(1, faults.unreachable, table="rate-limits"):
        assert reserve_and_release(api, shop, 7, use_new_instance) == {201: 5, 429: 2}


def test_an_outcome_that_may_have_happened_is_not_hidden_by_a_limit(api, time, shop):
    """A reserve whose answer was lost says so, also to a user whose refusals have used up the limit."""
    for _ in range(5):
        builders.reserve(api, "ada", "unknown", "tier")
    use_new_instance()
    with faults.lose_answer(1, operation="TransactWriteItems"):
        reply = builders.reserve(api, "ada", *shop)
    assert (reply.status, reply.json["outcome"]) == (503, "unknown")
