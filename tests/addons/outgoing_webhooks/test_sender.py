"""From a sale to the endpoint of its promoter: signed, once, and again until it arrives."""

import itertools
import json
import random
from collections import Counter
from threading import Thread

import pytest
from standardwebhooks import WebhookVerificationError

from chalicelib.accounts import service as accounts
from chalicelib.accounts.model import Account
from chalicelib.addons.outgoing_webhooks import sender, store
from chalicelib.addons.outgoing_webhooks.model import DAY, RETRY_DELAYS
from chalicelib.audit import service as audit
from chalicelib.foundation import clock, deadline, log, outbound_http
from chalicelib.notifications.store import list_event_notifications
from tests import builders, store_calls
from tests.addons.outgoing_webhooks.conftest import PROMOTER, retry
from tests.addons.outgoing_webhooks.receiver import Answer, open_receiver
from tests.promoters.test_suspension import STOPS, change


@pytest.fixture(autouse=True)
def _no_jitter(monkeypatch):
    monkeypatch.setattr(random, "uniform", lambda low, high: low)


def test_a_sale_arrives_signed_and_without_what_only_the_buyer_may_know(promoter, poller, receiver, time):
    endpoint = promoter.create(receiver)
    order_id = builders.create_order(promoter.api, promoter.shop, 2)
    poller.drain()
    [request] = receiver.received
    sent = request.verified(endpoint["secret"])
    assert (sent["type"], sent["data"]["order"]["id"], sent["data"]["order"]["quantity"]) == ("order.paid", order_id, 2)
    assert request.headers["content-type"] == "application/json"
    assert request.path == "/hooks"
    for secret in promoter.api.get("/me/tickets", user="ada").json["tickets"]:
        assert secret["code"] not in request.body.decode()
        assert secret["qr_sig"] not in request.body.decode()
    [delivery] = promoter.deliveries(endpoint)
    assert (delivery["id"], delivery["state"], delivery["attempts_made"], delivery["last_status"]) == (request.id, "delivered", 1, 200)
    shown = promoter.delivery(endpoint, request.id)
    assert shown["payload"] == sent
    assert shown["last_reply"] == "thanks"
    with pytest.raises(WebhookVerificationError):
        request.verified("whsec_" + "A" * 43 + "=")


def test_all_that_happens_arrives_with_its_type(promoter, poller, receiver, time):
    endpoint = promoter.create(receiver)
    event_id, _ = promoter.shop
    order_id = builders.create_order(promoter.api, promoter.shop, 3)
    first, second, third = builders.ticket_ids(order_id, 1, 2, 3)
    offer = promoter.api.post(f"/tickets/{first}/transfer", user="ada").json["token"]
    assert promoter.api.post(f"/transfers/{offer}/accept", user="bob").status == 201
    builders.refund(promoter.api, order_id, tickets=[second])
    scan = {"code": promoter.api.get(f"/tickets/{third}", user="ada").json["code"], "event_id": event_id}
    assert promoter.api.post("/checkin", json=scan, token=builders.admin_token()).status == 200
    promoter.api.post(f"/admin/events/{event_id}/pause", token=builders.admin_token())
    promoter.api.patch(f"/events/{event_id}", json={"venue": "Arena"}, token=builders.admin_token())
    poller.drain()
    sent = [request.verified(endpoint["secret"]) for request in receiver.received]
    by_type = {message["type"]: message["data"] for message in sent}
    assert Counter(message["type"] for message in sent) == Counter(
        ["event.changed", "event.changed", "order.paid", "order.refunded", "ticket.checked_in", "ticket.transferred"]
    )
    assert by_type["ticket.transferred"]["ticket"]["id"] == first
    assert (by_type["order.refunded"]["refund"]["tickets"], by_type["order.refunded"]["order"]["status"]) == (
        [second],
        "partially_refunded",
    )
    assert (by_type["ticket.checked_in"]["ticket"]["id"], by_type["ticket.checked_in"]["people"]) == (third, 1)
    changes = {(data["change"], *data["fields"]): data["event"] for data in (each["data"] for each in sent) if "change" in data}
    assert changes.keys() == {("paused",), ("changed", "venue")}
    assert changes["changed", "venue"]["venue"] == "Arena"
    assert all(scan["code"].encode() not in request.body for request in receiver.received)


