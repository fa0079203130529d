"""Push messages about places and turns: encrypted, signed, guarded, and sent once to browsers that asked."""

import logging

import pytest
from msgspec.structs import asdict

from chalicelib.addons.messages import push, store, turn_notices
from chalicelib.addons.messages.model import PushSubscription
from chalicelib.dynamodb import dynamo
from chalicelib.edge.languages import moment_text, time_text
from chalicelib.foundation import clock, log, outbound_http, parallel, settings
from chalicelib.notifications import outbox
from tests import builders
from tests.addons.messages.push_service import Browser, open_push_service
from tests.addons.messages.test_order_notices import SPANISH, create_account
from tests.addons.messages.test_turn_notices import WAVES, ask, run_until, stop
from tests.addons.outgoing_webhooks.receiver import Answer
from tests.simulation.call_log import record_calls
from tests.waiting_room.sale import SECONDS_TO_OPENING, create_sale, get_status, join, users_by_position

TAMPERED = "BAAA" + "A" * 83


@pytest.fixture
def service():
    with open_push_service() as receiver, settings.override(webhook_targets="local"):
        yield receiver


@pytest.fixture
def sale(api, time):
    """A sale in ten minutes that admits a buyer every two minutes; (event id, tier id)."""
    return create_sale(api, time, **WAVES)


@pytest.fixture
def new_browser(api, service):
    shop_key = api.get("/push-key").json["public_key"]
    return lambda name="ada": Browser(service, shop_key, name)


def join_with_push(api, event_id, browser, user="ada", headers=None, **fields):
    """Join and ask for push messages only; the token."""
    token = join(api, event_id, user)
    reply = ask(api, event_id, user, token, headers, **{"email": None, "push": browser.subscription} | fields)
    assert reply.status == 200, reply.json
    return token


def test_a_guest_without_an_address_is_told_the_place_and_the_turn(post, api, time, sale, new_browser):
    event_id, opening = sale[0], time.now + SECONDS_TO_OPENING
    browsers = {f"u{number}": new_browser(f"u{number}") for number in range(5)}
    tokens = {user: join_with_push(api, event_id, browser, user) for user, browser in browsers.items()}
    run_until(post, time, opening - 1)
    assert [browser.messages for browser in browsers.values()] == [[]] * 5
    run_until(post, time, opening + 30)
    users = users_by_position(api, event_id, tokens)
    [near], [place] = browsers[users[1]].messages, browsers[users[4]].messages
    when = clock.local(opening + 480, "UTC")
    assert (place["title"], place["body"]) == (
        "Your place in line is 5: Drop",
        f"Your turn is at about {moment_text(when, 'en')}. This time can change.",
    )
    turn = time_text(clock.local(opening + 120, "UTC"), "en")
    assert (near["title"], near["body"]) == (
        "Your turn begins in about 2 minutes: Drop",
        f"Your turn begins at about {turn}. Open the waiting room now.",
    )
    assert place["url"] == f"https://shop.test/events/{event_id}/line"
    run_until(post, time, opening + 1200)
    assert len(browsers[users[1]].messages) == 1
    _, last = browsers[users[4]].messages
    assert (last["title"], last["tag"]) == ("Your turn begins in about 4 minutes: Drop", place["tag"])
    assert post.provider.mails == []


def test_a_request_lives_until_the_turn_is_over_and_names_the_shop(post, api, time, sale, new_browser):
    browser, opening = new_browser(), time.now + SECONDS_TO_OPENING
    token = join_with_push(api, sale[0], browser)
    time.set(opening + 5)
    post.send()
    [request] = browser.requests
    left = get_status(api, sale[0], token)["pass_seconds_left"]
    assert int(request.headers["ttl"]) == left
    assert request.headers["urgency"] == "high"
    assert len(request.headers["topic"]) == 32
    assert browser.verify(request.headers["authorization"])["sub"] == "mailto:tickets@shop.test"
    [message] = browser.messages
    assert (message["title"], message["lang"]) == ("It is your turn: Drop", "en")
    assert message["body"] == f"You have until {time_text(clock.local(time.now + left, 'UTC'), 'en')} to choose your tickets."


