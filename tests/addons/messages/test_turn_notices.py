"""Mails about places and turns in a waiting room: each once, to people who asked, and only while the turn may come."""

from datetime import datetime
from typing import get_args
from unittest import mock

import pytest

from chalicelib.addons.messages import event_notices, store, turn_notices
from chalicelib.catalog import sale_rules
from chalicelib.dynamodb import dynamo
from chalicelib.edge.languages import moment_text
from chalicelib.foundation import clock, deadline, parallel, settings
from chalicelib.notifications import outbox
from chalicelib.notifications.store import NotificationRow, query_queued
from chalicelib.waiting_room import store as waiting_room_store
from chalicelib.waiting_room.store import WaitingRoomRow
from tests import builders
from tests.accounts.conftest import sign_up
from tests.addons.messages.test_order_notices import SPANISH, create_account
from tests.simulation.call_log import record_calls
from tests.waiting_room import test_entry_rules as entry_rules
from tests.waiting_room.sale import SECONDS_TO_OPENING, create_sale, get_status, join, join_many, reserve, users_by_position

DAY = 86_400
WAVES = {"wave_size": 1, "wave_seconds": 120, "pass_seconds": 180, "grace_seconds": 60}


@pytest.fixture
def sale(api, time):
    """A sale in ten minutes that admits a buyer every two minutes; (event id, tier id)."""
    return create_sale(api, time, **WAVES)


def ask(api, event_id, user, token, headers=None, **body):
    """Ask for mails as a guest does, or with `email=None` as an account does."""
    body = {"token": token, "email": f"{user}@home.test"} | body
    return api.put(f"/events/{event_id}/waiting-room/notice", json=body, user=user, headers=headers)


def stop(api, event_id, user):
    return api.delete(f"/events/{event_id}/waiting-room/notice", user=user)


def join_and_ask(api, event_id, count):
    """Let users join and ask; their tokens by user."""
    tokens = join_many(api, event_id, count)
    for user, token in tokens.items():
        assert ask(api, event_id, user, token).status == 200
    return tokens


def run_until(post, time, at):
    """Let time pass up to `at`, with a run each minute. Returns the mails of this time as (recipient, kind)."""
    before = len(post.provider.mails)
    while time.now < at:
        time.advance(min(60, at - time.now))
        post.send()
    return [(mail.to.partition("@")[0], mail.notification_id.partition(".")[0]) for mail in post.provider.mails[before:]]


def text_of(mail):
    return mail.get_body(("plain",)).get_content().replace("\r\n", "\n")


def test_a_guest_who_moves_to_an_account_leaves_no_address(post, api, time, sale):
    event_id, opening = sale[0], time.now + SECONDS_TO_OPENING
    guest, account = api.post("/auth/guest").json, sign_up(api)
    user_id = guest["user"]["id"]
    assert ask(api, event_id, user_id, join(api, event_id, user_id), email="guest@home.test").status == 200
    move = {"refresh_token": guest["refresh_token"]}
    assert api.post("/auth/guest/orders", json=move, token=account["access_token"]).status == 200
    assert store.list_turn_notices(user_id) == []
    assert run_until(post, time, opening + 120) == []


def test_each_person_hears_of_the_place_once_and_of_the_turn_once(post, api, time, sale):
    event_id, opening = sale[0], time.now + SECONDS_TO_OPENING
    tokens = join_and_ask(api, event_id, 6)
    assert run_until(post, time, opening - 1) == []
    first = run_until(post, time, opening + 30)
    users = users_by_position(api, event_id, tokens)
    # The turns of the first three begin within five minutes, so one mail says everything.
    assert sorted(first) == sorted([(user, "turn_near") for user in users[:3]] + [(user, "place_drawn") for user in users[3:]])
    for number, user in enumerate(users[3:], start=3):
        begins = opening + 120 * number
        assert run_until(post, time, begins - turn_notices.LEAD_SECONDS - 1) == []
        assert run_until(post, time, begins - turn_notices.LEAD_SECONDS + 60) == [(user, "turn_near")]
    assert run_until(post, time, opening + 3600) == []


