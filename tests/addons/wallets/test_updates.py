"""Updates of passes that wait: one for each ticket or event, changed tickets first, and events in turns."""

import re

import pytest

from chalicelib.addons.wallets import passes, store
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import deadline
from tests import builders, invariants
from tests.addons.wallets.conftest import WalletDoor
from tests.simulation import faults

pytestmark = pytest.mark.not_on_moto
PASSES = 4


@pytest.fixture
def shop(api, threaded_store, time, google):
    """Two events, each with four tickets in Google Wallet. Only the schedule updates them."""
    doors = [WalletDoor(api, time, quantity=PASSES) for _ in range(2)]
    for door in doors:
        assert [door.add("google", number).status for number in range(1, PASSES + 1)] == [200] * PASSES
        door.stop_stream()
        door.wait(5)
    google.requests.clear()
    yield doors
    invariants.check(time.now)


def patched(google):
    """The tickets whose objects were changed, in order. Takes what has been requested since the last call."""
    requests, google.requests[:] = list(google.requests), []
    return [found[1] for request in requests if (found := re.search(r"PATCH .*eventTicketObject/[^/]*?\.([^.]+)\.[0-9a-f]+$", request))]


def classes(google):
    return sum("eventTicketClass" in request for request in google.requests)


def tickets(door):
    return [ticket.id for ticket in door.tickets]


def waiting():
    return len(list(store.UpdateRow.query("due")))


def test_repeated_edits_are_one_update(shop, google, time):
    door = shop[0]
    for number in range(10):
        door.change_event(name=f"Concert {number}")
        door.wait(2)
    assert waiting() == 1
    assert door.run_schedule() | {"setup_errors": []} == {"due": 5, "updated": 5, "failed": 0, "given_up": 0, "left": 0, "setup_errors": []}
    assert classes(google) == 1
    assert sorted(patched(google)) == sorted(tickets(door))
    assert waiting() == 0


def test_repeated_changes_that_fail_do_not_pile_up(shop, google, time):
    door = shop[0]
    google.status = 500
    for number in range(60):
        door.change_event(name=f"Concert {number}")
        door.wait(5)
        door.run_schedule()
    assert waiting() <= 5 * 4, "for each target, one of the updates that failed once, twice, three and four times"
    google.status = 0
    time.advance(3600)
    door.run_schedule()
    assert (waiting(), google.stored[door_class(google, door)]["eventName"]["defaultValue"]["value"]) == (0, "Concert 59")


def door_class(google, door):
    return google.object(door.tickets[0].id)["classId"]


def test_a_refund_comes_before_edits(shop, google, time, monkeypatch):
    monkeypatch.setattr(passes, "PORTION", 1)
    noisy, other = shop
    noisy.change_event(name="Edited")
    noisy.wait(5)
    assert builders.refund(other.api, other.order_id, tickets=[tickets(other)[0]]).status < 300
    other.wait(5)
    other.run_schedule()
    first, *edits = patched(google)
    assert (first, sorted(edits)) == (tickets(other)[0], sorted(tickets(noisy)))


def test_events_take_turns(shop, google, monkeypatch):
    monkeypatch.setattr(passes, "PORTION", 1)
    for door in shop:
        door.change_event(name="Edited")
        door.wait(5)
    shop[0].run_schedule()
    owners = [ticket_id in tickets(shop[0]) for ticket_id in patched(google)]
    assert (len(owners), sum(owners)) == (2 * PASSES, PASSES)
    assert all(first != second for first, second in zip(owners[::2], owners[1::2], strict=True))


def test_each_minute_another_event_has_the_first_turn(shop, google, time, monkeypatch):
    monkeypatch.setattr(passes, "PORTION", 1)
    for door in shop:
        door.change_event(name="Edited")
        door.wait(5)
    first = []
    for _ in range(2):
        with faults.crash_before(2, operation="PutItem", table="wallet-passes"):
            shop[0].run_schedule()
        first.append(patched(google)[0] in tickets(shop[0]))
        time.advance(60)
    assert sorted(first) == [False, True]