def test_a_message_is_in_the_persons_language(post, api, time, sale, new_browser):
    browser, opening = new_browser(), time.now + SECONDS_TO_OPENING
    token = join_with_push(api, sale[0], browser, headers=SPANISH)
    time.set(opening + 5)
    post.send()
    until = time.now + get_status(api, sale[0], token)["pass_seconds_left"]
    [message] = browser.messages
    assert (message["title"], message["lang"]) == ("Es tu turno: Drop", "es")
    assert message["body"] == f"Elige tus entradas. Fin de tu turno: {time_text(clock.local(until, 'UTC'), 'es')}."


def test_a_person_may_have_both(post, api, time, sale, new_browser):
    guest, account, opening = new_browser("guest"), new_browser("max"), time.now + SECONDS_TO_OPENING
    join_with_push(api, sale[0], guest, email="ada@home.test")
    create_account("max", time)
    join_with_push(api, sale[0], account, "max")
    run_until(post, time, opening + 5)
    assert sorted(mail["To"] for mail in post.provider.parsed()) == ["ada@home.test", "max@example.com"]
    assert [len(browser.messages) for browser in (guest, account)] == [1, 1]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("endpoint", "http://push.example.com/1"),
        ("endpoint", "https://user@push.example.com/1"),
        ("endpoint", "https://push.example.com:22/1"),
        ("endpoint", "https://push.example.com/" + "x" * 2000),
        ("endpoint", ""),
        ("p256dh", TAMPERED),
        ("p256dh", "short"),
        ("p256dh", "ä" * 87),
        ("p256dh", "B" * 200),
        ("auth", "short"),
        ("auth", "A" * 60),
    ],
)
def test_a_wrong_field_is_named(api, time, sale, new_browser, field, value):
    token = join(api, sale[0], "ada")
    with settings.override(webhook_targets="public"):
        subscription = {**new_browser().subscription, "endpoint": "https://push.example.com/1", field: value}
        refused = ask(api, sale[0], "ada", token, email=None, push=subscription)
    assert (refused.status, refused.json["path"]) == (400, f"$.push.{field}")
    assert ask(api, sale[0], "ada", token, email=None, push={"endpoint": "https://push.example.com/1"}).status == 400


def test_a_request_to_our_own_network_is_never_sent(post, api, time, sale, new_browser, monkeypatch):
    browser, opening = new_browser(), time.now + SECONDS_TO_OPENING
    subscription = {**browser.subscription, "endpoint": f"https://push.example.com:{browser.receiver.port}/push/ada"}
    monkeypatch.setattr(outbound_http, "look_up", lambda *_: ["10.0.0.1"])
    join_with_push(api, sale[0], browser, push=subscription)
    run_until(post, time, opening + 600)
    assert browser.receiver.received == []
    assert store.find_turn_notice("ada", sale[0]).push is None


@pytest.mark.parametrize("status", [404, 410])
def test_a_subscription_that_has_ended_is_forgotten(post, api, time, sale, new_browser, status):
    browser, opening = new_browser(), time.now + SECONDS_TO_OPENING
    browser.receiver.answer = lambda _: Answer(status)
    join_with_push(api, sale[0], browser)
    run_until(post, time, opening + 170)
    assert len(browser.requests) == 1
    assert api.get("/me/export", user="ada").json["event_notices"][0]["push"] is None


def test_a_subscription_that_was_changed_during_the_request_stays(post, api, time, sale, new_browser):
    old, new, opening = new_browser("old"), new_browser("new"), time.now + SECONDS_TO_OPENING
    token = join_with_push(api, sale[0], old)

    def change(request):
        turn_notices.request_messages("ada", sale[0], token, None, store.find_turn_notice("ada", sale[0]).push, "es", opening - 1)
        return Answer(410)

    old.receiver.answer = change
    run_until(post, time, opening + 5)
    assert store.find_turn_notice("ada", sale[0]).push is not None
    assert new.requests == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_service_is_asked_again(post, api, time, sale, new_browser, status):
    browser, opening = new_browser(), time.now + SECONDS_TO_OPENING
    answers = [Answer(status, headers={"Retry-After": "50"})]
    browser.receiver.answer = lambda _: answers.pop() if answers else Answer(201)
    join_with_push(api, sale[0], browser)
    run_until(post, time, opening + 40)
    assert len(browser.requests) == 1
    run_until(post, time, opening + 600)
    assert len(browser.requests) == 2