def test_messages_about_an_event_with_several_dates_name_them(promoter, poller, receiver, time):
    endpoint = promoter.create(receiver, event_types=["event.changed", "ticket.checked_in"])
    event_id, _ = promoter.shop
    dates = [{"id": name, "starts_at": clock.iso(time.now + hours * 3600)} for name, hours in (("friday", 1), ("saturday", 25))]
    assert promoter.api.patch(f"/events/{event_id}", json={"dates": dates}, token=builders.admin_token()).status == 200
    order_id = builders.create_order(promoter.api, promoter.shop, 1)
    [ticket] = builders.ticket_ids(order_id, 1)
    scan = {"code": promoter.api.get(f"/tickets/{ticket}", user="ada").json["code"], "event_id": event_id}
    time.advance(3600)
    assert promoter.api.post("/checkin", json=scan, token=builders.admin_token()).status == 200
    cancelled = promoter.api.post(f"/events/{event_id}/cancel", json={"date_id": "saturday"}, token=builders.admin_token())
    assert cancelled.status == 200, cancelled.json
    poller.drain()
    sent = [promoter.delivery(endpoint, delivery["id"])["payload"]["data"] for delivery in promoter.deliveries(endpoint)]
    events = [(data["event"]["dates"], data["event"]["cancelled_dates"]) for data in sent if "event" in data]
    assert sorted(events, key=str) == [(dates, []), (dates, [{"id": "saturday"}])]
    assert all("public_changes" not in data.get("fields", ()) for data in sent)
    assert [data["ticket"]["date"] for data in sent if "ticket" in data] == ["friday"]


def test_an_endpoint_gets_its_types_and_only_its_promoters_messages(promoter, poller, receiver, time):
    promoter.create(receiver, event_types=["order.refunded", "event.changed"])
    builders.create_order(promoter.api, builders.create_shop(promoter.api), 1)  # an event of nobody
    order_id = builders.create_order(promoter.api, promoter.shop, 1)
    builders.refund(promoter.api, order_id)
    poller.drain()
    assert [json.loads(request.body)["type"] for request in receiver.received] == ["order.refunded"]


def test_changes_that_come_again_are_sent_once(promoter, poller, receiver, time):
    endpoint = promoter.create(receiver, event_types=["order.paid"])
    builders.create_order(promoter.api, promoter.shop, 1)
    poller.drain()
    again = poller_of_another_name()
    again.drain()
    assert len(receiver.received) == 1
    assert len(promoter.deliveries(endpoint)) == 1


def poller_of_another_name():
    """A poller that begins from the oldest change, as after a deployment that renames the function."""
    import app
    from infra.local import event_sources
    from tests import engines

    poller = event_sources.create_poller(app.app, engines.local_engine(), window_seconds=0)
    for mapping in poller.mappings:
        mapping.name = f"{mapping.name}/again"
    return type(poller)(engines.local_engine(), poller.mappings)


def test_a_receiver_that_fails_is_tried_for_three_days(promoter, poller, receiver, time):
    receiver.answer = lambda _: Answer(500, b"broken")
    endpoint = promoter.create(receiver)
    builders.create_order(promoter.api, promoter.shop, 1)
    poller.drain()
    began = time.now
    for number, delay in enumerate(RETRY_DELAYS, start=1):
        [delivery] = promoter.deliveries(endpoint)
        assert (delivery["state"], delivery["attempts_made"], delivery["last_error"]) == ("pending", number, "status")
        time.advance(delay - 1)
        assert retry()["attempts"] == 0
        time.advance(1)
        assert retry()["attempts"] == 1
    [delivery] = promoter.deliveries(endpoint, "?state=failed")
    assert (delivery["attempts_made"], delivery["next_attempt_at"], delivery["last_status"]) == (10, None, 500)
    assert 3 * DAY < time.now - began < 4 * DAY
    time.advance(DAY)
    assert retry()["attempts"] == 0
    attempts = promoter.delivery(endpoint, delivery["id"])["attempts"]
    assert [attempt["status"] for attempt in attempts] == [500] * 10
    assert set(receiver.ids) == {delivery["id"]}
    timestamps = [int(request.headers["webhook-timestamp"]) for request in receiver.received]
    assert timestamps == sorted(set(timestamps))


