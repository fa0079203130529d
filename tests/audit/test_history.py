"""An admin calls every route that writes, and all earlier audit entries are still there, unchanged."""

from tests.access.test_table import OPERATIONS
from tests.access.world import World, new_world

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


def test_the_history_is_read_and_nothing_else(time):
    with new_world() as world:
        for path in LISTS:
            assert f"GET {path}" in OPERATIONS
            before = history(world)
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                reply = world.send(method, path, "admin")
                assert (reply.status, reply.json["error"]) == (405, "method_not_allowed"), (method, path, reply.json)
            assert history(world) == before
