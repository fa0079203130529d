"""Mails about changed events: one for each holder of tickets and change, whatever comes twice, in another order, or crashes."""

import random

import icalendar
import pytest

from chalicelib.addons.messages import event_notices, push, store
from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.changes import jobs as followers
from chalicelib.foundation import deadline, settings
from chalicelib.notifications import outbox
from chalicelib.notifications.store import list_event_notifications
from tests import builders, invariants
from tests.addons.messages.test_order_notices import SPANISH, buy, create_account, html_of, records
from tests.bootstrap.conftest import event, ticket
from tests.simulation import faults
from tests.simulation.call_log import record_calls


def change(api, event_id, **fields):
    reply = api.patch(f"/events/{event_id}", json=fields, token=builders.admin_token())
    assert reply.status == 200, reply.json


def limit_tickets(monkeypatch, count):
    """Let a run queue the emails of so many tickets."""
    monkeypatch.setattr(outbox, "bulk_limit", lambda: count)


def text_of(mail):
    return mail.get_body(("plain",)).get_content().replace("\r\n", "\n")


def changed(post, subject="Changed: "):
    """The mails about changed events, as address and mail."""
    return sorted(((mail["To"], mail) for mail in post.deliver() if mail["Subject"].startswith(subject)), key=lambda found: found[0])


def pass_time(post, time, seconds):
    """Let changes be followed and time pass, with a run each minute."""
    post.follow()
    for _ in range(0, seconds, 60):
        time.advance(60)
        post.deliver()


def test_all_holders_get_one_mail_about_several_edits_with_what_was_before(post, api, time):
    shop = builders.create_shop(api)
    for user in ("ada", "ada", "bob"):
        buy(api, shop, 2, user)
        time.advance(1)
    refunded = buy(api, shop, user="eve")
    builders.refund(api, refunded)
    create_account("max", time)
    given = buy(api, shop, user="ida")
    offer = api.post(f"/tickets/{given}-1/transfer", user="ida")
    assert api.post(f"/transfers/{offer.json['token']}/accept", user="max").status == 201
    time.advance(60)
    change(api, shop[0], venue="The other hall")
    post.follow()
    time.advance(120)
    change(api, shop[0], name="Night of Jazz", starts_at="2026-07-02T19:00:00Z")
    pass_time(post, time, event_notices.QUIET_SECONDS - 60)
    assert changed(post) == []
    pass_time(post, time, 60)
    found = changed(post)
    assert [to for to, _ in found] == ["ada@home.test", "bob@home.test", "max@example.com"]
    text = text_of(found[0][1])
    assert found[0][1]["Subject"] == "Changed: Night of Jazz"
    assert "Event: Night of Jazz" in text.partition("The previous details were")[0]
    assert "When: Thursday, 2 July 2026, 7:00 PM UTC" in text.partition("The previous details were")[0]
    assert "Event: Night\n" in text.partition("The previous details were")[2]
    [calendar] = [part for part in found[0][1].iter_attachments() if part.get_content_type() == "text/calendar"]
    [entry] = icalendar.Calendar.from_ical(calendar.get_content()).walk("VEVENT")
    assert str(entry["SUMMARY"]) == "Night of Jazz"
    pass_time(post, time, 600)
    assert len(changed(post)) == 3
    invariants.check(time.now)


def test_changes_that_come_twice_and_in_another_order_make_one_mail(post, api, time):
    shop = builders.create_shop(api)
    buy(api, shop)
    time.advance(5)
    for venue in ("A hall", "B hall", "C hall"):
        change(api, shop[0], venue=venue)
    found, chance = records("catalog"), random.Random(5)
    for _ in range(3):
        chance.shuffle(found)
        for record in found:
            followers.follow_changes({"Records": [record]}, None)
        pass_time(post, time, 600)
    [(_, mail)] = changed(post)
    assert "Where: C hall" in text_of(mail)


