"""An admin calls every route that writes, and all earlier audit entries are still there, unchanged."""

import pytest

from tests import builders
from tests.access.test_table import OPERATIONS
from tests.access.world import World, new_world
from tests.catalog.requests import create_draft, promoter

LISTS = ("/admin/audit", "/events/{event_id}/audit", "/admin/events/{event_id}/tickets/packages/{package_id}/audit")
WRITES = [operation for operation in OPERATIONS if not operation.startswith("GET ")]


def history(world: World) -> list[dict]:
    """All entries, the newest first."""
    entries, cursor = [], {}
    while True:
        reply = world.send("GET", "/admin/audit", "admin", {"limit": "1000"} | cursor)
        assert reply.status == 200, reply.json
        entries += reply.json["entries"]
        if reply.json["next_cursor"] is None:
            return entries
        cursor = {"cursor": reply.json["next_cursor"]}


@pytest.mark.slow
def test_no_route_changes_or_deletes_what_was_written_down(time):
    with new_world() as world:
        before = history(world)
        assert before
        for count, operation in enumerate(WRITES, 1):
            time.advance(1)
            world.send(*operation.split(" "), "admin")
            if count % 10 and count < len(WRITES):
                continue  # the whole history is read after ten routes
            after = history(world)
            assert after[len(after) - len(before) :] == before, f"one of {WRITES[:count][-10:]} has changed the history"
            before = after
    assert len({entry["action"] for entry in before}) > 10, "the routes were called with what changes something"


@pytest.mark.slow
def test_a_stranger_cannot_make_the_history_too_large_to_read(api, time):
    """Lambda returns at most 6 MB. Anybody can register as a promoter and change the long description of a draft."""
    event_id = create_draft(api)["id"]
    for number in range(60):
        assert api.patch(f"/events/{event_id}", json={"description": chr(1 + number % 2) * 10_000}, **promoter()).status == 200
    for path in ("/admin/audit", f"/events/{event_id}/audit"):
        found, cursor = 0, {}
        while cursor is not None:
            reply = api.get(path, query={"limit": 100} | cursor, token=builders.admin_token())
            assert len(reply.body) < 1_100_000
            found += len(reply.json["entries"])
            cursor = {"cursor": reply.json["next_cursor"]} if reply.json["next_cursor"] else None
        assert found == 61


def test_the_history_is_read_and_nothing_else(time):
    with new_world() as world:
        for path in LISTS:
            assert f"GET {path}" in OPERATIONS
            before = history(world)
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                reply = world.send(method, path, "admin")
                assert (reply.status, reply.json["error"]) == (405, "method_not_allowed"), (method, path, reply.json)
            assert history(world) == before
