"""Rate limits: a full budget at once, an exact Retry-After, few writes, and addresses that no header can change.

The limits of what gets on are in tests/purchases/reservations/test_service_limits.py.
"""

from collections import Counter

import pytest

from app import app
from chalicelib.dynamodb import dynamo
from chalicelib.edge import rate_limits
from chalicelib.edge.error_replies import READING_METHODS
from chalicelib.edge.rate_limits import RateLimited
from chalicelib.edge.store import RateLimitRow
from chalicelib.foundation import log, settings
from tests import builders
from tests.promoters.test_suspension import sign_up_promoter
from tests.simulation.call_log import record_calls
from tests.simulation.faults import fail_from, internal_error, lose_answer, throttled, unreachable
from tests.simulation.threads import run_in_threads

CDN = "192.0.2.200"
HOME, OFFICE = "198.51.100.7", "203.0.113.20"


@pytest.fixture(autouse=True)
def _limits_on(_settings):
    with settings.override(rate_limits="on"):
        yield


def request_reservation(api, user="ada", **options):
    """A reservation for an event that does not exist: the limits count it, and it changes nothing."""
    return api.post("/events/none/reservations", json={"tier_id": "t", "quantity": 1}, user=user, **{"source_ip": HOME} | options)


def statuses(api, times, **options):
    return Counter(request_reservation(api, **options).status for _ in range(times))


def start_new_instance():
    """Forget what this instance knows of the counters."""
    rate_limits._local_counters.forget()


class TestUser:
    def test_may_use_the_full_budget_at_once_and_no_more(self, api, time):
        assert statuses(api, 8) == {404: 5, 429: 3}

    def test_is_granted_again_after_retry_after(self, api, time):
        statuses(api, 5)
        refused = request_reservation(api)
        assert (refused.status, refused.json["error"]) == (429, "rate_limited")
        assert refused.headers["retry-after"] == str(refused.json["retry_after_seconds"]) == "12"
        details = {name: refused.json[name] for name in ("by", "limit", "limiter", "period_seconds")}
        assert details == {"by": "user", "limit": 5, "limiter": "reserve", "period_seconds": 60}
        time.advance(11)
        assert request_reservation(api).json["retry_after_seconds"] == 1
        time.advance(1)
        assert statuses(api, 2) == {404: 1, 429: 1}

    def test_has_the_full_budget_again_after_the_period_and_no_more(self, api, time):
        statuses(api, 5)
        time.advance(36)
        assert statuses(api, 5) == {404: 3, 429: 2}
        time.advance(86_400)
        assert statuses(api, 8) == {404: 5, 429: 3}

    @pytest.mark.parametrize("rate", ["1/1", "7/60", "3/10", "100/7", "1/3600", "13/13"])
    def test_is_granted_exactly_at_retry_after(self, api, time, rate):
        count = int(rate.partition("/")[0])
        with settings.override(limit_reserve=rate):
            assert statuses(api, count + 1) == {404: count, 429: 1}
            wait = request_reservation(api).json["retry_after_seconds"]
            time.advance(wait - 1)
            if wait > 1:
                assert request_reservation(api).status == 429
            time.advance(1)
            assert request_reservation(api).status == 404

    def test_never_exceeds_the_rate_in_the_long_run(self, api, time):
        with settings.override(limit_reserve="7/60"):
            granted = sum(request_reservation(api).status == 404 for _ in range(600) if time.advance(1))
        assert 7 + 69 <= granted <= 7 + 70  # ten minutes

    def test_is_counted_separately_for_each_limit_and_user(self, api, time):
        statuses(api, 6)
        assert request_reservation(api, "bob").status == 404
        assert api.post("/checkout/confirm", json={"checkout_id": "none"}, user="ada").status == 404

    def test_a_refused_request_is_not_counted(self, api, time):
        statuses(api, 5)
        for _ in range(30):
            start_new_instance()
            assert request_reservation(api).json["retry_after_seconds"] == 12

    def test_a_malformed_or_anonymous_request_is_not_counted(self, api, time):
        for _ in range(8):
            assert api.post("/events/none/reservations", json={"tier_id": "t"}, user="ada").status == 400
            assert api.post("/events/none/reservations", json={"tier_id": "t", "quantity": 1}).status == 401
        assert request_reservation(api).status == 404

    def test_a_repeated_idempotency_key_counts(self, api, time):
        """Its reply is kept, but finding it takes a write too."""
        headers = {"Idempotency-Key": "k"}
        assert statuses(api, 6, headers=headers) == {404: 5, 429: 1}