def test_a_service_that_stays_down_is_not_asked_after_the_turn(post, api, time, sale, new_browser):
    browser, opening = new_browser(), time.now + SECONDS_TO_OPENING
    browser.receiver.answer = lambda _: Answer(500)
    join_with_push(api, sale[0], browser)
    run_until(post, time, opening + 3600)
    assert 1 < len(browser.requests) <= 4
    assert store.list_due_pushes(time.now + 10**6, 10) == []


@pytest.mark.parametrize("status", [400, 403, 413, 302])
def test_a_refused_message_is_given_up(post, api, time, sale, new_browser, status):
    browser, opening = new_browser(), time.now + SECONDS_TO_OPENING
    browser.receiver.answer = lambda _: Answer(status, headers={"Location": "/elsewhere"})
    join_with_push(api, sale[0], browser)
    run_until(post, time, opening + 170)
    assert len(browser.receiver.received) == 1


def test_nothing_is_sent_during_a_pause_or_after_the_end(post, api, time, sale, new_browser):
    browser, opening = new_browser(), time.now + SECONDS_TO_OPENING
    join_with_push(api, sale[0], browser)
    time.set(opening + 5)
    turn_notices.queue_mails(time.now)
    assert api.post(f"/admin/events/{sale[0]}/pause", token=builders.admin_token()).status == 200
    run_until(post, time, opening + 600)
    assert browser.requests == []
    assert api.post(f"/events/{sale[0]}/cancel", json={}, token=builders.admin_token()).status in (200, 202)
    time.advance(2)
    run_until(post, time, opening + 1200)
    assert browser.requests == []


def test_a_message_postponed_by_a_pause_is_sent_when_the_sale_resumes(post, api, time, sale, new_browser):
    browser, opening = new_browser(), time.now + SECONDS_TO_OPENING
    join_with_push(api, sale[0], browser)
    time.set(opening + 5)
    turn_notices.queue_mails(time.now)
    assert api.post(f"/admin/events/{sale[0]}/pause", token=builders.admin_token()).status == 200
    run_until(post, time, opening + 300)
    assert api.post(f"/admin/events/{sale[0]}/resume", token=builders.admin_token()).status == 200
    run_until(post, time, opening + 420)
    assert len(browser.messages) == 1


def test_a_person_who_stops_gets_none(post, api, time, sale, new_browser):
    browser, opening = new_browser(), time.now + SECONDS_TO_OPENING
    join_with_push(api, sale[0], browser)
    time.set(opening + 5)
    turn_notices.queue_mails(time.now)
    assert stop(api, sale[0], "ada").status == 200
    run_until(post, time, opening + 170)
    assert browser.requests == []


def test_overlapping_and_crashing_runs_send_at_most_once(post, api, time, sale, new_browser, monkeypatch):
    browsers = [new_browser(f"u{number}") for number in range(3)]
    for number, browser in enumerate(browsers):
        join_with_push(api, sale[0], browser, f"u{number}")
    time.advance(SECONDS_TO_OPENING + 5)
    read = store.list_due_pushes

    def read_before_another_run(*arguments):
        found = read(*arguments)
        with monkeypatch.context() as patched:
            patched.setattr(store, "list_due_pushes", read)
            post.send()
        return found

    with monkeypatch.context() as patched:
        patched.setattr(store, "list_due_pushes", read_before_another_run)
        post.send()
    assert [len(browser.messages) for browser in browsers] == [1, 1, 1]
    crashed = new_browser("late")
    token = join(api, sale[0], "late")
    assert ask(api, sale[0], "late", token, email=None, push=crashed.subscription).status == 200
    time.advance(120)
    post_then_crash = outbound_http.post

    def crash(*arguments):
        post_then_crash(*arguments)
        raise dynamo.StoreUnavailable("lost")

    with monkeypatch.context() as patched:
        patched.setattr(outbound_http, "post", crash)
        post.send()
    run_until(post, time, time.now + 300)
    assert len(crashed.messages) == 1


def test_slow_services_do_not_hold_up_emails(post, api, time, sale, new_browser, monkeypatch):
    monkeypatch.setattr(push, "SEND_SECONDS", 0.05)
    browser = new_browser()
    browser.receiver.answer = lambda _: Answer(201, wait=5)
    join_with_push(api, sale[0], browser, email="ada@home.test")
    time.advance(SECONDS_TO_OPENING + 5)
    assert post.send()["sent"] == 1
    assert len(store.list_due_pushes(time.now + 60, 10)) == 1