def test_people_with_several_numbers_hear_of_their_best_place(post, api, time, monkeypatch):
    event_id, _ = create_sale(api, time, ballot=True, entry="account", better_odds=True)
    monkeypatch.setattr(waiting_room_store, "find_weight", lambda *_: 3)
    tokens = {}
    for user in ("ada", "bob"):
        entry_rules.create_account(user, f"{user}@home.test")
        tokens[user] = join(api, event_id, user)
        assert ask(api, event_id, user, tokens[user], email=None).status == 200
    mails = run_until(post, time, time.now + SECONDS_TO_OPENING + 30)
    assert sorted(mails) == [("ada", "place_drawn"), ("bob", "place_drawn")]
    for mail in post.provider.parsed():
        place = get_status(api, event_id, tokens[mail["To"].partition("@")[0]])["position"]
        assert f"Your place: {place}\n" in text_of(mail)


def test_messages_are_stopped_between_the_closing_of_the_draw_and_the_opening(post, api, time, sale):
    event_id, opening = sale[0], time.now + SECONDS_TO_OPENING
    join_and_ask(api, event_id, 3)
    time.set(opening - 10)
    state = api.get(f"/events/{event_id}/waiting-room/state").json
    assert (state["n"], state["key"]) == (3, None)
    assert stop(api, event_id, "u1").status == 200
    assert {user for user, _ in run_until(post, time, opening + 3600)} == {"u0", "u2"}


def test_mails_wait_for_an_opening_that_waits_for_its_list(post, api, time, sale, caplog):
    event_id, opening = sale[0], time.now + SECONDS_TO_OPENING
    join_and_ask(api, event_id, 2)
    waiting_room_store.take_arrival_number(waiting_room_store.find_room(event_id), 0)  # and then the instance crashed
    time.set(opening)  # nobody has loaded the room since the closing
    assert run_until(post, time, opening + 30) == []
    assert "turn_notice.failed" not in caplog.text
    assert {user for user, _ in run_until(post, time, opening + 300)} == {"u0", "u1"}


def test_a_place_from_before_a_postponement_costs_nobody_the_messages(post, api, time, sale):
    event_id, opening = sale[0], time.now + SECONDS_TO_OPENING
    early = join(api, event_id, "ada")
    event = api.get(f"/events/{event_id}").json
    later = {name: clock.iso(clock.epoch_seconds(datetime.fromisoformat(event[name])) + 60 * DAY) for name in ("starts_at", "on_sale_at")}
    assert api.patch(f"/events/{event_id}", json=later, token=builders.admin_token()).status == 200
    time.advance(10)
    assert ask(api, event_id, "bob", join(api, event_id, "bob")).status == 200
    assert ask(api, event_id, "ada", early).status == 200
    time.set(opening + 60 * DAY)
    table = dynamo.client().scan(TableName=store.RoomRow.name())["Items"]
    for item in table:  # as DynamoDB does after their time to live
        if int(item["ttl"]["N"]) < time.now:
            dynamo.client().delete_item(TableName=store.RoomRow.name(), Key={"pk": item["pk"], "event_id": item["event_id"]})
    assert ("bob", "turn_near") in run_until(post, time, time.now + 600)


def test_mails_wait_for_an_opening_that_was_moved_after_the_draw(post, api, time, sale):
    event_id, opening = sale[0], time.now + SECONDS_TO_OPENING
    tokens = join_and_ask(api, event_id, 6)
    time.set(opening)
    users = users_by_position(api, event_id, tokens)
    turn_notices.queue_mails(time.now)
    assert api.patch(f"/events/{event_id}", json={"on_sale_at": clock.iso(opening + 3600)}, token=builders.admin_token()).status == 200
    assert run_until(post, time, opening + 3599) == []
    sent = run_until(post, time, opening + 3660)
    # The room had been open for a minute, so the turn of the fourth begins five minutes after the new opening.
    assert sorted(sent) == sorted([(user, "turn_near") for user in users[:4]] + [(user, "place_drawn") for user in users[4:]])
    assert query_queued(time.now + 7200, 10) == []