def test_a_receiver_that_often_fails_still_gets_every_message(promoter, poller, receiver, time):
    chance = random.Random(7)
    receiver.answer = lambda _: Answer(503 if chance.random() < 0.3 else 204, b"")
    endpoint = promoter.create(receiver, event_types=["order.paid"])
    for number in range(8):
        builders.create_order(promoter.api, promoter.shop, 1, f"buyer-{number}")
    poller.drain()
    for delay in RETRY_DELAYS:
        time.advance(delay)
        retry()
    deliveries = promoter.deliveries(endpoint)
    assert [delivery["state"] for delivery in deliveries] == ["delivered"] * 8
    assert set(receiver.ids) == {delivery["id"] for delivery in deliveries}
    assert len(receiver.received) == sum(delivery["attempts_made"] for delivery in deliveries)
    assert promoter.show(endpoint)["failing_since"] is None


def test_retry_after_is_respected(promoter, poller, receiver, time):
    receiver.answer = lambda _: Answer(429, headers={"Retry-After": "7200"})
    endpoint = promoter.create(receiver)
    promoter.send("POST", f"/{endpoint['id']}/test")
    poller.drain()
    time.advance(7199)
    assert retry()["attempts"] == 0
    time.advance(1)
    assert retry()["attempts"] == 1


def test_redirects_are_not_followed(promoter, poller, receiver, time):
    with open_receiver() as other:
        receiver.answer = lambda _: Answer(302, headers={"Location": other.url})
        endpoint = promoter.create(receiver)
        promoter.send("POST", f"/{endpoint['id']}/test")
        poller.drain()
        assert (len(receiver.received), other.received) == (1, [])
    assert promoter.deliveries(endpoint)[0]["last_status"] == 302


def test_the_first_kilobyte_of_a_large_answer_is_kept(promoter, poller, receiver, time):
    receiver.answer = lambda _: Answer(200, "é".encode() * 500_000)
    endpoint = promoter.create(receiver)
    promoter.send("POST", f"/{endpoint['id']}/test")
    poller.drain()
    [delivery] = promoter.deliveries(endpoint)
    assert delivery["state"] == "delivered"
    assert promoter.delivery(endpoint, delivery["id"])["last_reply"] == "é" * 512


def test_gone_disables_the_endpoint(promoter, poller, receiver, time):
    receiver.answer = lambda _: Answer(410)
    endpoint = promoter.create(receiver)
    builders.create_order(promoter.api, promoter.shop, 1)
    poller.drain()
    shown = promoter.show(endpoint)
    assert (shown["enabled"], shown["disabled_reason"]) == (False, "gone")
    builders.create_order(promoter.api, promoter.shop, 1, "bob")
    poller.drain()
    assert len(receiver.received) == 1
    assert [delivery["state"] for delivery in promoter.deliveries(endpoint)] == ["failed"]
    assert promoter.send("POST", f"/{endpoint['id']}/test").json["error"] == "endpoint_disabled"


def test_an_endpoint_may_be_gone_when_it_is_tried_again(promoter, poller, receiver, time):
    endpoint = promoter.create(receiver)
    receiver.answer = lambda _: Answer(500)
    promoter.send("POST", f"/{endpoint['id']}/test")
    poller.drain()
    receiver.answer = lambda _: Answer(410)
    time.advance(RETRY_DELAYS[0])
    assert retry()["attempts"] == 1
    assert promoter.show(endpoint)["disabled_reason"] == "gone"
    [entry] = [entry for entry in audit.list_entries(f"webhook_endpoint#{endpoint['id']}") if entry.action == "webhook_endpoint.disabled"]
    assert (entry.actor, entry.changes["disabled_reason"].after) == ("outgoing_webhooks", "gone")