def test_emails_are_sent_though_the_push_messages_cannot_be_read(post, api, time, sale, monkeypatch):
    token = join(api, sale[0], "ada")
    assert ask(api, sale[0], "ada", token).status == 200
    time.advance(SECONDS_TO_OPENING + 5)

    def fail(*_):
        raise dynamo.StoreUnavailable("lost")

    monkeypatch.setattr(store, "list_due_pushes", fail)
    assert post.send()["sent"] == 1


def test_retries_come_after_first_attempts_and_turns_before_places(post, api, time, sale, new_browser, monkeypatch):
    opening = time.now + SECONDS_TO_OPENING
    browsers = {f"u{number}": new_browser(f"u{number}") for number in range(5)}
    for user, browser in browsers.items():
        join_with_push(api, sale[0], browser, user)
    service = browsers["u0"].receiver
    service.answer = lambda _: Answer(503)
    monkeypatch.setattr(parallel, "FEW", 100)  # one after the other
    time.set(opening + 5)
    post.send()
    near = [browser for browser in browsers.values() if "Your place" not in browser.messages[0]["title"]]
    assert [request.path for request in service.received[: len(near)]] == [browser.path for browser in browsers.values() if browser in near]
    late = new_browser("late")
    join_with_push(api, sale[0], late, "late")
    time.advance(240)
    service.received.clear()
    late_notification = turn_notices._notification("turn_near", store.find_turn_notice("late", sale[0]), time.now)
    store.put_push(late_notification)
    asked = []
    push.send_due(lambda notification: asked.append(notification.attempts), time.now)
    assert asked == sorted(asked)
    assert asked[0] == 0


@pytest.mark.parametrize("host", ["u{}.silent.test", "u{}.lost.test", "u{}.silent.test.", "198.51.100.{}", "198.51.{}.1", "[2001:db8::{}]"])
def test_a_service_that_does_not_answer_holds_up_only_its_own_messages(threaded_store, time, monkeypatch, host):
    """A stranger can name any number of hosts below one domain, whose name server need not answer either, and any number of addresses."""
    asked = []

    def compose(notification):
        subscription = PushSubscription(f"https://{notification.user_id}/x", TAMPERED, "x")
        return push.PushMessage(subscription, {}, 60, "t", lambda: None)

    def resolve(destination):
        asked.append(destination.host)
        if destination.host.endswith("lost.test"):
            raise outbound_http.DestinationRefused("", rule="url_host_not_found")
        return []

    def reply(destination, *_):
        if destination.host != "ada.fast.test":
            raise outbound_http.SendFailed("timeout")
        return outbound_http.HostReply(201, b"", None)

    for name, value in (("resolve", resolve), ("post", reply)):
        monkeypatch.setattr(outbound_http, name, value)
    for name in ("_encrypt", "_authorization"):
        monkeypatch.setattr(push, name, lambda *_: "")
    monkeypatch.setattr(push, "PORTION", 10)
    monkeypatch.setattr(parallel, "FEW", 100)  # one after the other
    for number, user in enumerate([*map(host.format, range(25)), "ada.fast.test"]):
        store.put_push(outbox.new_notification("turn_near", "e", str(number), user_id=user, event_id="e", now=time.now))
        time.advance(1)
    push.send_due(compose, time.now)
    assert asked == [*(host.format(number).strip("[]") for number in range(3)), "ada.fast.test"]
    time.advance(60)
    push.send_due(compose, time.now)
    assert len(asked) == 4 + push.MAX_UNANSWERED
    assert len(store.list_due_pushes(time.now + 3600, 100)) == 25


