"""Rate limits: a full budget at once, an honest Retry-After, few writes, and addresses that no header can change."""

from collections import Counter

import pytest

from chalicelib import dynamo, log, settings
from chalicelib.edge import rate_limits
from tests import builders
from tests.simulation.call_log import record_calls
from tests.simulation.faults import fail_from, internal_error, lose_answer, throttled, unreachable
from tests.simulation.threads import run_in_threads

HOME, OFFICE = "198.51.100.7", "203.0.113.20"


@pytest.fixture(autouse=True)
def _on(_settings):
    with settings.override(rate_limits="on"):
        yield


def ask(api, user="ada", **how):
    """A reservation that finds no event: one that the limits count, and that changes nothing."""
    return api.post("/events/none/reservations", json={"tier_id": "t", "quantity": 1}, user=user, **{"source_ip": HOME} | how)


def statuses(api, times, **how):
    return Counter(ask(api, **how).status for _ in range(times))


def another_instance():
    rate_limits._local_counters.clear()


class TestAUser:
    def test_may_use_the_whole_limit_at_once_and_no_more(self, api, time):
        assert statuses(api, 8) == {404: 5, 429: 3}

    def test_is_told_when_to_come_back_and_then_gets_through(self, api, time):
        statuses(api, 5)
        refused = ask(api)
        assert (refused.status, refused.json["error"]) == (429, "rate_limited")
        assert refused.headers["retry-after"] == str(refused.json["retryAfterSeconds"]) == "12"
        facts = {name: refused.json[name] for name in ("by", "limit", "limiter", "period_seconds")}
        assert facts == {"by": "user", "limit": 5, "limiter": "reserve", "period_seconds": 60}
        time.advance(11)
        assert ask(api).json["retryAfterSeconds"] == 1
        time.advance(1)
        assert statuses(api, 2) == {404: 1, 429: 1}

    def test_has_everything_back_after_the_period_and_not_more(self, api, time):
        statuses(api, 5)
        time.advance(36)
        assert statuses(api, 5) == {404: 3, 429: 2}
        time.advance(86_400)
        assert statuses(api, 8) == {404: 5, 429: 3}

    @pytest.mark.parametrize("rate", ["1/1", "7/60", "3/10", "100/7", "1/3600", "13/13"])
    def test_gets_through_at_retry_after_and_not_a_second_before(self, api, time, rate):
        most = int(rate.partition("/")[0])
        with settings.override(limit_reserve=rate):
            assert statuses(api, most + 1) == {404: most, 429: 1}
            wait = ask(api).json["retryAfterSeconds"]
            time.advance(wait - 1)
            if wait > 1:
                assert ask(api).status == 429
            time.advance(1)
            assert ask(api).status == 404

    def test_never_exceeds_the_rate_in_the_long_run(self, api, time):
        with settings.override(limit_reserve="7/60"):
            granted = sum(ask(api).status == 404 for _ in range(600) if time.advance(1))
        assert 7 + 69 <= granted <= 7 + 70  # ten minutes

    def test_is_counted_by_limit_event_and_user_apart(self, api, time):
        statuses(api, 6)
        assert ask(api, "bob").status == 404
        assert api.post("/checkout/confirm", json={"checkout_id": "none"}, user="ada").status == 404

    def test_who_is_refused_is_not_counted(self, api, time):
        statuses(api, 5)
        for _ in range(30):
            another_instance()
            assert ask(api).json["retryAfterSeconds"] == 12

    def test_a_request_that_is_malformed_or_from_nobody_does_not_count(self, api, time):
        for _ in range(8):
            assert api.post("/events/none/reservations", json={"tier_id": "t"}, user="ada").status == 400
            assert api.post("/events/none/reservations", json={"tier_id": "t", "quantity": 1}).status == 400
        assert ask(api).status == 404

    def test_a_key_that_is_repeated_counts(self, api, time):
        """Its answer is remembered, but to look it up is a write too."""
        headers = {"Idempotency-Key": "k"}
        assert statuses(api, 6, headers=headers) == {404: 5, 429: 1}


class TestTheBuyersRoutes:
    @pytest.mark.parametrize(
        ("path", "body", "most"),
        [
            ("/events/none/reservations", {"tier_id": "t", "quantity": 1}, 5),
            ("/checkout/sessions", {"reservation_id": "r"}, 5),
            ("/checkout/confirm", {"checkout_id": "r"}, 10),
        ],
    )
    def test_have_the_limits_of_the_table(self, api, time, path, body, most):
        ends = [api.post(path, json=body, user="ada", headers={"Idempotency-Key": str(n)}) for n in range(most + 2)]
        assert Counter(reply.status for reply in ends) == {404: most, 429: 2}

    def test_a_purchase_goes_through_with_limits_on(self, api, time):
        assert builders.buy(api, "ada", *builders.create_shop(api), 2).status == 201

    def test_off_is_off(self, api, time):
        with settings.override(rate_limits="off"), record_calls() as log:
            assert statuses(api, 60) == {404: 60}
        assert log.of(table="limits") == []


