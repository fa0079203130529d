"""What happens to a room by itself: the draw, pauses, and no admissions that pile up."""

from threading import Barrier

import pytest

from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, memory, settings
from chalicelib.waiting_room import room_cache, store
from tests import builders
from tests.simulation.threads import run_in_threads
from tests.waiting_room.sale import SECONDS_TO_OPENING, create_sale, get_status, join, join_many, reserve, users_by_position


def load_as_another_instance(event_id, now, barrier):
    """Load the room as an instance with an empty cache does."""
    current = catalog.load_current()
    barrier.wait()
    return room_cache._load(current.revision, current.events[event_id], now).room


@pytest.mark.slow
@pytest.mark.usefixtures("threaded_store")
@pytest.mark.parametrize("closing_seconds", [0, 90])
def test_twenty_instances_that_open_a_room_at_once_record_one_draw(api, time, closing_seconds):
    with settings.override(waiting_room_counters=3, draw_closing_seconds=closing_seconds):
        for round_number in range(5):
            event_id, _ = create_sale(api, time, f"Drop {round_number}")
            run_in_threads(16, lambda number: join(api, event_id, f"u{number}"), range(40))  # noqa: B023
            time.advance(SECONDS_TO_OPENING - 1)
            api.get(f"/events/{event_id}/waiting-room/state")  # publishes the list of entries if the draw has closed
            time.advance(1)
            barrier = Barrier(20)
            rooms = run_in_threads(20, lambda _: load_as_another_instance(event_id, time.now, barrier), range(20))  # noqa: B023
            drawn = {(room.key, tuple(room.offsets), tuple(room.segments)) for room in rooms if room.n is not None}
            assert len(drawn) == 1
            assert {room.n for room in rooms} <= {40, None}  # None: another instance was at it


def test_a_sale_that_opens_paused_admits_its_first_wave_on_resume(api, time, sale):
    """However late the first request: the first wave keeps its full passes, and the second wave does not come in with it."""
    event_id, tier_id = sale
    tokens = join_many(api, event_id, 5)
    api.post(f"/admin/events/{event_id}/pause", token=builders.admin_token())
    time.advance(2)
    before = get_status(api, event_id, tokens["u0"])
    assert (before["state"], before["paused"], before["eta_seconds"]) == ("waiting", True, None)
    time.advance(SECONDS_TO_OPENING + 500)
    queue = users_by_position(api, event_id, tokens)
    assert {get_status(api, event_id, token)["can_enter"] for token in tokens.values()} == {False}
    api.post(f"/admin/events/{event_id}/resume", token=builders.admin_token())
    first, fourth = get_status(api, event_id, tokens[queue[0]]), get_status(api, event_id, tokens[queue[3]])
    assert (first["can_enter"], first["pass_seconds_left"]) == (True, 60)
    assert (fourth["can_enter"], fourth["eta_seconds"]) == (False, 30)
    assert reserve(api, event_id, tier_id, queue[0], tokens[queue[0]]).status == 201


def move_opening(api, event_id, opens_at):
    moved = {"on_sale_at": clock.iso(opens_at), "starts_at": clock.iso(opens_at + 86_400)}
    assert api.patch(f"/events/{event_id}", json=moved, token=builders.admin_token()).status == 200


def test_people_keep_their_turn_when_the_opening_is_moved_after_the_draw(api, time, sale):
    event_id, tier_id = sale
    tokens = join_many(api, event_id, 8)
    time.advance(SECONDS_TO_OPENING + 20)
    queue = users_by_position(api, event_id, tokens)
    move_opening(api, event_id, time.now + 3600)
    time.advance(2)
    waiting = get_status(api, event_id, tokens[queue[0]])
    assert (waiting["state"], waiting["paused"], waiting["eta_seconds"]) == ("waiting", False, 3598)
    move_opening(api, event_id, time.now + 7200)
    time.advance(2)
    assert get_status(api, event_id, tokens[queue[4]])["eta_seconds"] == 7198
    time.advance(7198)
    first, fourth, seventh = (get_status(api, event_id, tokens[queue[place]]) for place in (0, 3, 6))
    assert (first["can_enter"], first["pass_seconds_left"]) == (True, 38)  # 22 seconds had passed before the move was seen
    assert (fourth["can_enter"], fourth["eta_seconds"]) == (False, 8)
    assert seventh["eta_seconds"] == 38
    assert reserve(api, event_id, tier_id, queue[0], tokens[queue[0]]).status == 201
    time.advance(8)
    assert reserve(api, event_id, tier_id, queue[3], tokens[queue[3]]).status == 201