def test_an_event_continues_where_a_run_has_stopped(shop, google, monkeypatch):
    monkeypatch.setattr(passes, "PORTION", 1)
    door = shop[0]
    door.change_event(name="Edited")
    door.wait(5)
    with faults.crash_before(3, operation="PutItem", table="wallet-passes") as crash:  # after two positions were saved
        door.run_schedule()
    assert crash.was_triggered
    before = patched(google)
    assert len(before) == 3
    door.run_schedule()
    after = patched(google)
    assert sorted({*before, *after}) == sorted(tickets(door))
    assert len(before) + len(after) == PASSES + 1, "only the portion whose position was not saved is repeated"


def test_an_edit_during_an_update_reaches_all_passes(shop, google, monkeypatch):
    monkeypatch.setattr(passes, "PORTION", 1)
    door, write = shop[0], passes.google.patch

    def edit_before(kind, body):
        if kind == "eventTicketObject" and google.requests:
            monkeypatch.setattr(passes.google, "patch", write)
            door.change_event(name="Edited again")
            door.wait(5)
        write(kind, body)

    door.change_event(name="Edited")
    door.wait(5)
    monkeypatch.setattr(passes.google, "patch", edit_before)
    door.run_schedule()
    assert google.stored[door_class(google, door)]["eventName"]["defaultValue"]["value"] == "Edited again"
    assert classes(google) == 2
    assert set(patched(google)) == set(tickets(door))
    assert waiting() == 0


def hand_on(door, google, times):
    """The first ticket goes from Ada to Bob and back. Each new owner puts it into Google Wallet."""
    ticket_id, owners = tickets(door)[0], ["ada", "bob"]
    for _ in range(times):
        giver, receiver = owners
        token = door.api.post(f"/tickets/{ticket_id}/transfer", user=giver).json["token"]
        assert door.api.post(f"/transfers/{token}/accept", user=receiver).status == 201
        assert door.add("google", user=receiver).status == 200
        owners.reverse()
    return ticket_id


def test_passes_of_former_owners_become_void_once(shop, google):
    """Anybody can give a ticket away again and again. Its updates must not take longer and longer."""
    door = shop[0]
    ticket_id = hand_on(door, google, 8)
    door.update()
    stored = [google.stored[name]["state"] for name in google.stored if f".{ticket_id}." in name]
    assert sorted(stored) == ["ACTIVE", *["INACTIVE"] * 8]
    google.requests.clear()
    door.change_event(name="Edited")
    door.update()
    assert sorted(patched(google)) == sorted(tickets(door)), "only the pass of the present owner"


@pytest.mark.parametrize("way", ["refund", "resale"])
def test_passes_of_void_tickets_become_void_once(shop, google, way):
    door = shop[0]
    ticket_id = tickets(door)[0]
    door.lose_first_ticket(way)
    door.update()
    assert google.object(ticket_id)["state"] == "INACTIVE"
    google.requests.clear()
    door.change_event(name="Edited")
    door.update()
    assert sorted(patched(google)) == sorted(tickets(door)[1:])


def test_classes_that_google_accepts_are_not_changed_again_with_others(shop, google, time):
    """An event may have many ticket types, and Google limits the calls of an issuer: each run gets on."""
    door, limit = shop[0], 3
    for number in range(6):
        store.add_class(door.event_id, f"extra-{number}", "digest", None, time.now + 86_400)
        google.stored[passes.google.class_id(door.event_id, f"extra-{number}")] = {}
    accept, calls = google.answer, []

    def answer(method, path, headers, body):
        if "eventTicketClass" in path:
            calls.append(path)
            if len(calls) > limit:
                return 429, {"error": {"code": 429}}
        return accept(method, path, headers, body)

    google.answer = answer
    door.change_event(name="Edited")
    door.wait(5)
    rounds = 0
    while waiting():
        calls.clear()
        rounds += 1
        door.run_schedule()
        time.advance(3600)
    assert rounds == 3, "seven classes, three of which are accepted in each run"
    classes = [content for name, content in google.stored.items() if f".{door.event_id}." in name and "eventName" in content]
    assert {content["eventName"]["defaultValue"]["value"] for content in classes} == {"Edited"}
    assert len(classes) == 7


def test_classes_that_wait_in_updates_of_earlier_releases_are_changed(shop, google, time):
    door = shop[0]
    store.put_updates([store.Update("event", door.event_id, time.now, position=store.END)], time.now)
    time.advance(1)
    assert door.run_schedule()["updated"] == 1
    assert (classes(google), patched(google), waiting()) == (1, [], 0)