def test_what_holders_know_is_from_before_the_first_change_in_whatever_order_changes_arrive(post, api, time):
    shop = builders.create_shop(api)
    buy(api, shop)
    post.follow()
    venue = api.get(f"/events/{shop[0]}").json["venue"]
    seen = len(records("catalog"))
    for changed_to in ("A hall", venue):
        time.advance(60)
        change(api, shop[0], venue=changed_to)
    for record in records("catalog")[seen:][::-1]:
        followers.follow_changes({"Records": [record]}, None)
    pass_time(post, time, 600)
    assert changed(post) == []


def test_a_later_change_makes_another_mail_in_the_buyers_language(post, api, time):
    shop = builders.create_shop(api)
    buy(api, shop, headers=SPANISH)
    time.advance(5)
    for venue in ("A hall", "B hall"):
        change(api, shop[0], venue=venue)
        pass_time(post, time, 360)
    [first, second] = [text_of(mail) for _, mail in changed(post, "Cambios: ")]
    assert "Dónde: A hall" in first.partition("Los datos anteriores eran")[0]
    assert (
        "Dónde: B hall" in second.partition("Los datos anteriores eran")[0],
        "Dónde: A hall" in second.partition("Los datos anteriores eran")[2],
    ) == (True, True)


def test_a_new_owner_gets_mail_in_the_language_of_their_acceptance(post, api, time):
    shop = builders.create_shop(api)
    create_account("max", time)
    given = buy(api, shop, user="ida")
    offer = api.post(f"/tickets/{given}-1/transfer", user="ida")
    assert api.post(f"/transfers/{offer.json['token']}/accept", user="max", headers=SPANISH).status == 201
    time.advance(60)
    change(api, shop[0], venue="The other hall")
    pass_time(post, time, 600)
    assert [to for to, _ in changed(post, "Cambios: ")] == ["max@example.com"]


def test_edits_again_and_again_do_not_put_the_mail_off_for_ever(post, api, time):
    shop = builders.create_shop(api)
    buy(api, shop)
    time.advance(5)
    for minute in range(32):
        change(api, shop[0], venue=f"Hall {minute}")
        pass_time(post, time, 60)
    assert len(changed(post)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        [{"venue": "A hall"}, {"venue": "The hall"}],  # undone
        [{"description": "Bring a coat", "category": "music"}],
    ],
)
def test_unimportant_changes_make_no_mail(post, api, time, changes):
    shop = builders.create_shop(api)
    change(api, shop[0], venue="The hall")
    pass_time(post, time, 600)
    buy(api, shop)
    time.advance(5)
    for fields in changes:
        change(api, shop[0], **fields)
    pass_time(post, time, 600)
    assert (store.list_open_notices(time.now), store.list_unlisted_notices()) == ([], [])
    assert [found.kind for found in list_event_notifications(shop[0], 10, None)[0]] == ["order_confirmed"]


def test_an_order_that_cannot_be_read_keeps_no_other_holder_waiting(post, api, time):
    shop = builders.create_shop(api)
    orders = [buy(api, shop, user=user) for user in ("ada", "bob")]
    time.advance(5)
    change(api, shop[0], venue="The other hall")
    post.follow()
    with builders.unreadable(orders[0]):
        pass_time(post, time, 600)
        assert [to for to, _ in changed(post)] == ["bob@home.test"]


def test_later_buyers_get_no_mail_about_the_change(post, api, time):
    shop = builders.create_shop(api)
    change(api, shop[0], venue="The other hall")
    post.follow()
    time.advance(event_notices.HEARD_SECONDS + 1)
    buy(api, shop)
    pass_time(post, time, 600)
    assert changed(post) == []


def test_cancelling_the_event_first_prevents_its_mails(post, api, time):
    shop = builders.create_shop(api)
    buy(api, shop)
    time.advance(5)
    change(api, shop[0], venue="The other hall")
    post.follow()
    assert api.post(f"/events/{shop[0]}/cancel", json={"reason": "storm"}, token=builders.admin_token()).status in (200, 202)
    pass_time(post, time, 600)
    assert changed(post) == []