def test_an_endpoint_that_fails_for_days_is_disabled_until_enabled(promoter, poller, receiver, time):
    receiver.answer = lambda _: Answer(500)
    endpoint = promoter.create(receiver)
    for _ in range(6):
        promoter.send("POST", f"/{endpoint['id']}/test")
        poller.drain()
        time.advance(DAY)
    shown = promoter.show(endpoint)
    assert (shown["enabled"], shown["disabled_reason"], shown["failing_since"] is not None) == (False, "failing", True)
    dead = log.total("outgoing_webhooks_dead")
    report = retry()
    assert (report["attempts"], report["ended"]) == (0, 6)
    assert log.total("outgoing_webhooks_dead") == dead + 6
    receiver.answer = lambda _: Answer()
    enabled = promoter.send("PATCH", f"/{endpoint['id']}", enabled=True).json
    assert (enabled["enabled"], enabled["failing_since"]) == (True, None)
    lost = promoter.deliveries(endpoint, "?state=failed")
    assert len(lost) == 6
    for delivery in lost:
        assert promoter.send("POST", f"/{endpoint['id']}/deliveries/{delivery['id']}/replay").status == 202
    poller.drain()
    assert promoter.deliveries(endpoint, "?state=failed") == []


@pytest.mark.parametrize(("status", "reason"), [(410, "gone"), (500, "failing")])
def test_the_promoter_gets_one_mail_when_an_endpoint_is_disabled(promoter, poller, receiver, time, status, reason):
    """From the function that makes the first attempt, and from the function that retries."""
    receiver.answer = lambda _: Answer(status)
    endpoint = promoter.create(receiver, event_types=["order.paid"])
    for number in range(2):
        builders.create_order(promoter.api, promoter.shop, 1, f"buyer-{number}")
    poller.drain()
    if reason == "failing":
        assert mails_about(promoter.shop[0]) == []
        time.advance(5 * DAY)
        with store_calls.made_by("retry_webhooks"):
            retry()
            retry()
    assert promoter.show(endpoint)["disabled_reason"] == reason
    [mail] = mails_about(promoter.shop[0])
    assert (mail.user_id, mail.subject_id) == (PROMOTER, endpoint["id"])
    assert mail.facts == {"host": receiver.url.split("/")[2], "reason": reason}


def mails_about(event_id):
    found, _ = list_event_notifications(event_id, 50, None)
    return [notification for notification in found if notification.kind == "webhook_disabled"]


def test_a_replay_sends_the_same_message_again(promoter, poller, receiver, time):
    endpoint = promoter.create(receiver)
    builders.create_order(promoter.api, promoter.shop, 1)
    poller.drain()
    path = f"/{endpoint['id']}/deliveries/{receiver.ids[0]}/replay"
    assert promoter.send("POST", path).json["state"] == "pending"
    poller.drain()
    first, second = receiver.received
    assert (first.id, first.body) == (second.id, second.body)
    second.verified(endpoint["secret"])
    assert promoter.deliveries(endpoint)[0]["attempts_made"] == 2


def test_while_a_secret_is_replaced_both_sign(promoter, poller, receiver, time):
    endpoint = promoter.create(receiver)
    rotated = promoter.send("POST", f"/{endpoint['id']}/rotate-secret").json
    assert rotated["secret"] != endpoint["secret"]
    promoter.send("POST", f"/{endpoint['id']}/test")
    poller.drain()
    for secret in (endpoint["secret"], rotated["secret"]):
        assert receiver.received[0].verified(secret)["type"] == "ping"
    time.advance(DAY)
    path = f"/{endpoint['id']}/deliveries/{receiver.ids[0]}/replay"
    assert promoter.send("POST", path).status == 202
    poller.drain()
    assert len(receiver.received[1].headers["webhook-signature"].split()) == 1