class TestAnAddress:
    def test_may_use_ten_times_as_much(self, api, time):
        ends = [ask(api, f"user-{number}", source_ip=OFFICE) for number in range(55)]
        assert [reply.status for reply in ends] == [404] * 50 + [429] * 5
        assert (ends[-1].json["by"], ends[-1].json["limit"], ends[-1].json["retryAfterSeconds"]) == ("address", 50, 2)
        assert ask(api, "elsewhere").status == 404
        time.advance(2)
        assert ask(api, "next", source_ip=OFFICE).status == 404

    def test_factor_is_a_setting(self, api, time):
        with settings.override(address_factor=2):
            assert Counter(ask(api, f"user-{number}").status for number in range(12)) == {404: 10, 429: 2}

    @pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "CF-Connecting-IP", "Via"])
    def test_is_never_what_a_header_says(self, api, time, header):
        with settings.override(address_factor=1):
            ends = [ask(api, f"user-{number}", headers={header: f"192.0.2.{number}"}).status for number in range(6)]
        assert ends == [404] * 5 + [429]

    def test_of_ipv6_is_its_64(self, api, time):
        with settings.override(address_factor=1):
            same = [ask(api, f"user-{number}", source_ip=f"2001:db8:1:2::{number:x}").status for number in range(6)]
            assert same == [404] * 5 + [429]
            assert ask(api, "other", source_ip="2001:db8:1:3::1").status == 404

    def test_of_ipv4_inside_ipv6_is_the_ipv4_address(self, api, time):
        with settings.override(address_factor=1):
            assert [ask(api, f"user-{n}", source_ip=(HOME, f"::ffff:{HOME}")[n % 2]).status for n in range(6)][-1] == 429

    @pytest.mark.parametrize("unknown", ["", "test-invoke-source-ip"])
    def test_that_is_unknown_leaves_the_users_limit(self, api, time, unknown):
        with settings.override(address_factor=1):
            assert {ask(api, f"user-{number}", source_ip=unknown).status for number in range(8)} == {404}
            assert statuses(api, 6, source_ip=unknown)[429] == 1

    def test_is_not_used_up_by_one_user_who_hammers(self, api, time):
        statuses(api, 200)
        assert {ask(api, f"colleague-{number}").status for number in range(45)} == {404}

    def test_spread_over_instances_exceeds_its_limit_by_little(self, api, time):
        """Each instance may be a few requests late (LATE_SHARE): the worst case, all of it in one second."""
        instances = [{} for _ in range(8)]
        granted = 0
        for number in range(400):
            rate_limits._local_counters = instances[number % 8]
            granted += ask(api, f"user-{number}").status == 404
        assert 50 <= granted <= 50 + 8 * (50 // rate_limits.UNREPORTED_SHARE)

    def test_that_went_quiet_is_not_charged_for_what_is_paid_back(self, api, time):
        for number in range(60):  # one request in each period: the late one of the last is not in the next
            time.advance(61)
            with record_calls() as log:
                assert ask(api, f"user-{number}").status == 404
            assert len(log.of(table="limits")) == 1


class TestTheStore:
    def test_a_reservation_takes_three_round_trips_and_six_units(self, api, time):
        event_id, tier_id = builders.create_shop(api)
        builders.reserve(api, "first", event_id, tier_id)  # everything is warm
        path, body = f"/events/{event_id}/reservations", {"tier_id": tier_id, "quantity": 1}
        with record_calls("reserve with limits", measured=True) as log:
            assert api.post(path, json=body, user="ada", source_ip=HOME).status == 201
        assert log.names == ["UpdateItem", "UpdateItem", "TransactWriteItems"]
        assert [entry.tables for entry in log.entries] == [["limits"], ["inventory"], ["purchases", "buyers"]]
        assert (log.round_trips, log.capacity) == (3, (0, 6))

    def test_who_hammers_costs_one_write_on_each_instance(self, api, time):
        statuses(api, 5)
        another_instance()
        with record_calls() as log:
            assert statuses(api, 100) == {429: 100}
        assert [entry.outcome for entry in log.entries] == ["refused"]

    def test_a_crowd_behind_one_address_costs_a_fifth_more(self, api, time):
        with settings.override(address_factor=100), record_calls() as log:
            assert Counter(ask(api, f"user-{number}").status for number in range(300)) == {404: 300}
        assert len(log.of(table="limits")) == 300 + 300 // (rate_limits.MAX_UNREPORTED + 1)

    def test_counts_without_asking_what_is_there(self, api, time):
        for _ in range(5):
            with record_calls() as log:
                ask(api)
            assert len(log.of(table="limits")) <= 2
        assert {entry.operation for entry in log.of(table="limits")} == {"UpdateItem"}

    def test_names_nobody_and_forgets(self, api, store, time):
        ask(api, "ada", source_ip=OFFICE)
        ask(api, "bob", source_ip=OFFICE)
        items = store.scan(TableName=rate_limits.RateLimitRow.name())["Items"]
        assert len(items) == 3
        assert "ada" not in str(items)
        assert OFFICE not in str(items)
        assert {int(item["ttl"]["N"]) for item in items} == {time.now + 120}

    def test_one_that_was_emptied_starts_anew(self, api, store, time):
        statuses(api, 4)
        for item in store.scan(TableName=rate_limits.RateLimitRow.name())["Items"]:
            store.delete_item(TableName=rate_limits.RateLimitRow.name(), Key={"id": item["id"]})
        assert ask(api).status == 404

    def test_ids_that_a_caller_makes_up_may_be_long(self, api, time):
        assert api.post(f"/events/{'x' * 3000}/reservations", json={"tier_id": "t", "quantity": 1}, user="ada").status != 500

    @pytest.mark.parametrize("error", [throttled, internal_error, unreachable])
    def test_that_is_down_lets_requests_pass_and_says_so(self, api, time, error):
        before = _counted("rate_limits_skipped")
        with fail_from(1, error, table="limits"):
            assert statuses(api, 7) == {404: 7}
        assert _counted("rate_limits_skipped") == before + 7
        assert statuses(api, 6) == {404: 5, 429: 1}

    def test_that_lost_an_answer_never_lets_more_through(self, api, time):
        with lose_answer(1, repeated=True):
            assert ask(api).status == 404
        assert statuses(api, 5)[404] in (3, 4)

    def test_a_table_that_is_missing_is_our_fault(self, api, store, time):
        store.delete_table(TableName=rate_limits.RateLimitRow.name())
        assert ask(api).status == 500


class TestTelemetry:
    def test_counts_every_refusal_and_logs_the_first_without_the_address(self, api, time, monkeypatch):
        lines = []
        monkeypatch.setattr(log, "info", lambda event, /, **facts: lines.append({"event": event, **facts}))
        before = _counted("rate_limited")
        statuses(api, 15, source_ip=OFFICE)
        assert _counted("rate_limited") == before + 10
        line = {"event": "rate.limited", "limiter": "reserve", "by": "user", "network": "203.0.113.0/24"}
        assert lines == [line]
        time.advance(12)
        statuses(api, 3, source_ip=OFFICE)
        another_instance()
        statuses(api, 3, source_ip=OFFICE)
        assert lines == [line] * 3  # it was granted one more; another instance tells too

    def test_names_a_network_of_ipv6_and_who_shares_it(self, api, time, monkeypatch):
        lines = []
        monkeypatch.setattr(log, "info", lambda event, /, **facts: lines.append(facts))
        with settings.override(address_factor=1):
            for number in range(9):
                ask(api, f"user-{number}", source_ip="2001:db8:1:2::9")
        assert lines == [{"limiter": "reserve", "by": "address", "network": "2001:db8:1::/48"}]


class TestThreads:
    @pytest.fixture(autouse=True)
    def _threaded(self, threaded_store):
        pass

    def test_sixteen_never_get_more_than_the_limit(self, api, time):
        replies = run_in_threads(16, lambda _: ask(api).status, range(160))
        assert Counter(replies) == {404: 5, 429: 155}

    def test_nor_when_each_is_an_instance_of_its_own(self, api, time, monkeypatch):
        """Nothing is remembered, so the conditions alone decide."""
        monkeypatch.setattr(rate_limits, "_local_counter", lambda key: rate_limits._LocalCounter())
        assert Counter(run_in_threads(16, lambda _: ask(api, source_ip="").status, range(96))) == {404: 5, 429: 91}

    def test_without_the_condition_they_do(self, api, time, monkeypatch):
        """The twin: if this did not let more through, the test above would prove nothing."""
        change, anyway = dynamo.update_if_returning, rate_limits.RateLimitRow.id.exists() | rate_limits.RateLimitRow.id.does_not_exist()
        monkeypatch.setattr(rate_limits, "_local_counter", lambda key: rate_limits._LocalCounter())
        monkeypatch.setattr(rate_limits.dynamo, "update_if_returning", lambda counter, actions, condition: change(counter, actions, anyway))
        assert Counter(run_in_threads(16, lambda _: ask(api, source_ip="").status, range(48)))[404] > 5

    def test_behind_one_address_get_its_limit(self, api, time):
        replies = run_in_threads(16, lambda number: ask(api, f"user-{number}").status, range(200))
        assert 50 <= Counter(replies)[404] <= 52


def _counted(name):
    return log.registry.get_sample_value(f"fairgate_{name}_total")


def test_settings_refuse_a_limit_that_is_none():
    for wrong in ("0/60", "5", "5/0", "five/60", "5/60s", "-1/60", "5/ 60", "100000/60"):
        with pytest.raises(settings.SettingsError, match=r"^FAIRGATE_LIMIT_RESERVE: "):
            settings.read({"FAIRGATE_LIMIT_RESERVE": wrong})
    assert settings.read({"FAIRGATE_LIMIT_RESERVE": "50/1"}).limit_reserve == "50/1"


def test_every_named_limit_has_a_setting():
    named = [one for one in vars(rate_limits).values() if isinstance(one, rate_limits.RateLimit)]
    assert {f"limit_{one.name}" for one in named} == {name for name in settings.Settings.__struct_fields__ if name.startswith("limit_")}