@pytest.mark.slow
def test_mails_of_a_large_event_are_queued_in_portions_over_several_runs(post, api, time, monkeypatch):
    monkeypatch.setattr(event_notices, "PORTION", 2)
    limit_tickets(monkeypatch, 4)
    shop = builders.create_shop(api, capacity=50)
    for number in range(11):
        buy(api, shop, user=f"user-{number:02}")
        time.advance(1)
    change(api, shop[0], venue="The other hall")
    post.follow()
    time.advance(event_notices.QUIET_SECONDS)
    queued = []
    for _ in range(4):
        post.deliver()
        queued.append(len(changed(post)) if len(queued) == 3 else None)
    pass_time(post, time, 120)
    assert [to for to, _ in changed(post)] == [f"user-{number:02}@home.test" for number in range(11)]


def test_one_run_queues_the_mails_of_many_small_events(post, api, time):
    """For instance after a publication of the bootstrap file that moves all of a promoter's events."""
    shops = [builders.create_shop(api) for _ in range(8)]
    for shop in (shops[0], shops[-1]):
        buy(api, shop, user=f"user-{shop[0]}")
    time.advance(60)
    for event_id, _ in shops:
        change(api, event_id, venue="The other hall")
    post.follow()
    time.advance(event_notices.QUIET_SECONDS)
    event_notices.queue_mails(time.now)
    assert store.list_open_notices(time.now) == []
    post.deliver()
    assert len(changed(post)) == 2


def test_notices_of_many_events_without_tickets_leave_time_for_push_messages(post, api, time, monkeypatch):
    events = [builders.create_shop(api)[0] for _ in range(8)]
    for event_id in events:
        change(api, event_id, venue="The other hall")
    post.follow()
    time.advance(event_notices.QUIET_SECONDS)
    save_notice, left, runs = store.save_notice, [], 0

    def save_slowly(*given):
        time.advance(5)
        return save_notice(*given)

    monkeypatch.setattr(store, "save_notice", save_slowly)
    monkeypatch.setattr(push, "send_due", lambda *_: left.append(deadline.remaining() - push.SECONDS_RESERVED))
    while store.list_open_notices(time.now) and runs < 20:
        with deadline.within(60):
            post.send()
        runs += 1
    assert store.list_open_notices(time.now) == []
    assert min(left) > 0
    assert runs > 1


def test_a_run_queues_a_part_of_the_mails_that_the_rate_allows(post, api, time, monkeypatch):
    monkeypatch.setattr(event_notices, "PORTION", 1)
    monkeypatch.setattr(outbox, "BULK_SECONDS", 1)
    shop = builders.create_shop(api)
    for number in range(9):
        buy(api, shop, user=f"user-{number}")
        time.advance(1)
    change(api, shop[0], venue="The other hall")
    post.follow()
    time.advance(event_notices.QUIET_SECONDS)
    queued = []
    for rate in (2, 5):
        with settings.override(mail_rate=rate):
            queued.append(event_notices.queue_mails(time.now))
    assert queued == [2, 4]


@pytest.mark.slow
def test_a_large_event_keeps_no_small_one_waiting(post, api, time, monkeypatch):
    monkeypatch.setattr(event_notices, "PORTION", 1)
    limit_tickets(monkeypatch, 2)
    large, small = builders.create_shop(api, capacity=50), builders.create_shop(api)
    for number in range(20):
        buy(api, large, user=f"user-{number}")
    buy(api, small, user="ada")
    time.advance(60)
    for event_id, _ in (large, small):
        change(api, event_id, venue="The other hall")
    post.follow()
    time.advance(event_notices.QUIET_SECONDS)
    for _ in range(2):
        event_notices.queue_mails(time.now)
        time.advance(60)
    post.deliver()
    assert "ada@home.test" in [to for to, _ in changed(post)]