def test_the_mails_say_when_and_how_long_in_the_persons_language(post, api, time, sale):
    event_id, opening = sale[0], time.now + SECONDS_TO_OPENING
    tokens = join_and_ask(api, event_id, 5)
    run_until(post, time, opening + 5)
    users = users_by_position(api, event_id, tokens)
    mails = {mail["To"].partition("@")[0]: mail for mail in post.provider.parsed()}
    assert mails[users[0]]["Subject"] == "It is your turn: Drop"
    assert mails[users[1]]["Subject"] == "Your turn begins in about 2 minutes: Drop"
    place, when = mails[users[4]], clock.local(opening + 480, "UTC")
    assert place["Subject"] == "Your place in line is 5: Drop"
    assert moment_text(when, "en") in text_of(place)
    assert "Your turn lasts 3 minutes. If you miss it, you can still choose tickets for 1 minute more." in text_of(place)
    assert "Use the browser in which you joined" in text_of(place)
    assert f"https://shop.test/events/{event_id}/line" in text_of(place)
    assert ask(api, event_id, users[4], tokens[users[4]], headers=SPANISH).json["language"] == "es"
    run_until(post, time, opening + 240)
    near = post.provider.parsed()[-1]
    assert near["Subject"] == "Tu turno empieza en 5 minutos aproximadamente: Drop"
    assert moment_text(when, "es") in text_of(near)
    assert "Tu turno dura 3 minutos. Si se te pasa, aún podrás elegir entradas durante 1 minuto más." in text_of(near)


@pytest.mark.slow
def test_a_faster_line_is_noticed_and_a_slower_one_waits(post, api, time, sale):
    event_id, opening = sale[0], time.now + SECONDS_TO_OPENING
    tokens = join_and_ask(api, event_id, 30)
    run_until(post, time, opening + 30)
    users = users_by_position(api, event_id, tokens)
    assert run_until(post, time, opening + 50) == []
    rate = {"wave_size": 5, "wave_seconds": 120}
    assert api.post(f"/admin/events/{event_id}/waiting-room/rate", json=rate, token=builders.admin_token()).status == 200
    assert {user for user, kind in run_until(post, time, opening + 110) if kind == "turn_near"} == set(users[3:16])
    rate = {"wave_size": 1, "wave_seconds": 3600}
    assert api.post(f"/admin/events/{event_id}/waiting-room/rate", json=rate, token=builders.admin_token()).status == 200
    assert run_until(post, time, opening + 1200) == []


def test_a_paused_room_is_silent_until_it_resumes(post, api, time, sale):
    event_id, opening = sale[0], time.now + SECONDS_TO_OPENING
    join_and_ask(api, event_id, 3)
    assert api.post(f"/admin/events/{event_id}/pause", token=builders.admin_token()).status == 200
    assert run_until(post, time, opening + 600) == []
    assert api.post(f"/admin/events/{event_id}/resume", token=builders.admin_token()).status == 200
    assert len(run_until(post, time, opening + 660)) == 3


def test_a_pause_between_queueing_and_sending_postpones_the_mail(post, api, time, sale):
    event_id, opening = sale[0], time.now + SECONDS_TO_OPENING
    [token] = join_and_ask(api, event_id, 1).values()
    time.set(opening + 5)
    turn_notices.queue_mails(time.now)
    assert api.post(f"/admin/events/{event_id}/pause", token=builders.admin_token()).status == 200
    assert run_until(post, time, opening + 600) == []
    assert api.post(f"/admin/events/{event_id}/resume", token=builders.admin_token()).status == 200
    assert run_until(post, time, opening + 720) == [("u0", "turn_near")]
    [mail] = post.provider.parsed()
    assert mail["Subject"] == "It is your turn: Drop"
    left = get_status(api, event_id, token)["pass_seconds_left"]
    assert moment_text(clock.local(time.now + left, "UTC"), "en") in text_of(mail)


def end_sale(api, event_id):
    assert api.post(f"/events/{event_id}/cancel", json={}, token=builders.admin_token()).status in (200, 202)


def clear(api, event_id):
    assert api.delete(f"/events/{event_id}/waiting-room/clear", token=builders.admin_token()).status == 200


@pytest.mark.parametrize("end", [end_sale, clear])
@pytest.mark.parametrize("is_queued", [False, True])
def test_a_cancelled_sale_and_a_cleared_room_send_nothing(post, api, time, sale, end, is_queued):
    event_id, opening = sale[0], time.now + SECONDS_TO_OPENING
    join_and_ask(api, event_id, 8)
    time.set(opening + 5)
    if is_queued:
        turn_notices.queue_mails(time.now)
    end(api, event_id)
    time.advance(2)
    assert run_until(post, time, opening + 1200) == []
    assert {row.status for row in NotificationRow.scan()} == ({"dropped"} if is_queued else set())


