"""Sending what is in the outbox: each once, whatever the provider does, how many send at once, and where a run crashes."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace
from pynamodb.expressions.operand import Path

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import deadline, log, parallel, settings
from chalicelib.notifications import delivery, outbox, ses_reports
from chalicelib.notifications.model import MailMessage
from chalicelib.notifications.providers import MailFailed, MailRefused, ProviderBusy, SendingStopped
from chalicelib.notifications.store import NotificationRow, list_event_notifications, list_problem_notifications, query_queued
from tests.notifications.fake_provider import FakeProvider


def compose(notification):
    return MailMessage(notification.kind, f"{notification.user_id}@example.com", "Hi", "Hi\n", "<p>Hi</p>", notification_id=notification.id)


def queue(now, *users, kind="order_confirmed"):
    for user in users:
        assert outbox.queue_notification(outbox.new_notification(kind, f"p-{user}", 1, user_id=user, event_id="e", now=now))


def send(compose=compose):
    return delivery.send_due(compose, wait=lambda _: None)


def statuses(*users):
    return [outbox.get_notification(f"order_confirmed.p-{user}.1").status for user in users]


def test_a_queued_mail_is_sent_once(store, time, provider):
    queue(time.now, "ada", "bob")
    assert not outbox.queue_notification(outbox.new_notification("order_confirmed", "p-ada", 1, user_id="ada", event_id="e", now=time.now))
    assert send().sent == 2
    assert send().sent == 0
    assert not outbox.queue_notification(outbox.new_notification("order_confirmed", "p-ada", 1, user_id="ada", event_id="e", now=time.now))
    assert send().sent == 0
    assert sorted(provider.ids) == ["order_confirmed.p-ada.1", "order_confirmed.p-bob.1"]
    found = outbox.get_notification("order_confirmed.p-ada.1")
    assert (found.status, found.attempts, found.next_at) == ("sent", 1, None)
    assert found.provider_id.startswith("provider-")


def test_a_postponed_mail_is_neither_late_nor_an_attempt(store, time, provider):
    queue(time.now, "ada")
    until = time.now + 600

    def compose_later(notification):
        if time.now < until:
            raise delivery.Postponed(until)
        return compose(notification)

    report = send(compose_later)
    assert (report.sent, report.failed, report.dropped, report.backlog) == (0, 0, 0, 0)
    assert outbox.get_notification("order_confirmed.p-ada.1").attempts == 0
    time.advance(599)
    assert send(compose_later).backlog == 0
    time.advance(1)
    assert send(compose_later).sent == 1


@pytest.mark.slow
@pytest.mark.not_on_moto
def test_a_failing_provider_gets_every_mail_once_and_the_backlog_shows(store, time, monkeypatch):
    chance = random.Random(7)  # the same faults in each run
    fake = FakeProvider(lambda _: MailFailed("no answer") if chance.random() < 0.3 else None)
    monkeypatch.setattr(delivery.providers, "find_provider", lambda: fake)
    users = [f"user-{number}" for number in range(200)]
    queue(time.now, *users)
    first = send()
    assert first.backlog == first.failed > 0
    assert log.gauge_values("mail_backlog") == {(): first.backlog}
    runs = 0
    while send().backlog:
        time.advance(60)
        runs += 1
        assert runs < 120
    assert log.gauge_values("mail_oldest_seconds") == {(): 0}
    assert sorted(fake.ids) == sorted(f"order_confirmed.p-{user}.1" for user in users)
    assert set(statuses(*users)) == {"sent"}


@pytest.mark.slow
@pytest.mark.not_on_moto
def test_a_mail_that_keeps_failing_is_given_up_and_stays_visible(store, time, monkeypatch):
    fake = FakeProvider(lambda _: MailFailed("no answer"))
    monkeypatch.setattr(delivery.providers, "find_provider", lambda: fake)
    queue(time.now, "ada")
    began = time.now
    while send().backlog:
        time.advance(60)
    assert fake.calls == delivery.MAX_ATTEMPTS
    assert 3 * 3600 < time.now - began < 24 * 3600
    [found], _ = list_problem_notifications("failed", 10, None)
    assert (found.id, found.status, found.failure) == ("order_confirmed.p-ada.1", "failed", "no answer")


def test_a_mail_that_is_refused_for_good_is_not_tried_again(store, time, monkeypatch):
    fake = FakeProvider(lambda _: MailRefused("recipient refused (550)"))
    monkeypatch.setattr(delivery.providers, "find_provider", lambda: fake)
    queue(time.now, "ada")
    assert (send().failed, send().failed) == (1, 0)
    assert statuses("ada") == ["failed"]


def test_a_run_waits_for_a_busy_provider_and_goes_on_with_the_same_mails(store, time, monkeypatch):
    fake = FakeProvider(lambda call: ProviderBusy("too many") if 5 <= call <= 19 else None)
    monkeypatch.setattr(delivery.providers, "find_provider", lambda: fake)
    warnings = []
    monkeypatch.setattr(delivery.logger, "warning", lambda name, **details: warnings.append((name, details)))
    users = [f"user-{number}" for number in range(20)]
    queue(time.now, *users)
    waits = []
    report = delivery.send_due(compose, wait=waits.append)
    assert (report.sent, report.failed, report.backlog, report.busy) == (20, 0, 0, "too many")
    assert [seconds for seconds in waits if seconds == int(seconds)] == [1, 2, 1]
    assert {outbox.get_notification(f"order_confirmed.p-{user}.1").attempts for user in users} == {1}
    assert warnings == [("mail.provider_busy", {"error": "too many", "sent": 20})]


def test_a_provider_that_stays_busy_ends_the_run_in_time(store, time, monkeypatch):
    fake = FakeProvider(lambda _: ProviderBusy("too many"))
    monkeypatch.setattr(delivery.providers, "find_provider", lambda: fake)
    queue(time.now, *(f"user-{number}" for number in range(60)))
    began = time.now
    with deadline.within(42):
        report = delivery.send_due(compose, wait=lambda seconds: time.advance(int(seconds)))
    assert 20 < time.now - began <= 42 - delivery.RESERVE_SECONDS
    assert (report.sent, report.failed) == (0, 4 * 11)


@pytest.mark.parametrize("stuck", [1, 11])
def test_emails_that_alone_are_refused_as_too_many_do_not_hold_up_the_others(store, time, monkeypatch, stuck):
    """A mail server may say so about a single mailbox."""
    fake = FakeProvider(lambda _: None)
    send_mail = fake.send
    refused = []

    def refuse(mail):
        if mail.to.startswith("stuck"):
            refused.append(mail.to)
            raise ProviderBusy("too many emails (450)")
        return send_mail(mail)

    fake.send = refuse
    monkeypatch.setattr(delivery.providers, "find_provider", lambda: fake)
    queue(time.now - 60, *(f"stuck-{number}" for number in range(stuck)))
    queue(time.now, *(f"user-{number}" for number in range(30)))
    report = send()
    assert (report.sent, report.failed, len(refused)) == (30, stuck, stuck * delivery.BUSY_TRIES)
    assert send().sent == 0
    assert len(refused) == stuck * delivery.BUSY_TRIES, "they wait for their next attempt"


def test_a_provider_that_sends_nothing_more_today_ends_the_run_and_costs_no_attempt(store, time, monkeypatch):
    fake = FakeProvider(lambda call: SendingStopped("daily quota") if call <= 11 else None)
    monkeypatch.setattr(delivery.providers, "find_provider", lambda: fake)
    users = [f"user-{number}" for number in range(20)]
    queue(time.now, *users)
    report = send()
    assert (report.sent, report.failed, report.busy, fake.calls) == (0, 0, "daily quota", 11)
    assert send().sent == 20
    assert {outbox.get_notification(f"order_confirmed.p-{user}.1").attempts for user in users} == {1}


def test_requested_mails_fit_beside_the_outbox(store, time, provider):
    queue(time.now, *(f"user-{number}" for number in range(30)))
    sent_before_waits = []
    with settings.override(mail_rate=14):
        delivery.send_due(compose, wait=lambda seconds: sent_before_waits.append((len(provider.mails), seconds)))
        assert outbox.bulk_limit() == 11 * 50
    assert sent_before_waits == [(11, 1.0), (22, 1.0)]


def test_an_urgent_mail_is_sent_before_a_backlog_even_after_the_provider_was_paused(store, time, monkeypatch):
    fake = FakeProvider(lambda call: SendingStopped("paused") if call == 1 else None)
    monkeypatch.setattr(delivery.providers, "find_provider", lambda: fake)
    queue(time.now, *(f"user-{number}" for number in range(20)), kind="event_changed")
    time.advance(3600)
    urgent = outbox.new_notification("order_confirmed", "p-ada", 1, user_id="ada", event_id="e", now=time.now, is_urgent=True)
    assert outbox.queue_notification(urgent)
    with settings.override(mail_rate=1):
        assert send().sent == 0
        time.advance(60)
        assert send().sent == 21
    assert fake.ids[0] == "order_confirmed.p-ada.1"


def test_mails_to_many_people_wait_for_mails_to_single_people(store, time, provider):
    queue(time.now, *(f"user-{number}" for number in range(20)), kind="ballot_lost")
    time.advance(3600)
    queue(time.now, "ada")  # a free order: nobody but the buyer waits for it, but it is not urgent
    reminder = outbox.new_notification("order_confirmed", "p-bob", 1, user_id="bob", event_id="e", now=time.now, due_at=time.now + 60)
    assert outbox.queue_notification(reminder)
    with settings.override(mail_rate=1):
        send()
    assert provider.ids[0] == "order_confirmed.p-ada.1"
    assert statuses("bob") == ["queued"]


def test_no_more_mails_are_sent_in_a_second_than_the_provider_takes(store, time, provider):
    queue(time.now, *(f"user-{number}" for number in range(10)))
    sent_before_waits = []
    with settings.override(mail_rate=5):
        delivery.send_due(compose, wait=lambda seconds: sent_before_waits.append((len(provider.mails), seconds)))
    assert sent_before_waits == [(4, 1.0), (8, 1.0)]
    assert len(provider.mails) == 10


def test_a_run_ends_in_time_and_claims_nothing_that_it_cannot_send_however_high_the_rate_is(store, time, provider, monkeypatch):
    monkeypatch.setattr(parallel, "FEW", 1000)
    users = [f"user-{number}" for number in range(200)]
    queue(time.now, *users)

    def compose_slowly(notification):
        time.advance(0.5)
        return compose(notification)

    with settings.override(mail_rate=500), deadline.within(42):
        report = send(compose_slowly)
        assert deadline.remaining() > 0
    assert 32 <= report.sent == len(provider.mails) < 200
    assert log.gauge_values("mail_backlog") == {(): 200 - report.sent}
    found = [outbox.get_notification(f"order_confirmed.p-{user}.1") for user in users]
    assert sum(each.attempts for each in found) == report.sent


def compose_limited(notification):
    return replace(compose(notification), budget="nora" if notification.kind == "free_order" else None)


def test_mails_that_wait_for_a_limit_do_not_hold_up_other_mails(store, time, provider):
    queue(time.now, *(f"guest-{number}" for number in range(40)), kind="free_order")
    with settings.override(rate_limits="on", limit_promoter_mail="4/86400", mail_rate=2):
        queue(time.now + 1, "ada")
        time.advance(1)
        waits = []
        assert delivery.send_due(compose_limited, wait=waits.append).sent == 5
        assert statuses("ada") == ["sent"]
        assert sum(waits) <= 3, "two emails a second, and no time for the emails that wait"

        time.advance(21_600)  # the limit grants one email
        waiting = [due.next_at for due in query_queued(time.now + 86_400, 100)]
        assert len(waiting) == 36
        assert sum(next_at <= time.now for next_at in waiting) == 1
        assert max(waiting) <= time.now + delivery.MAX_LINE_SECONDS
        assert send(compose_limited).sent == 1


def test_mails_that_wait_for_a_limit_are_due_as_the_limit_grants_them(store, time, provider):
    queue(time.now, *(f"guest-{number}" for number in range(9)), kind="free_order")
    with settings.override(rate_limits="on", limit_promoter_mail="4/2400"):
        assert send(compose_limited).sent == 4
        for _ in range(5):
            time.advance(600)
            assert send(compose_limited).sent == 1


def test_mails_that_wait_for_long_are_tried_less_and_less_often(store, time, provider):
    """Anybody can make very many emails wait, and each attempt takes the time of other emails."""
    queue(time.now, *(f"guest-{number}" for number in range(200)), kind="free_order")
    attempts = Counter()

    def compose_counted(notification):
        attempts[(time.now - notification.created_at) // 86_400] += 1
        return compose_limited(notification)

    with settings.override(rate_limits="on", limit_promoter_mail="24/86400", mail_rate=100):
        for _ in range(3 * 24):
            send(compose_counted)
            time.advance(3600)
    sent = len(provider.mails)
    assert sent >= 24 + 60, "about one each time when the limit grants one"
    assert attempts[2] < 3 * (200 - sent) + 24


def test_two_runs_at_once_do_not_send_the_same_mail(threaded_store, time, provider):
    users = [f"user-{number}" for number in range(40)]
    queue(time.now, *users)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: send(), range(4)))
    assert sorted(provider.ids) == sorted(f"order_confirmed.p-{user}.1" for user in users)


def test_a_crash_after_sending_repeats_the_mail_with_its_message_id(store, time, provider, monkeypatch):
    """At least once: the provider cannot be asked whether it has taken a mail."""
    queue(time.now, "ada")

    def crash(*_):
        raise dynamo.StoreUnavailable("gone")

    with monkeypatch.context() as broken:
        broken.setattr(delivery.store, "end_attempt", crash)
        with pytest.raises(dynamo.StoreUnavailable):
            send()
    assert send().sent == 0  # still claimed
    time.advance(delivery.CLAIM_SECONDS)
    assert send().sent == 1
    first, second = provider.parsed()
    assert first["Message-ID"] == second["Message-ID"]
    queue(time.now, "bob")
    send()
    assert provider.parsed()[2]["Message-ID"] != first["Message-ID"]


def test_a_crash_before_the_mail_is_sent_loses_nothing(store, time, provider, monkeypatch):
    queue(time.now, "ada")

    def crash(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send(crash)
    time.advance(delivery.CLAIM_SECONDS)
    assert send().sent == 1


def test_a_mistake_in_one_mail_keeps_no_other_from_being_sent(store, time, provider):
    queue(time.now, "ada", "bob")

    def compose_some(notification):
        if notification.user_id == "ada":
            raise ValueError("a mistake")
        return compose(notification)

    assert (send(compose_some).sent, statuses("ada", "bob")) == (1, ["queued", "sent"])
    assert outbox.get_notification("order_confirmed.p-ada.1").failure == "not composed: ValueError"


def test_a_mail_that_stops_its_run_again_and_again_is_given_up(store, time, provider):
    queue(time.now, "ada")
    crashes: list[str] = []

    def crash(notification):
        crashes.append(notification.id)
        raise KeyboardInterrupt

    for _ in range(delivery.MAX_ATTEMPTS):
        with pytest.raises(KeyboardInterrupt):
            send(crash)
        time.advance(delivery.CLAIM_SECONDS)
    queue(time.now, "bob")
    assert (send(compose).failed, provider.ids) == (1, ["order_confirmed.p-bob.1"])
    given_up = outbox.get_notification("order_confirmed.p-ada.1")
    assert (given_up.status, given_up.failure) == ("failed", "not composed: the run did not end")
    assert len(crashes) == delivery.MAX_ATTEMPTS


@pytest.mark.parametrize("broken", [{"S": "{"}, {"S": "[]"}, {"L": []}, {"SS": ["a"]}])
def test_a_mail_that_cannot_be_read_keeps_no_other_from_being_sent(store, time, provider, broken):
    queue(time.now, "ada", "bob")
    dynamo.update_if(NotificationRow("order_confirmed.p-ada.1"), [Path("facts").set(broken)], NotificationRow.id.exists())
    assert (send().sent, provider.ids) == (1, ["order_confirmed.p-bob.1"])
    assert query_queued(time.now, 10)[0].id == "order_confirmed.p-ada.1"  # it still counts as late
    found, _ = list_event_notifications("e", 10, None)
    assert [notification.user_id for notification in found] == ["bob"]


def test_moot_mails_and_mails_to_bounced_addresses_are_dropped(store, time, provider):
    queue(time.now, "ada", "bob")
    ses_reports.suppress("Bob@Example.com", "bounced", time.now)
    report = send(lambda notification: None if notification.user_id == "ada" else compose(notification))
    assert (report.dropped, provider.mails, statuses("ada", "bob")) == (2, [], ["dropped", "suppressed"])
    ses_reports.release_address("bob@example.com", "root", time.now)
    outbox.resend_notification(outbox.get_notification("order_confirmed.p-bob.1"), "root", time.now)
    assert send().sent == 1


def test_without_a_provider_everything_waits(store, time, monkeypatch):
    queue(time.now, "ada")
    time.advance(30)
    report = send()
    assert (report.sent, report.backlog, report.oldest_seconds) == (0, 1, 30)


def test_mail_due_later_waits_and_is_not_part_of_the_backlog(store, time, provider):
    later = outbox.new_notification("offer_expiring", "p", 1, user_id="ada", event_id="e", now=time.now, due_at=time.now + 600)
    assert outbox.queue_notification(later)
    queue(time.now, "bob")
    report = send()
    assert (report.sent, report.backlog, report.oldest_seconds) == (1, 0, 0)
    time.advance(630)
    provider.fault = lambda _: MailFailed("no answer")
    report = send()
    assert (report.sent, report.backlog, report.oldest_seconds) == (0, 1, 30)


def test_a_mail_that_is_sent_once_more_is_late_from_then_on(store, time, monkeypatch):
    queue(time.now, "ada")
    fake = FakeProvider(lambda call: MailRefused("recipient refused (550)") if call == 1 else MailFailed("no answer"))
    monkeypatch.setattr(delivery.providers, "find_provider", lambda: fake)
    send()
    time.advance(86_400)
    outbox.resend_notification(outbox.get_notification("order_confirmed.p-ada.1"), "root", time.now)
    time.advance(20)
    assert (report := send()).failed == 1
    assert report.oldest_seconds == 20