@pytest.mark.slow
def test_a_crash_at_any_call_loses_no_mail_and_sends_none_twice(post, api, time, monkeypatch):
    monkeypatch.setattr(event_notices, "PORTION", 2)
    shop = builders.create_shop(api, capacity=50)
    users = [f"user-{number}" for number in range(5)]
    for user in users:
        buy(api, shop, user=user)
        time.advance(1)
    number, finished = 0, False
    while not finished:
        number += 1
        change(api, shop[0], venue=f"Hall {number}")
        post.follow()
        time.advance(event_notices.QUIET_SECONDS)
        with faults.crash_after(number) as crash:
            event_notices.queue_mails(time.now)
        finished = not crash.was_triggered
        for _ in range(3):
            event_notices.queue_mails(time.now)
        assert (store.list_open_notices(time.now), store.list_unlisted_notices()) == ([], []), number
    kinds = [found.user_id for found in list_event_notifications(shop[0], 1000, None)[0] if found.kind == "event_changed"]
    assert number > 10
    assert sorted(kinds) == sorted(users * number)


def test_an_event_of_the_bootstrap_file_changes_with_another_file(post, api, time):
    def apply(venue):
        tree = {"version": "1", "generated": "2026-05-01T00:00:00Z", "environment": "test"}
        events = {"gig": event("gig") | {"venue": venue}, "other": event("other")}
        rollout.apply(validate_tree(tree | {"events": events, "ticket_types": {"gig-floor": ticket("gig-floor", "gig")}}), "ann", time.now)
        post.follow()

    apply("The hall")
    buy(api, ("gig", "gig-floor"))
    time.advance(60)
    apply("The other hall")
    pass_time(post, time, 600)
    [(to, mail)] = changed(post)
    assert (to, "Where: The other hall" in text_of(mail), "Where: The hall" in text_of(mail)) == ("ada@home.test", True, True)
    found = records("catalog")
    for record in found:
        followers.follow_changes({"Records": [record]}, None)
    pass_time(post, time, 600)
    assert len(changed(post)) == 1


def test_the_mail_says_until_when_and_where_buyers_return_tickets(post, api, time):
    shop = builders.create_shop(api)
    order_id, used = buy(api, shop, user="ada"), buy(api, shop, user="bob", headers=SPANISH)
    create_account("max", time)
    given = buy(api, shop, user="ida")
    offer = api.post(f"/tickets/{given}-1/transfer", user="ida")
    assert api.post(f"/transfers/{offer.json['token']}/accept", user="max").status == 201
    time.advance(60)
    change(api, shop[0], venue="The other hall", starts_at="2026-07-20T19:00:00Z", refundable_until="2026-06-09T10:00:00Z")
    pass_time(post, time, 600)
    [(to, mail), (new_owner, other)] = changed(post)
    assert (to, new_owner) == ("ada@home.test", "max@example.com")
    assert "until Tuesday, 9 June 2026, 10:00 AM UTC" in text_of(mail)
    assert f"/orders/{order_id}" in text_of(mail)
    assert "return your tickets" not in text_of(other)
    [(_, mail)] = changed(post, "Cambios: ")
    assert "hasta el martes, 9 de junio de 2026, 10:00 UTC" in text_of(mail)
    assert f"/orders/{used}" in text_of(mail)


def test_the_mail_leads_guests_to_the_link_that_returns_tickets_unless_they_have_an_account(post, api, time):
    shop = builders.create_shop(api)
    buy(api, shop, user="guest-1")
    order_id = buy(api, shop, user="guest-2")
    create_account("guest-2", time)
    time.advance(60)
    change(api, shop[0], venue="The other hall", refundable_until="2026-06-09T10:00:00Z")
    pass_time(post, time, 600)
    texts = [text_of(mail) for _, mail in changed(post)]
    assert sorted(("/find-tickets#token=" in text, f"/orders/{order_id}" in text) for text in texts) == [(False, True), (True, False)]