def test_nobody_is_told_after_the_pass_was_used_or_the_turn_was_missed(post, api, time, sale):
    (event_id, tier_id), opening = sale, time.now + SECONDS_TO_OPENING
    tokens = join_and_ask(api, event_id, 2)
    time.set(opening + 130)
    first, second = users_by_position(api, event_id, tokens)
    reservation = reserve(api, event_id, tier_id, second, tokens[second]).json["id"]
    assert builders.start_checkout(api, second, reservation).status == 201
    assert builders.confirm(api, second, reservation).status == 201
    time.set(opening + 245)  # the first one's turn and grace are over
    assert get_status(api, event_id, tokens[first])["pass_expired"]
    assert run_until(post, time, opening + 600) == []


def test_runs_that_overlap_and_crash_tell_each_person_once(post, api, time, sale, monkeypatch):
    event_id, opening = sale[0], time.now + SECONDS_TO_OPENING
    tokens = join_and_ask(api, event_id, 8)
    time.set(opening + 5)
    queue, calls = outbox.queue_notification, []

    def crash_often(notification):
        calls.append(notification.id)
        queued = queue(notification)
        if len(calls) % 3:
            raise dynamo.StoreUnavailable("lost")
        return queued

    with monkeypatch.context() as patched:
        patched.setattr(outbox, "queue_notification", crash_often)
        for _ in range(12):
            turn_notices.queue_mails(time.now)
    read = store.list_places

    def read_before_another_run(*arguments):
        found = read(*arguments)
        with monkeypatch.context() as patched:
            patched.setattr(store, "list_places", read)
            turn_notices.queue_mails(time.now)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(store, "list_places", read_before_another_run)
        turn_notices.queue_mails(time.now)
    found = run_until(post, time, opening + 1200)
    assert len(found) == len(set(found))
    assert {user for user, kind in found if kind == "turn_near"} == set(tokens)