def test_an_opening_that_was_moved_may_be_moved_back_or_begin_paused(api, time, sale):
    event_id, tier_id = sale
    tokens = join_many(api, event_id, 4)
    time.advance(SECONDS_TO_OPENING)
    queue = users_by_position(api, event_id, tokens)
    move_opening(api, event_id, time.now + 3600)
    time.advance(2)
    assert get_status(api, event_id, tokens[queue[0]])["can_enter"] is False
    assert api.post(f"/admin/events/{event_id}/pause", token=builders.admin_token()).status == 200
    move_opening(api, event_id, time.now + 60)
    time.advance(60)
    assert get_status(api, event_id, tokens[queue[0]])["paused"] is True
    assert reserve(api, event_id, tier_id, queue[0], tokens[queue[0]]).json["error"] == "event_paused"
    move_opening(api, event_id, time.now + 3600)
    assert api.post(f"/admin/events/{event_id}/resume", token=builders.admin_token()).status == 200
    time.advance(2)
    assert get_status(api, event_id, tokens[queue[0]])["eta_seconds"] == 3598
    move_opening(api, event_id, time.now)
    time.advance(2)
    assert reserve(api, event_id, tier_id, queue[0], tokens[queue[0]]).status == 201
    assert get_status(api, event_id, tokens[queue[3]])["position"] == 4


def test_a_poll_that_is_older_than_a_pause_does_not_pause_again(api, time, sale):
    """The time of a request is when it began; the pause that it reads from the store may be a second younger."""
    event_id, _ = sale
    token = join(api, event_id, "ada")
    time.advance(SECONDS_TO_OPENING)
    get_status(api, event_id, token)
    time.advance(40)
    assert api.post(f"/admin/events/{event_id}/pause", token=builders.admin_token()).status == 200
    plan = store.load_room_and_arrivals(event_id)[0].segments
    time.advance(-1)
    memory.forget_everything()
    assert get_status(api, event_id, token)["position"] == 1
    assert store.load_room_and_arrivals(event_id)[0].segments == plan


def test_an_instance_with_a_late_clock_revokes_no_admission(api, time, sale):
    """For it, the sale has not opened yet."""
    event_id, _ = sale
    tokens = join_many(api, event_id, 5)
    time.advance(SECONDS_TO_OPENING)
    assert [get_status(api, event_id, token)["can_enter"] for token in tokens.values()].count(True) == 3
    time.advance(-1)
    for change, body in (("waiting-room/let-in", {"count": 1}), ("pause", None)):
        assert api.post(f"/admin/events/{event_id}/{change}", json=body, token=builders.admin_token()).status == 200
    time.advance(1)
    statuses = [get_status(api, event_id, token) for token in tokens.values()]
    assert [status["pass_seconds_left"] for status in statuses].count(60) == 4
    assert all(status["paused"] for status in statuses)


def test_admissions_do_not_pile_up_while_the_queue_is_empty(api, time, sale):
    event_id, _ = sale
    time.advance(SECONDS_TO_OPENING + 3600)
    tokens = join_many(api, event_id, 8)
    statuses = [get_status(api, event_id, token) for token in tokens.values()]
    assert [status["can_enter"] for status in statuses] == [True] * 3 + [False] * 5
    assert max(status["eta_seconds"] for status in statuses) <= 60


def test_a_room_that_the_previous_version_has_followed_opens(api, time, sale):
    """The previous version notes the catalog's revision, which is ahead of its public revision after an edit of a draft."""
    event_id, tier_id = sale
    draft = builders.create_event(api, "Draft", status="draft")
    tokens = join_many(api, event_id, 3)
    api.patch(f"/events/{draft}", json={"name": "Another draft"}, token=builders.admin_token())
    revision = catalog.load_current().head.revision
    row = store.WaitingRoomRow
    assert dynamo.update_if(row(f"room#{event_id}"), [row.revision.set(revision), row.version.add(1)], row.id.exists())
    memory.forget_everything()
    time.advance(SECONDS_TO_OPENING)
    first, *_ = users_by_position(api, event_id, tokens)
    assert reserve(api, event_id, tier_id, first, tokens[first]).status == 201