def test_two_senders_at_once_make_each_attempt_once(promoter, poller, receiver, time):
    endpoint = promoter.create(receiver, event_types=["order.paid"])
    receiver.answer = lambda _: Answer(500)
    for number in range(3):
        builders.create_order(promoter.api, promoter.shop, 2, f"buyer-{number}")
    poller.drain()
    receiver.received.clear()
    receiver.answer = lambda _: Answer()
    time.advance(RETRY_DELAYS[0])
    senders = [Thread(target=retry) for _ in range(8)]
    for thread in senders:
        thread.start()
    for thread in senders:
        thread.join()
    assert len(receiver.ids) == len(set(receiver.ids)) == 3
    assert [delivery["state"] for delivery in promoter.deliveries(endpoint)] == ["delivered"] * 3


def test_a_slow_endpoint_holds_up_only_itself(promoter, poller, receiver, time, monkeypatch):
    """It waits until all messages of the other one have arrived: if it held them up, the test would not end well."""
    arrived = itertools.count(1)
    with open_receiver() as slow:
        slow.answer = lambda _: Answer(500, wait=4)

        def accept(_):
            if next(arrived) == 20:
                slow.go_on.set()
            return Answer()

        receiver.answer = accept
        endpoints = promoter.create(slow), promoter.create(receiver)
        for endpoint in endpoints:
            for _ in range(20):
                promoter.send("POST", f"/{endpoint['id']}/test")
        poller.drain()
        assert len(receiver.received) == 20
        assert slow.go_on.is_set()
        assert 1 <= slow.most_at_once <= sender.MAX_PER_ENDPOINT
        assert len(slow.received) <= sender.MAX_PER_ENDPOINT + sender.MAX_FAILURES


def test_endpoints_that_do_not_answer_hold_up_no_other_endpoint(promoter, poller, receiver, time, monkeypatch):
    """Each run has time for four attempts that are not answered, and there are four such endpoints."""
    good = promoter.create(receiver)
    endpoints = [good, *(promoter.send("POST", url=f"{receiver.url}-silent").json for _ in range(4))]
    for endpoint in endpoints:
        for _ in range(20):
            promoter.send("POST", f"/{endpoint['id']}/test")
    scan = store.scan_endpoints
    tick, attempts = [0.0], Counter()

    def post(destination, *_):
        attempts[destination.target] += 1
        if destination.target == "/hooks-silent":
            tick[0] += 9
            raise outbound_http.SendFailed("timeout")
        return outbound_http.HostReply(200, b"", None)

    monkeypatch.setattr(store, "scan_endpoints", lambda: sorted(scan(), key=lambda endpoint: endpoint.id == good["id"]))
    monkeypatch.setattr(sender, "MAX_AT_ONCE", 1)
    monkeypatch.setattr(clock, "monotonic", lambda: tick[0])
    monkeypatch.setattr(outbound_http, "post", post)
    monkeypatch.setattr(random, "shuffle", lambda _: None)
    for _ in range(4):
        retry()
        time.advance(60)
    assert attempts["/hooks"] == 20
    assert attempts["/hooks-silent"] >= 8


def test_endpoints_that_answer_slowly_leave_time_for_the_others(promoter, poller, receiver, time, monkeypatch):
    """Each run has time for some ten slow answers, and four endpoints answer slowly."""
    endpoints = [*(promoter.send("POST", url=f"{receiver.url}-slow").json for _ in range(4)), promoter.create(receiver)]
    for endpoint in endpoints:
        for _ in range(20):
            promoter.send("POST", f"/{endpoint['id']}/test")
    tick, attempts = [0.0], Counter()

    def post(destination, *_):
        attempts[destination.target] += 1
        tick[0] += 4.5 if destination.target == "/hooks-slow" else 0.1
        return outbound_http.HostReply(200, b"", None)

    monkeypatch.setattr(sender, "MAX_AT_ONCE", 1)
    monkeypatch.setattr(clock, "monotonic", lambda: tick[0])
    monkeypatch.setattr(outbound_http, "post", post)
    retry()
    assert attempts["/hooks"] == 20
    assert 4 <= attempts["/hooks-slow"] < 20