@pytest.mark.parametrize("browser", ["fcm.googleapis.com", "updates.push.services.mozilla.com", "wns2-am3p.notify.windows.com"])
@pytest.mark.parametrize("other", ["u{}.{}", "{1}:99{0}"])
def test_other_hosts_and_ports_of_its_domain_do_not_hold_up_a_browsers_service(threaded_store, time, monkeypatch, browser, other):
    """Anybody can name them. Names that do not exist and ports that are closed do not answer."""
    asked = []

    def reply(destination, *_):
        asked.append(destination.host)
        if (destination.host, destination.port) != (browser, 443):
            raise outbound_http.SendFailed("timeout")
        return outbound_http.HostReply(201, b"", None)

    def compose(notification):
        subscription = PushSubscription(f"https://{notification.user_id}/x", TAMPERED, "x")
        return push.PushMessage(subscription, {}, 60, "t", lambda: None)

    monkeypatch.setattr(outbound_http, "resolve", lambda _: [])
    monkeypatch.setattr(outbound_http, "post", reply)
    for name in ("_encrypt", "_authorization"):
        monkeypatch.setattr(push, name, lambda *_: "")
    monkeypatch.setattr(parallel, "FEW", 100)  # one after the other
    domain = ".".join(browser.split(".")[-2:]) if other.startswith("u") else browser
    for number, user in enumerate([*(other.format(number, domain) for number in range(10, 20)), browser]):
        store.put_push(outbox.new_notification("turn_near", "e", str(number), user_id=user, event_id="e", now=time.now))
        time.advance(1)
    push.send_due(compose, time.now)
    assert len(asked) == push.MAX_UNANSWERED + 1
    assert asked[-1] == browser


def test_a_full_run_leaves_the_rest_for_the_next(post, api, time, sale, new_browser, monkeypatch):
    monkeypatch.setattr(push, "RUN_SECONDS", 0)
    browser = new_browser()
    join_with_push(api, sale[0], browser)
    time.advance(SECONDS_TO_OPENING + 5)
    post.send()
    assert browser.requests == []
    monkeypatch.setattr(push, "RUN_SECONDS", 12)
    post.send()
    assert len(browser.requests) == 1


def test_logs_contain_neither_the_address_nor_the_keys(post, api, time, sale, new_browser, caplog, capsys):
    browser, opening = new_browser("secret-path"), time.now + SECONDS_TO_OPENING
    browser.receiver.answer = lambda _: Answer(500)
    failed = log.total("pushes_failed")
    with caplog.at_level(logging.DEBUG):
        join_with_push(api, sale[0], browser)
        run_until(post, time, opening + 30)
    assert log.total("pushes_failed") > failed
    text = caplog.text + "".join(capsys.readouterr())
    assert "secret-path" not in text
    assert browser.subscription["auth"] not in text


def test_a_subscription_is_exported_and_erased(post, api, time, sale, new_browser):
    browser, opening = new_browser(), time.now + SECONDS_TO_OPENING
    join_with_push(api, sale[0], browser)
    [kept] = api.get("/me/export", user="ada").json["event_notices"]
    assert (kept["email"], kept["push"]) == (None, browser.subscription)
    time.set(opening + 5)
    turn_notices.queue_mails(time.now)
    assert api.delete("/auth/me", json={}, user="ada").status in (200, 204)
    run_until(post, time, opening + 170)
    assert browser.requests == []
    items = dynamo.client().scan(TableName=store.EventNoticeRow.name())["Items"]
    assert browser.subscription["auth"] not in str(items)


def test_a_browser_may_be_named_a_few_times_only(api, time, sale, new_browser):
    tokens = [join(api, sale[0], f"u{number}") for number in range(3)]
    with settings.override(rate_limits="on", limit_mail="2/900"):
        subscription = new_browser().subscription
        replies = [ask(api, sale[0], f"u{n}", token, email=None, push=subscription) for n, token in enumerate(tokens)]
    assert [reply.status for reply in replies] == [200, 200, 429]


def test_a_request_of_an_earlier_version_still_works(post, api, time, sale):
    """Its item has no field `push`."""
    token, opening = join(api, sale[0], "ada"), time.now + SECONDS_TO_OPENING
    assert ask(api, sale[0], "ada", token).status == 200
    row = store.TurnNoticeRow.find("user#ada", sale[0])
    row.content = {name: value for name, value in asdict(row.content).items() if name != "push"}
    row.save()
    assert run_until(post, time, opening + 5) == [("ada", "turn_near")]


def test_a_minute_without_push_messages_costs_one_query(post, api, time, sale):
    with record_calls(measured=True) as calls:
        push.send_due(lambda _: None, time.now)
    assert calls.round_trips == 1


def test_the_key_of_the_shop_stays_the_same(api):
    reply = api.get("/push-key")
    assert reply.headers["Cache-Control"] == "public, max-age=300"
    assert reply.json == api.get("/push-key").json
    assert len(reply.json["public_key"]) == 87