def test_updates_of_earlier_releases_are_made(shop, google, time):
    """They have a key of their own for each change."""
    door, other = shop
    rows = [("event", door.event_id, f"0000000000000{number:03}") for number in range(15)]
    rows += [("ticket", ticket_id, "0000000000000001") for ticket_id in tickets(other)]
    for kind, target, nonce in rows:
        content = {"M": {"kind": {"S": kind}, "id": {"S": target}, "since": {"N": str(time.now)}, "attempts": {"N": "0"}}}
        item = {"pk": {"S": "due"}, "sk": {"S": f"{time.now:011}#{kind}#{target}#{nonce}"}, "content": content}
        dynamo.client().put_item(TableName=store.WalletRow.name(), Item=item)
    time.advance(1)
    door.run_schedule()
    assert sorted(patched(google)) == sorted([*tickets(door), *tickets(other)])
    assert waiting() == 0


# Google's limit: 20 calls a second for two instances of the job and for buyers who save tickets.


@pytest.fixture
def large_event(shop, google, monkeypatch):
    """An event with 124 tickets of two types in Google Wallet."""
    door = shop[0]
    tier_id = builders.create_tier(door.api, door.event_id, name="Balcony", capacity=120)
    for number in range(30):
        order_id = builders.create_order(door.api, (door.event_id, tier_id), PASSES, f"user-{number}")
        for ticket in range(1, PASSES + 1):
            door.time.advance(1)
            added = door.api.post(f"/tickets/{order_id}-{ticket}/passes", json={"wallet": "google"}, user=f"user-{number}")
            assert added.status == 200, added.json
    monkeypatch.setattr(passes.parallel, "call_each", google.call_each)
    google.requests.clear()
    google.calls.clear()
    return door


def test_the_job_keeps_to_its_part_of_googles_limit(large_event, google):
    large_event.change_event(name="Edited")
    large_event.wait(5)
    report = large_event.run_schedule()
    assert (report["updated"], report["failed"], report["left"], waiting()) == (126, 0, 0, 0)
    assert (max(google.calls.values()), google.refused) == (8, 0)
    assert len(google.calls) <= 17, "15.75 seconds at eight calls a second"


def test_the_rest_of_an_event_waits_for_the_next_run_when_google_has_no_time(large_event, google, time):
    """Nothing has failed, so it comes soon, and repeated edits do not make the rest longer."""
    for number in range(3):
        large_event.change_event(name=f"Concert {number}")
        large_event.wait(5)
        with deadline.within(passes.SECONDS_RESERVED + 2):
            report = large_event.run_schedule()
        assert (report["failed"], google.refused) == (0, 0)
    assert 0 < waiting() <= 126
    for _ in range(2):
        time.advance(60)
        large_event.run_schedule()
    assert waiting() == 0
    names = {content["eventName"]["defaultValue"]["value"] for content in google.stored.values() if "eventName" in content}
    assert "Concert 2" in names


def test_after_a_refusal_the_job_makes_no_calls_for_a_while(shop, google, time):
    """Buyers use the whole limit. The update stays due, and does not count as an attempt."""
    door = shop[0]
    builders.refund(door.api, door.order_id, tickets=tickets(door)[:2])
    door.wait(5)
    google.rate = 0
    google.calls.clear()
    report = door.run_schedule()
    due = [row.content for row in store.UpdateRow.query("due")]
    assert (report["left"], report["failed"], {update.id for update in due}) == (2, 0, set(tickets(door)[:2]))
    assert sum(update.attempts for update in due) == 0
    assert sum(google.calls.values()) <= 2
    google.calls.clear()
    google.rate = 20
    time.advance(passes.google.PAUSE_SECONDS - 20)
    assert door.run_schedule()["left"] == 2
    assert sum(google.calls.values()) == 0
    time.advance(20)
    assert door.run_schedule()["updated"] == 2


def test_what_is_left_to_google_waits_for_the_schedule(door, google):
    assert door.add("google").status == 200
    google.calls.clear()
    google.rate = 0
    builders.refund(door.api, door.order_id, tickets=[door.tickets[0].id])
    for _ in range(5):
        door.wait(1)
        if google.calls:
            break
    assert waiting() == 1
    google.calls.clear()
    google.rate = 20
    door.wait(5)
    assert sum(google.calls.values()) == 0
    assert door.run_schedule()["updated"] == 1