@pytest.mark.slow
def test_more_endpoints_than_a_run_can_read_are_all_served(promoter, receiver, time, monkeypatch):
    """Each run has time to look at a few of the endpoints."""
    endpoints = [promoter.create(receiver) for _ in range(6)]
    for endpoint in endpoints:
        promoter.send("POST", f"/{endpoint['id']}/test")
    tick, list_due = [0.0], store.list_due

    def list_slowly(*arguments):
        tick[0] += 2
        deadline.require(1)  # as each call to the store does
        return list_due(*arguments)

    monkeypatch.setattr(sender, "PORTION", 1)
    monkeypatch.setattr(sender, "MAX_AT_ONCE", 1)
    monkeypatch.setattr(store, "list_due", list_slowly)
    monkeypatch.setattr(clock, "monotonic", lambda: tick[0])
    reports = [retry() for _ in range(100)]
    assert len(receiver.received) == 6
    assert {report["endpoints_left"] for report in reports} == {2}


def test_a_crash_while_it_is_sent_is_an_attempt(promoter, poller, receiver, time, monkeypatch):
    endpoint = promoter.create(receiver)
    promoter.send("POST", f"/{endpoint['id']}/test")
    with monkeypatch.context() as patch:
        patch.setattr(sender, "_record_result", lambda *_: None)  # it was sent, and the function ended
        poller.drain()
    assert retry()["attempts"] == 0
    replay = promoter.send("POST", f"/{endpoint['id']}/deliveries/{receiver.ids[0]}/replay")
    assert (replay.status, replay.json["error"]) == (409, "attempt_under_way")
    time.advance(sender.CLAIM_SECONDS)
    assert retry()["attempts"] == 1
    [delivery] = promoter.deliveries(endpoint)
    assert (delivery["state"], delivery["attempts_made"], len(receiver.received)) == ("delivered", 2, 2)


def test_a_deleted_endpoint_gets_nothing_more(promoter, poller, receiver, time):
    endpoint = promoter.create(receiver)
    promoter.send("POST", f"/{endpoint['id']}/test")
    assert promoter.send("DELETE", f"/{endpoint['id']}").status == 200
    poller.drain()
    assert (receiver.received, retry()["attempts"]) == ([], 0)


def test_the_age_of_what_is_due_is_measured(promoter, receiver, time):
    endpoint = promoter.create(receiver)
    promoter.send("POST", f"/{endpoint['id']}/test")
    time.advance(600)
    assert retry()["oldest_seconds"] == 600
    assert log.gauge_values("outgoing_webhooks_oldest_seconds") == {(): 600}
    assert retry()["oldest_seconds"] == 0


@pytest.mark.parametrize(("stop", "start"), STOPS)
def test_a_stopped_promoter_gets_nothing_and_can_replay_it_later(promoter, poller, receiver, time, stop, start):
    account = Account(user_id=PROMOTER, email="nora@example.com", roles=("user", "promoter"), created_at=time.now, verified_at=time.now)
    accounts.create_account(account, "correct horse battery")
    endpoint = promoter.create(receiver)
    builders.create_order(promoter.api, promoter.shop, 1)
    assert change(promoter.api, PROMOTER, **stop).status == 200
    poller.drain()
    retry()
    assert receiver.received == []
    assert promoter.send("GET", f"/{endpoint['id']}/deliveries").status == 403
    assert change(promoter.api, PROMOTER, **start).status == 200
    [delivery] = promoter.deliveries(endpoint)
    assert delivery["state"] == "failed"
    assert promoter.send("POST", f"/{endpoint['id']}/deliveries/{delivery['id']}/replay").status == 202
    poller.drain()
    assert len(receiver.received) == 1