@pytest.mark.slow
def test_a_run_reads_the_due_places_only(post, api, time):
    """Ten of 100,010 people ask. All others cost nothing, and those whose turn is far away cost nothing after the draw."""
    event_id, _ = create_sale(api, time, wave_size=1000, wave_seconds=60)
    opening = time.now + SECONDS_TO_OPENING
    join(api, event_id, "first")
    counter = WaitingRoomRow(f"counter#{event_id}#1#0")
    dynamo.update_if(counter, [WaitingRoomRow.arrivals.add(99_999)], WaitingRoomRow.id.exists())
    tokens = join_and_ask(api, event_id, 10)
    for seconds in (-90, -45):  # the list of entries waits for the others
        time.set(opening + seconds)
        get_status(api, event_id, tokens["u0"])
    time.set(opening + 1)
    post.send()  # makes the draw
    positions = sorted(get_status(api, event_id, token)["position"] for token in tokens.values())
    assert positions[-1] > 10_000
    for minute in range(1, 102):
        due = sum(-(-position // 1000) - 6 == minute for position in positions)
        time.set(opening + 60 * minute + 1)
        with record_calls(measured=True) as calls:
            turn_notices.queue_mails(time.now)
        assert len(calls.of("PutItem", "email-notifications")) == due
        assert sum(entry.read_units for entry in calls.of("Query", "event-notices")) <= 5
        assert calls.round_trips <= 13 + 2 * due
        post.send()
    assert post.kinds.count("turn_near") == 10
    time.advance(60)
    with record_calls(measured=True) as calls:
        turn_notices.queue_mails(time.now)
    assert set(calls) <= {"Query", "GetItem", "DeleteItem"}  # the room is not loaded any more
    assert calls.of("", "waiting-room") == []
    with record_calls() as calls:
        turn_notices.queue_mails(time.now)
    assert calls == ["Query"]  # of the rooms in which people wait


def test_late_arrivals_and_people_who_ask_late_hear_of_their_turn_only(post, api, time, sale):
    event_id, opening = sale[0], time.now + SECONDS_TO_OPENING
    join_many(api, event_id, 5)
    time.set(opening + 30)
    token = join(api, event_id, "late")
    assert ask(api, event_id, "late", token).status == 200
    assert run_until(post, time, opening + 280) == []
    assert run_until(post, time, opening + 400) == [("late", "turn_near")]


def test_a_person_who_stops_the_mails_gets_none_and_may_ask_again(post, api, time, sale):
    event_id, opening = sale[0], time.now + SECONDS_TO_OPENING
    tokens = join_and_ask(api, event_id, 3)
    assert [stop(api, event_id, user).status for user in ("u0", "u1", "u1", "stranger")] == [200] * 4
    ask(api, event_id, "u1", tokens["u1"], email="other@home.test")
    assert sorted(run_until(post, time, opening + 30)) == [("other", "turn_near"), ("u2", "turn_near")]
    stop(api, event_id, "u2")
    ask(api, event_id, "u2", tokens["u2"])
    assert run_until(post, time, opening + 600) == []


def test_stopping_after_the_draw_and_after_queueing_counts(post, api, time, sale):
    event_id, opening = sale[0], time.now + SECONDS_TO_OPENING
    tokens = join_and_ask(api, event_id, 7)
    run_until(post, time, opening + 30)
    users = users_by_position(api, event_id, tokens)
    stop(api, event_id, users[5])
    time.set(opening + 480)
    turn_notices.queue_mails(time.now)
    stop(api, event_id, users[6])
    told = {user for user, _ in run_until(post, time, opening + 1200)}
    assert not {users[5], users[6]} & told
    assert [row for row in store.EventNoticeRow.scan() if row.pk.partition("#")[0] in get_args(store.Lane)] == []


def queued_mails():
    return {row.user_id: row.kind for row in NotificationRow.scan()}


def test_mails_about_turns_do_not_wait_behind_earlier_mails(post, api, time, sale):
    event_id, opening = sale[0], time.now + SECONDS_TO_OPENING
    join_and_ask(api, event_id, 5)
    assert outbox.queue_notification(outbox.new_notification("event_changed", "e", 1, user_id="ada", event_id="e", now=time.now))
    time.set(opening + 5)
    turn_notices.queue_mails(time.now)
    due = query_queued(time.now, 100)
    assert [mail.id.partition(".")[0] for mail in due] == [*["turn_near"] * 3, "event_changed", *["place_drawn"] * 2]


def test_a_large_draw_leaves_half_of_the_rate_for_other_mails(post, api, time, sale):
    event_id, opening = sale[0], time.now + SECONDS_TO_OPENING
    tokens = join_and_ask(api, event_id, 40)
    time.set(opening + 5)
    with settings.override(mail_rate=1):
        turn_notices.queue_mails(time.now)
    users = users_by_position(api, event_id, tokens)
    assert queued_mails() == {**dict.fromkeys(users[:3], "turn_near"), **dict.fromkeys(users[3:30], "place_drawn")}


def test_a_large_wave_leaves_half_of_the_rate_for_other_mails(post, api, time):
    event_id, _ = create_sale(api, time, wave_size=50, wave_seconds=60)
    opening = time.now + SECONDS_TO_OPENING
    tokens = join_and_ask(api, event_id, 40)
    time.set(opening + 5)
    with settings.override(mail_rate=1):
        turn_notices.queue_mails(time.now)
        users = users_by_position(api, event_id, tokens)
        assert queued_mails() == dict.fromkeys(users[:30], "turn_near")
        turn_notices.queue_mails(time.now)
        assert queued_mails() == dict.fromkeys(users, "turn_near")


def test_mails_about_turns_come_before_mails_about_places_in_all_rooms(post, api, time, sale):
    other_id, _ = create_sale(api, time, name="Other", wave_size=50)
    tokens = join_and_ask(api, sale[0], 20)
    others = {f"other{number}": join(api, other_id, f"other{number}") for number in range(25)}
    for user, token in others.items():
        assert ask(api, other_id, user, token).status == 200
    time.advance(SECONDS_TO_OPENING + 5)
    with settings.override(mail_rate=1):
        turn_notices.queue_mails(time.now)
    users = users_by_position(api, sale[0], tokens)
    assert queued_mails() == {**dict.fromkeys([*others, *users[:3]], "turn_near"), **dict.fromkeys(users[3:5], "place_drawn")}


def test_large_rooms_take_turns(post, api, time):
    event_ids = [create_sale(api, time, name=name, wave_size=50, wave_seconds=60)[0] for name in ("One", "Two")]
    for event_id in event_ids:
        join_and_ask(api, event_id, 40)
    time.advance(SECONDS_TO_OPENING + 5)
    with settings.override(mail_rate=1):
        for _ in range(2):
            turn_notices.queue_mails(time.now)
            time.advance(60)
    assert sorted(row.event_id for row in NotificationRow.scan()) == sorted(event_ids * 30)


def test_a_run_stops_queueing_in_time_to_send(post, api, time, monkeypatch):
    event_id, _ = create_sale(api, time, wave_size=50)
    join_and_ask(api, event_id, 8)
    time.advance(SECONDS_TO_OPENING + 5)
    queue = outbox.queue_notification

    def queue_slowly(notification):
        time.advance(10)
        return queue(notification)

    with monkeypatch.context() as patched, deadline.within(turn_notices.SECONDS_RESERVED + 25):
        patched.setattr(outbox, "queue_notification", queue_slowly)
        patched.setattr(parallel, "FEW", 100)  # one after the other
        turn_notices.queue_mails(time.now)
        assert len(queued_mails()) == 3
        with record_calls() as calls:
            turn_notices.queue_mails(time.now)
        assert calls.of("", "waiting-room") == []  # no further room
    turn_notices.queue_mails(time.now)
    assert len(queued_mails()) == 8


def open_idle_rooms(api, time, count):
    """Sales that are open, in whose rooms somebody once asked for messages. Returns their ids."""
    event_ids = [create_sale(api, time, name=f"Sale {number}")[0] for number in range(count)]
    for event_id in event_ids:
        store.put_room(event_id, 1, time.now + 10 * DAY, time.now)
    time.advance(SECONDS_TO_OPENING + 5)
    return event_ids


def test_the_lanes_of_idle_rooms_are_read_at_once(post, api, time):
    open_idle_rooms(api, time, 20)
    turn_notices.queue_mails(time.now)
    with record_calls() as calls:
        turn_notices.queue_mails(time.now)
    assert len(calls) == 1 + 20 * 3
    assert calls.sequential_round_trips == 1 + 3


def test_idle_rooms_that_are_read_slowly_take_turns_and_leave_time_for_other_messages(post, api, time, monkeypatch):
    """A run reads the lanes of three rooms. It is one of many in a shop with thousands of rooms."""
    event_ids = open_idle_rooms(api, time, 20)
    queued, queue_mails, read, list_places = [], event_notices.queue_mails, list[str](), store.list_places

    def read_slowly(event_id, *arguments):
        read.append(event_id)
        time.advance(1)
        return list_places(event_id, *arguments)

    def note_time(now):
        queued.append(deadline.remaining() - event_notices.SECONDS_RESERVED)
        return queue_mails(now)

    monkeypatch.setattr(store, "list_places", read_slowly)
    monkeypatch.setattr(event_notices, "queue_mails", note_time)
    monkeypatch.setattr(parallel, "FEW", 100)  # one after the other
    for _ in range(20):
        began = time.now
        with deadline.within(70):
            post.send()
        time.set(began + 60)
    assert min(queued) >= 70 - turn_notices.MAX_SECONDS - event_notices.SECONDS_RESERVED
    assert set(read) == set(event_ids)


def test_large_rooms_among_many_idle_rooms_take_turns(post, api, time):
    large = [create_sale(api, time, name=name, wave_size=50, wave_seconds=60)[0] for name in ("One", "Two")]
    for event_id in large:
        join_and_ask(api, event_id, 25)
    open_idle_rooms(api, time, 8)
    counts = []
    with settings.override(mail_rate=1), mock.patch.object(turn_notices, "SECONDS_OF_MAILS", 5):
        for _ in range(4):
            turn_notices.queue_mails(time.now)
            counts.append([sum(row.event_id == event_id for row in NotificationRow.scan()) for event_id in large])
            time.advance(60)
    assert min(counts[-1]) >= 5


def is_listed(event_id):
    return event_id in [room.event_id for room in store.list_rooms()]


def test_a_room_in_which_nobody_waits_is_not_read_for_ever_and_people_may_ask_again(post, api, time, sale):
    event_id, opening = sale[0], time.now + SECONDS_TO_OPENING
    join_and_ask(api, event_id, 2)
    run_until(post, time, opening + 1200)
    assert is_listed(event_id), "an instance that has stored it a while ago does not store it again"
    run_until(post, time, opening + turn_notices.IDLE_SECONDS)
    assert not is_listed(event_id)
    join_many(api, event_id, 3)
    token = join(api, event_id, "late")
    assert ask(api, event_id, "late", token).status == 200
    assert is_listed(event_id)
    assert run_until(post, time, time.now + 600) == [("late", "turn_near")]


def test_a_room_stays_listed_while_people_ask(post, api, time, sale, monkeypatch):
    """A run that finds no places may not take off the list a room in which somebody is just asking."""
    event_id = sale[0]
    join_and_ask(api, event_id, 1)
    run_until(post, time, time.now + SECONDS_TO_OPENING + 2 * turn_notices.IDLE_SECONDS - 900)
    put_place = store.put_place
    store.put_room(event_id, 1, time.now + DAY, time.now - 2 * turn_notices.IDLE_SECONDS)
    join_many(api, event_id, 3)
    token = join(api, event_id, "late")

    def run_before(*arguments):
        monkeypatch.setattr(store, "put_place", put_place)
        turn_notices.queue_mails(time.now)
        put_place(*arguments)

    monkeypatch.setattr(store, "put_place", run_before)
    assert ask(api, event_id, "late", token).status == 200
    assert run_until(post, time, time.now + 600) == [("late", "turn_near")]


def test_mails_are_sent_though_the_rooms_cannot_be_read(post, api, time, sale, monkeypatch):
    join_and_ask(api, sale[0], 3)
    time.advance(SECONDS_TO_OPENING + 5)
    turn_notices.queue_mails(time.now)

    def fail():
        raise dynamo.StoreUnavailable("lost")

    monkeypatch.setattr(store, "list_rooms", fail)
    assert post.send()["sent"] == 3


def test_a_sold_out_line_sends_its_mails_when_tickets_come_back(post, api, time):
    event_id, tier_id = create_sale(api, time, capacity=4, **WAVES)
    opening = time.now + SECONDS_TO_OPENING
    tokens = join_and_ask(api, event_id, 3)
    time.set(opening + 5)
    turn_notices.queue_mails(time.now)
    users = users_by_position(api, event_id, tokens)
    reservation = reserve(api, event_id, tier_id, users[0], tokens[users[0]], 4).json["id"]
    assert builders.start_checkout(api, users[0], reservation).status == 201
    assert builders.confirm(api, users[0], reservation).status == 201
    time.advance(2)
    assert get_status(api, event_id, tokens[users[1]])["stopped"] == "sold_out"
    refused = ask(api, event_id, users[1], tokens[users[1]])
    assert (refused.status, refused.json["error"], refused.json["reason"]) == (409, "waiting_room_stopped", "sold_out")
    assert run_until(post, time, opening + 70) == []
    assert {row.status for row in NotificationRow.scan()} == {"queued"}
    assert api.patch(f"/tiers/{tier_id}", json={"capacity": 8}, token=builders.admin_token()).status == 200
    assert sorted(run_until(post, time, opening + 190)) == sorted((user, "turn_near") for user in users[1:])


def list_lanes():
    """The users in each lane that has any, in the lane's order."""
    lanes = {}
    for row in sorted(store.EventNoticeRow.scan(), key=lambda row: row.event_id):
        if row.pk.partition("#")[0] in get_args(store.Lane):
            lanes.setdefault(row.pk.partition("#")[0], []).append(store.RoomRow.find(row.pk, row.event_id).content)
    return lanes


def stop_while_hidden(api, event_id, users):
    """Let users stop while nobody can see the event, so that their places stay in their lanes."""
    before = list_lanes()
    with mock.patch.object(sale_rules, "find_freeze", return_value=None):  # as if the line had been empty before
        assert api.post(f"/events/{event_id}/unpublish", token=builders.admin_token()).status == 200
    for user in users:
        assert stop(api, event_id, user).status == 200
    assert api.post(f"/events/{event_id}/publish", token=builders.admin_token()).status == 200
    assert list_lanes() == before


def test_places_of_people_who_stopped_do_not_block_the_lane(post, api, time, sale, monkeypatch):
    monkeypatch.setattr(turn_notices, "MIN_PLACES", 4)
    monkeypatch.setattr(turn_notices, "SECONDS_OF_MAILS", 4)
    tokens = join_and_ask(api, sale[0], 12)
    time.advance(SECONDS_TO_OPENING + 5)
    with settings.override(mail_rate=1):
        turn_notices.queue_mails(time.now)
        users = users_by_position(api, sale[0], tokens)
        stop_while_hidden(api, sale[0], users[4:8])
        turn_notices.queue_mails(time.now)
        assert list_lanes() == {"place_mail_due": users[8:], "turn_mail_due": [users[3]]}
        turn_notices.queue_mails(time.now)
    assert list_lanes() == {"turn_mail_due": [users[3], *users[8:]]}
    assert not set(users[4:8]) & set(queued_mails())


def test_a_person_who_asks_again_during_a_run_gets_a_mail(post, api, time, sale, monkeypatch):
    event_id, opening = sale[0], time.now + SECONDS_TO_OPENING
    tokens = join_and_ask(api, event_id, 4)
    run_until(post, time, opening + 5)
    last = users_by_position(api, event_id, tokens)[-1]
    stop_while_hidden(api, event_id, [last])
    time.set(opening + 70)
    read = store.find_turn_notices

    def read_before_the_user_asks(*arguments):
        found = read(*arguments)
        assert ask(api, event_id, last, tokens[last]).status == 200
        return found

    with monkeypatch.context() as patched:
        patched.setattr(store, "find_turn_notices", read_before_the_user_asks)
        turn_notices.queue_mails(time.now)
    assert list_lanes() == {"turn_mail_due": [last]}
    assert run_until(post, time, opening + 130) == [(last, "turn_near")]


def test_an_account_gets_mails_at_its_confirmed_address(post, api, time, sale):
    event_id, opening = sale[0], time.now + SECONDS_TO_OPENING
    create_account("max", time)
    token = join(api, event_id, "max")
    refused = ask(api, event_id, "max", token)
    assert (refused.status, refused.json["path"]) == (400, "$.email")
    assert ask(api, event_id, "max", token, email=None).json["email"] is None
    guest = join(api, event_id, "ada")
    for wrong in (None, "ada", "a b@home.test"):
        refused = ask(api, event_id, "ada", guest, email=wrong)
        assert (refused.status, refused.json["path"]) == (400, "$.email")
    run_until(post, time, opening + 30)
    [mail] = post.provider.parsed()
    assert mail["To"] == "max@example.com"
    assert "Use the browser" not in text_of(mail)


def test_who_may_ask_and_until_when(post, api, time, sale):
    event_id, opening = sale[0], time.now + SECONDS_TO_OPENING
    token = join(api, event_id, "ada")
    assert ask(api, event_id, "bob", token).json["error"] == "token_of_another_user"
    assert ask(api, event_id, "ada", "x.y").json["error"] == "token_invalid"
    assert ask(api, builders.create_event(api, "Other"), "ada", token).json["error"] == "token_of_another_event"
    time.set(opening)
    refused = ask(api, event_id, "ada", token)
    assert (refused.status, refused.json["error"]) == (409, "turn_not_ahead")
    assert refused.json["message"] == "Your turn has begun, so we cannot notify you before it."
    with settings.override(rate_limits="on", limit_mail="2/900"):
        tokens = [join(api, event_id, f"late-{number}") for number in range(3)]
        replies = [ask(api, event_id, f"late-{number}", token, email="one@home.test") for number, token in enumerate(tokens)]
    assert [reply.status for reply in replies] == [200, 200, 429]


def test_requests_with_a_wrong_token_count_nothing_for_an_address(api, sale):
    event_id = sale[0]
    token = join(api, event_id, "late")
    with settings.override(rate_limits="on", limit_mail="1/900"):
        assert [ask(api, event_id, "late", "x.y", email="one@home.test").status for _ in range(3)] == [403] * 3
        assert ask(api, event_id, "late", token, email="one@home.test").status == 200


def test_what_is_kept_is_exported_and_erased(post, api, time, sale):
    event_id = sale[0]
    token = join(api, event_id, "ada")
    ask(api, event_id, "ada", token)
    [kept] = api.get("/me/export", user="ada").json["event_notices"]
    assert (kept["event_id"], kept["email"]) == (event_id, "ada@home.test")
    assert api.delete("/auth/me", json={}, user="ada").status in (200, 204)
    assert api.get("/me/export", user="ada").json["event_notices"] == []
    rows = list(store.EventNoticeRow.scan())
    assert [row.pk for row in rows] == ["rooms"]
    assert all(row.ttl > time.now for row in rows)