class TestRoutes:
    @pytest.mark.parametrize(
        ("path", "body", "count"),
        [
            ("/events/none/reservations", {"tier_id": "t", "quantity": 1}, 5),
            ("/checkout/sessions", {"reservation_id": "r"}, 5),
            ("/checkout/confirm", {"checkout_id": "r"}, 10),
        ],
    )
    def test_have_the_limits_of_their_settings(self, api, time, path, body, count):
        replies = [api.post(path, json=body, user="ada", headers={"Idempotency-Key": str(n)}) for n in range(count + 2)]
        assert Counter(reply.status for reply in replies) == {404: count, 429: 2}

    def test_a_purchase_succeeds_with_limits_on(self, api, time):
        assert builders.buy(api, "ada", *builders.create_shop(api), 2).status == 201

    def test_nothing_is_counted_with_limits_off(self, api, time):
        with settings.override(rate_limits="off"), record_calls() as log:
            assert statuses(api, 60) == {404: 60}
        assert log.of(table="rate-limits") == []


class TestAddress:
    def test_may_use_ten_times_as_much_as_a_user(self, api, time):
        replies = [request_reservation(api, f"user-{number}", source_ip=OFFICE) for number in range(55)]
        assert [reply.status for reply in replies] == [404] * 50 + [429] * 5
        assert (replies[-1].json["by"], replies[-1].json["limit"], replies[-1].json["retry_after_seconds"]) == ("address", 50, 2)
        assert request_reservation(api, "elsewhere").status == 404
        time.advance(2)
        assert request_reservation(api, "next", source_ip=OFFICE).status == 404

    def test_is_the_viewers_if_the_cdn_passes_it_on_with_its_key(self, api, time):
        key = "a-key-that-the-cdn-and-the-app-share"

        def last_of_51(headers, **options):
            replies = [request_reservation(api, f"user-{n}", source_ip=CDN, headers=headers(n), **options) for n in range(51)]
            return replies[-1].status

        with settings.override(edge_key=key):
            viewers = [last_of_51(lambda n, viewer=viewer: {"X-Viewer-Address": viewer, "X-Edge-Key": key}) for viewer in (HOME, OFFICE)]
            assert viewers == [429, 429]
            assert (
                request_reservation(api, "zoe", source_ip=CDN, headers={"X-Viewer-Address": "203.0.113.9", "X-Edge-Key": key}).status == 404
            )

    @pytest.mark.parametrize("sent", [{}, {"X-Edge-Key": ""}, {"X-Edge-Key": "a-key-that-somebody-guesses-somewhere"}])
    @pytest.mark.parametrize("key", ["", "a-key-that-the-cdn-and-the-app-share"])
    def test_is_the_callers_if_the_key_is_missing_or_wrong(self, api, time, key, sent):
        with settings.override(edge_key=key):
            headers = [{"X-Viewer-Address": f"198.51.100.{n}", **sent} for n in range(51)]
            replies = [request_reservation(api, f"user-{n}", source_ip=HOME, headers=headers[n]) for n in range(51)]
        assert (replies[-2].status, replies[-1].status) == (404, 429)

    def test_has_the_factor_of_the_setting(self, api, time):
        with settings.override(address_factor=2):
            assert Counter(request_reservation(api, f"user-{number}").status for number in range(12)) == {404: 10, 429: 2}

    @pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "CF-Connecting-IP", "Via"])
    def test_is_never_taken_from_a_header(self, api, time, header):
        with settings.override(address_factor=1):
            replies = [request_reservation(api, f"user-{number}", headers={header: f"192.0.2.{number}"}).status for number in range(6)]
        assert replies == [404] * 5 + [429]

    def test_an_ipv6_address_is_counted_by_its_64_network(self, api, time):
        with settings.override(address_factor=1):
            same = [request_reservation(api, f"user-{number}", source_ip=f"2001:db8:1:2::{number:x}").status for number in range(6)]
            assert same == [404] * 5 + [429]
            assert request_reservation(api, "other", source_ip="2001:db8:1:3::1").status == 404

    def test_a_48_network_may_use_a_hundred_times_as_much_in_a_sale_as_an_address_in_it(self, api, time):
        """A free tunnel has 65,536 networks of the size that counts as one address, and a provider has hundreds of customers in a /48."""
        with settings.override(address_factor=1, limit_reserve="1/60"):
            replies = [request_reservation(api, f"user-{number}", source_ip=f"2001:db8:1:{number:x}::1") for number in range(110)]
            assert [reply.status for reply in replies] == [404] * 100 + [429] * 10
            assert (replies[-1].json["by"], replies[-1].json["limit"]) == ("address", 100)
            assert request_reservation(api, "other", source_ip="2001:db8:2::1").status == 404

    def test_a_48_network_may_sign_up_ten_times_as_often_as_an_address_in_it(self, api, time):
        with settings.override(address_factor=1, limit_sign_up="2/60"):
            statuses = [api.post("/auth/guest", source_ip=f"2001:db8:1:{number:x}::1").status for number in range(22)]
            assert statuses == [201] * 20 + [429] * 2

    def test_ipv4_mapped_to_ipv6_is_the_ipv4_address(self, api, time):
        with settings.override(address_factor=1):
            assert [request_reservation(api, f"user-{n}", source_ip=(HOME, f"::ffff:{HOME}")[n % 2]).status for n in range(6)][-1] == 429

    @pytest.mark.parametrize("unknown", ["", "test-invoke-source-ip"])
    def test_that_is_unknown_leaves_the_limit_of_the_user(self, api, time, unknown):
        with settings.override(address_factor=1):
            assert {request_reservation(api, f"user-{number}", source_ip=unknown).status for number in range(8)} == {404}
            assert statuses(api, 6, source_ip=unknown)[429] == 1

    def test_is_not_used_up_by_the_refused_requests_of_one_user(self, api, time):
        statuses(api, 200)
        assert {request_reservation(api, f"colleague-{number}").status for number in range(45)} == {404}

    def test_spread_over_instances_exceeds_its_limit_by_few_requests(self, api, time):
        """Each instance may have a few unreported requests (UNREPORTED_SHARE). The worst case: all requests in one second."""
        instances = [{} for _ in range(8)]
        granted = 0
        for number in range(400):
            rate_limits._local_counters.entries = instances[number % 8]
            granted += request_reservation(api, f"user-{number}").status == 404
        assert 50 <= granted <= 50 + 8 * (50 // rate_limits.UNREPORTED_SHARE)

    def test_that_paused_is_not_charged_for_earlier_requests(self, api, time):
        for number in range(60):  # one request in each period: the unreported one of the last period does not count in the next
            time.advance(61)
            with record_calls() as log:
                assert request_reservation(api, f"user-{number}").status == 404
            assert len(log.of(table="rate-limits")) == 1


class TestStore:
    def test_a_reservation_is_counted_in_the_record_that_it_writes_anyway(self, api, time):
        event_id, tier_id = builders.create_shop(api)
        builders.reserve(api, "first", event_id, tier_id)  # fills all caches
        path, body = f"/events/{event_id}/reservations", {"tier_id": tier_id, "quantity": 1}
        with record_calls("reserve with limits", measured=True) as log:
            assert api.post(path, json=body, user="ada", source_ip=HOME).status == 201
        assert [entry.tables for entry in log.entries] == [["inventory"], ["purchases", "buyers"]]
        assert (log.round_trips, log.capacity) == (2, (0, 5))

    def test_refused_requests_cost_one_write_on_each_instance(self, api, time):
        statuses(api, 5)
        start_new_instance()
        with record_calls() as log:
            assert statuses(api, 100) == {429: 100}
        assert [entry.outcome for entry in log.entries] == ["refused"]

    def test_many_users_of_one_address_cost_a_fifth_more(self, api, time):
        with settings.override(address_factor=100), record_calls() as log:
            assert Counter(request_reservation(api, f"user-{number}").status for number in range(300)) == {404: 300}
        assert len(log.of(table="rate-limits")) == 300 + 300 // (rate_limits.MAX_UNREPORTED + 1)

    def test_a_request_is_counted_without_a_read(self, api, time):
        for _ in range(5):
            with record_calls() as log:
                request_reservation(api)
            assert len(log.of(table="rate-limits")) <= 2
        assert {entry.operation for entry in log.of(table="rate-limits")} == {"UpdateItem"}

    def test_a_row_names_nobody_and_expires(self, api, store, time):
        request_reservation(api, "zoe", source_ip=OFFICE)
        request_reservation(api, "tom", source_ip=OFFICE)
        items = store.scan(TableName=RateLimitRow.name())["Items"]
        assert len(items) == 3
        assert "zoe" not in str(items)
        assert OFFICE not in str(items)
        assert {int(item["ttl"]["N"]) for item in items} == {time.now + 120}

    def test_a_deleted_counter_starts_again(self, api, store, time):
        statuses(api, 4)
        for item in store.scan(TableName=RateLimitRow.name())["Items"]:
            store.delete_item(TableName=RateLimitRow.name(), Key={"id": item["id"]})
        assert request_reservation(api).status == 404

    def test_a_caller_may_invent_a_long_event_id(self, api, time):
        assert api.post(f"/events/{'x' * 3000}/reservations", json={"tier_id": "t", "quantity": 1}, user="ada").status != 500

    @pytest.mark.parametrize("error", [throttled, internal_error, unreachable])
    def test_requests_pass_uncounted_while_the_store_is_unavailable(self, api, time, error):
        before = _counted("rate_limits_skipped")
        with fail_from(1, error, table="rate-limits"):
            assert statuses(api, 7) == {404: 7}
        assert _counted("rate_limits_skipped") == before + 7
        assert statuses(api, 6) == {404: 5, 429: 1}

    def test_a_lost_response_never_grants_more_requests(self, api, time):
        with lose_answer(1, repeated=True):
            assert request_reservation(api).status == 404
        assert statuses(api, 5)[404] in (3, 4)

    def test_a_missing_table_is_not_called_busy(self, api, store, time):
        store.delete_table(TableName=RateLimitRow.name())
        reply = request_reservation(api)
        assert (reply.status, reply.json["error"]) == (503, "not_set_up")


class TestTelemetry:
    def test_refusals_are_counted_and_logged_once_without_the_address(self, api, time, monkeypatch):
        lines = []
        monkeypatch.setattr(log.logger, "info", lambda event, /, **details: lines.append({"event": event, **details}))
        before = _counted("rate_limited")
        statuses(api, 15, source_ip=OFFICE)
        assert _counted("rate_limited") == before + 10
        line = {"event": "rate.limited", "limiter": "reserve", "by": "user", "network": "203.0.113.0/24"}
        assert lines == [line]
        time.advance(12)
        statuses(api, 3, source_ip=OFFICE)
        start_new_instance()
        statuses(api, 3, source_ip=OFFICE)
        assert lines == [line] * 3  # a request was granted in between; and another instance logs its own first refusal

    def test_a_refusal_by_address_logs_the_network_of_ipv6(self, api, time, monkeypatch):
        lines = []
        monkeypatch.setattr(log.logger, "info", lambda event, /, **details: lines.append(details))
        with settings.override(address_factor=1):
            for number in range(9):
                request_reservation(api, f"user-{number}", source_ip="2001:db8:1:2::9")
        assert lines == [{"limiter": "reserve", "by": "address", "network": "2001:db8:1::/48"}]


class TestThreads:
    @pytest.fixture(autouse=True)
    def _threaded(self, threaded_store):
        pass

    def test_threads_of_one_instance_never_exceed_the_limit(self, api, time):
        replies = run_in_threads(16, lambda _: request_reservation(api).status, range(160))
        assert Counter(replies) == {404: 5, 429: 155}

    def test_threads_of_several_instances_never_exceed_the_limit(self, api, time, monkeypatch):
        """Each request is counted as by a new instance, so the condition of the write alone decides."""
        monkeypatch.setattr(rate_limits, "local_counter", lambda key: rate_limits.LocalCounter())
        assert Counter(run_in_threads(16, lambda _: request_reservation(api, source_ip="").status, range(96))) == {404: 5, 429: 91}

    def test_get_more_than_the_limit_without_the_condition(self, api, time, monkeypatch):
        """The counter-test: if this granted no more either, the test above would prove nothing."""
        monkeypatch.setattr(rate_limits, "local_counter", lambda key: rate_limits.LocalCounter())
        monkeypatch.setattr(dynamo, "update_if_returning", lambda row, actions, _: (True, dynamo.update_now_returning(row, actions)))
        assert Counter(run_in_threads(16, lambda _: request_reservation(api, source_ip="").status, range(48)))[404] > 5

    def test_threads_of_one_address_get_the_limit_of_the_address(self, api, time):
        replies = run_in_threads(16, lambda number: request_reservation(api, f"user-{number}").status, range(200))
        assert 50 <= Counter(replies)[404] <= 52


def _counted(name):
    return log.total(name)


def test_a_malformed_limit_is_refused_by_the_settings():
    for malformed in ("0/60", "5", "5/0", "five/60", "5/60s", "-1/60", "5/ 60", "100000/60"):
        with pytest.raises(settings.SettingsError, match=r"^FAIRGATE_LIMIT_RESERVE: "):
            settings.read({"FAIRGATE_LIMIT_RESERVE": malformed})
    assert settings.read({"FAIRGATE_LIMIT_RESERVE": "50/1"}).limit_reserve == "50/1"


def test_every_limit_has_a_setting():
    limits = [value for value in vars(rate_limits).values() if isinstance(value, rate_limits.RateLimit)]
    assert {f"limit_{limit.setting or limit.name}" for limit in limits} == {
        name for name in settings.Settings.__struct_fields__ if name.startswith("limit_")
    }


# Which routes have a limit.

SAFETY = "People must be able to shut out a thief at any time. Attempts with a wrong password are counted (`accounts/login_attempts.py`)."
ENDS = "It ends or deletes something whose creation is limited. A repeated call finds nothing to change."
LINK = "It needs a link or a report that we or a provider signed, or a link that works once or for a few minutes."
DOOR = "The people at the door must never be refused. Tickets bound what they can do."
BOUNDED = "The record that it changes bounds how often it can change."
URGENT = "A sale must be stopped at any time. A stopped sale does not change again, and resuming it is limited."
MONEY = "People must get their money back at any time. The paid tickets bound the refunds."

# Writing routes that need no limit, and the reason. The routes of admins are not listed: admins are trusted.
WITHOUT_LIMIT = {
    "POST /auth/refresh": "It replaces the token of one session. A refusal would sign people out in the middle of a purchase.",
    "POST /auth/logout": SAFETY,
    "DELETE /auth/me": ENDS,
    "DELETE /auth/me/second-factor": ENDS,
    "DELETE /auth/me/passkeys/{passkey_id}": ENDS,
    "POST /auth/passkeys/login": "It needs a challenge, which works once and is limited.",
    "POST /auth/password": SAFETY,
    "POST /auth/password/reset": LINK,
    "POST /auth/email/verify": LINK,
    "DELETE /auth/sessions": SAFETY,
    "DELETE /auth/sessions/{session_id}": SAFETY,
    "POST /auth/guest/orders": "It moves the orders of a guest once, and ends the guest's session.",
    "POST /lost-tickets/open": LINK,
    "POST /lost-tickets/export": LINK,
    "POST /lost-tickets/erase": LINK,
    "POST /unsubscribe": LINK,
    "POST /webhooks/ses": LINK,
    "POST /webhooks/mollie": LINK,
    "POST /webhooks/stripe": LINK,
    "DELETE /reservations/{reservation_id}": ENDS,
    "POST /orders/{order_id}/cancel": ENDS,
    "DELETE /seats/{seat_id}/guest": ENDS,
    "DELETE /guests/{token}": ENDS,
    "DELETE /waitlist/{entry_id}": ENDS,
    "POST /waitlist/{entry_id}/notify": BOUNDED,
    "DELETE /events/{event_id}/waiting-room/notice": ENDS,
    "POST /events/{event_id}/waiting-room/pass": "It writes nothing, unless the token is of nobody's entry.",
    "POST /events/{event_id}/waiting-room/pass-uses": "Another shop's server sends it, once for each of its buyers, and only with a pass.",
    "DELETE /events/{event_id}/members/{member_id}": ENDS,
    "DELETE /me/invitations/{event_id}": ENDS,
    "DELETE /promoters/{promoter_id}/api-keys/{key_id}": ENDS,
    "DELETE /promoters/{promoter_id}/webhook-endpoints/{endpoint_id}": ENDS,
    "POST /admin/events/{event_id}/waiting-room/rate": BOUNDED,
    "POST /admin/events/{event_id}/waiting-room/let-in": BOUNDED,
    "POST /admin/events/{event_id}/waiting-room/appeals/{appeal_id}/answer": BOUNDED,
    "POST /admin/events/{event_id}/announcements/preview": "It writes and sends nothing.",
    "DELETE /admin/events/{event_id}/announcements/{announcement_id}": ENDS,
    "POST /admin/events/{event_id}/pause": URGENT,
    "POST /admin/orders/{order_id}/refunds": MONEY,
    "POST /admin/orders/{order_id}/refunds/preview": MONEY,
    "POST /admin/orders/{order_id}/refunds/{refund_id}/retry": MONEY,
    "POST /admin/orders/{order_id}/return-requests/{request_number}": MONEY,
    "DELETE /apple/v1/devices/{device_id}/registrations/{pass_type}/{serial}": ENDS,
    "POST /checkin": DOOR,
    "POST /checkin/sync": DOOR,
    "POST /tickets/{ticket_id}/validate": DOOR,
    "POST /tickets/{ticket_id}/undo": DOOR,
}


def writing_routes():
    """The operation of each route that writes and is not for admins only, by method and path."""
    found = {}
    for by_method in app.routes.values():
        for method, entry in by_method.items():
            operation = getattr(entry.view_function, "operation", None)
            if operation is not None and method not in READING_METHODS and operation.access != "admin":
                found[f"{method} {operation.path}"] = operation
    return found


def test_every_writing_route_has_a_limit_or_a_reason_to_have_none():
    unlimited = {name for name, operation in writing_routes().items() if RateLimited not in operation.errors}
    assert unlimited == set(WITHOUT_LIMIT)


class TestCheapWrites:
    """Requests that change something small of the caller's own, so that only a limit bounds their number."""

    @pytest.fixture(autouse=True)
    def _low(self, _settings):
        with settings.override(limit_invite="2/3600", limit_catalog="2/3600", unverified_events=10):
            yield

    def check(self, send):
        """The third request is refused on every instance, changes nothing, and is granted later."""
        replies = []
        for number in range(3):
            start_new_instance()
            replies.append(send(number))
        assert [reply.status < 300 for reply in replies[:2]] == [True, True], [reply.json for reply in replies]
        assert (replies[2].status, replies[2].json["error"]) == (429, "rate_limited")

    def test_of_a_promoters_profile(self, api, time):
        promoter_id, by = sign_up_promoter(api)
        self.check(lambda number: api.put(f"/promoters/{promoter_id}", json={"name": f"Pat {number}"}, **by))
        assert api.get(f"/promoters/{promoter_id}", **by).json["name"] == "Pat 1"
        for _ in range(3):
            assert api.put(f"/promoters/{promoter_id}", json={"name": "Pat"}, token=builders.admin_token()).status == 200

    def test_of_a_users_profile(self, api, time):
        _, by = sign_up_promoter(api)
        self.check(lambda number: api.patch("/auth/me", json={"first_name": f"Pat {number}"}, **by))
        assert api.get("/auth/me", **by).json["first_name"] == "Pat 1"

    def test_of_the_name_on_a_ticket(self, api, time):
        order_id = builders.create_order(api, builders.create_shop(api), 1)
        self.check(lambda number: api.patch(f"/tickets/{order_id}-1", json={"attendee": {"name": f"Ada {number}"}}, user="ada"))
        assert api.get(f"/tickets/{order_id}-1", user="ada").json["attendee"]["name"] == "Ada 1"

    def test_of_the_offer_of_a_ticket(self, api, time):
        order_id = builders.create_order(api, builders.create_shop(api), 1)
        self.check(lambda number: api.request("DELETE" if number == 1 else "POST", f"/tickets/{order_id}-1/transfer", user="ada"))
        start_new_instance()
        time.advance(1800)
        assert api.post(f"/tickets/{order_id}-1/transfer", user="ada").status == 201
        assert api.delete(f"/tickets/{order_id}-1/transfer", user="ada").status == 429

    def test_of_the_name_on_a_ticket_by_staff(self, api, time):
        event_id, tier_id, token = manager_of_shop(api)
        order_id = builders.create_order(api, (event_id, tier_id), 1)
        path = f"/admin/orders/{order_id}/tickets/{order_id}-1/name"
        self.check(lambda number: api.put(path, json={"name": f"Ada {number}"}, token=token))

    def test_a_sale_can_always_be_paused_but_not_resumed_without_end(self, api, time):
        event_id, _, token = manager_of_shop(api)
        for number in range(3):
            start_new_instance()
            assert api.post(f"/admin/events/{event_id}/pause", token=token).status == 200
            assert api.post(f"/admin/events/{event_id}/resume", token=token).status == (200 if number < 2 else 429)


def manager_of_shop(api):
    """Create a shop. Returns the ids of its event and tier, and the access token of its coordinator."""
    event_id, tier_id = builders.create_shop(api)
    return event_id, tier_id, builders.auth.issue_token("cora", {"user"}, events={event_id: "coordinator"})