def test_the_mail_quotes_the_note_line_by_line_as_plain_text(post, api, time):
    shop = builders.create_shop(api)
    buy(api, shop)
    buy(api, shop, user="bob", headers=SPANISH)
    time.advance(60)
    change(api, shop[0], venue="The other hall", change_note=" The <b>hall</b> is flooded.\r\nWhere: nowhere & never\n\nSee you! ")
    pass_time(post, time, 600)
    [(_, english)] = changed(post)
    assert (
        "A note from Shop:\n\n> The <b>hall</b> is flooded.\n> Where: nowhere & never\n>\n> See you!\n\nYour tickets stay valid."
        in text_of(english)
    )
    [(_, spanish)] = changed(post, "Cambios: ")
    assert "Nota de Shop:\n\n> The <b>hall</b>" in text_of(spanish)
    for mail in (english, spanish):
        assert "The &lt;b&gt;hall&lt;/b&gt; is flooded.<br>Where: nowhere &amp; never<br><br>See you!</blockquote>" in html_of(mail)


def test_a_mail_about_several_changes_has_the_note_of_the_last(post, api, time):
    shop = builders.create_shop(api)
    buy(api, shop)
    time.advance(60)
    change(api, shop[0], venue="A hall", change_note="Flooded.")
    change(api, shop[0], venue="B hall", change_note="Flooded twice.")
    change(api, shop[0], description="Bring a coat.")
    pass_time(post, time, 600)
    change(api, shop[0], starts_at="2026-07-02T19:00:00Z")
    pass_time(post, time, 600)
    first, second = (text_of(mail) for _, mail in changed(post))
    assert ("\n> Flooded twice.\n" in first, "Flooded." in first) == (True, False)
    assert "A note from" not in second


def test_a_notice_that_cannot_be_read_stops_no_others(post, api, time):
    shop, other = builders.create_shop(api), builders.create_shop(api)
    buy(api, shop)
    time.advance(60)
    change(api, shop[0], venue="The other hall")
    change(api, other[0], venue="The other hall")
    post.follow()
    store.NoticeRow("notices", other[0], content=["no notice"]).save()
    pass_time(post, time, 600)
    assert [to for to, _ in changed(post)] == ["ada@home.test"]


def test_a_run_reads_only_the_notices_that_are_due(post, api, time):
    """Notices of tours are large, and a promoter may change many tours at any time."""
    shops = [builders.create_shop(api) for _ in range(3)]
    change(api, shops[0][0], venue="The other hall")
    pass_time(post, time, 600)  # has ended
    change(api, shops[1][0], venue="The other hall")
    post.follow()
    time.advance(event_notices.QUIET_SECONDS)
    change(api, shops[2][0], venue="The other hall")
    post.follow()
    time.advance(60 if time.now // 60 % event_notices.UNLISTED_MINUTES == 0 else 0)
    with record_calls() as calls:
        event_notices.queue_mails(time.now)
    read = [entry.keys for entry in calls.of("GetItem") + calls.of("Query") if "notices" in str(entry.keys)]
    assert read == [[{"pk": {"S": "notices"}, "event_id": {"S": shops[1][0]}}]]


@pytest.mark.parametrize("has_begun", [False, True])
def test_notices_of_the_previous_version_are_found(post, api, time, monkeypatch, has_begun):
    monkeypatch.setattr(event_notices, "PORTION", 1)
    shop = builders.create_shop(api)
    for user in ("ada", "bob"):
        buy(api, shop, user=user)
    time.advance(60)
    change(api, shop[0], venue="The other hall")
    post.follow()
    if has_begun:
        limit_tickets(monkeypatch, 1)
        time.advance(event_notices.QUIET_SECONDS)
        event_notices.queue_mails(time.now)
    store.EventNoticeRow("open", shop[0]).delete()
    pass_time(post, time, 60 * event_notices.UNLISTED_MINUTES + event_notices.QUIET_SECONDS + 60)
    assert [to for to, _ in changed(post)] == ["ada@home.test", "bob@home.test"]


def test_a_notice_that_the_previous_version_ended_leaves_the_list(post, api, time):
    shop = builders.create_shop(api)
    change(api, shop[0], venue="The other hall")
    pass_time(post, time, 600)
    store.RoomRow("open", shop[0], content=str(time.now)).save()
    event_notices.queue_mails(time.now)
    assert store.list_open_notices(time.now) == []
