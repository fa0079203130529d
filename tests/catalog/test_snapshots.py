"""When an instance loads the catalog again."""

from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import settings
from tests import builders
from tests.bootstrap.conftest import event, ticket
from tests.dynamodb.test_cache import counted
from tests.simulation.call_log import record_calls
from tests.simulation.instance_memory import InstanceMemory, separate_memories


def test_the_head_is_read_regularly_and_unchanged_loads_nothing(api, apply_document, time):
    apply_document()
    api.get("/events")
    reads_of_the_head = []
    for _ in range(20):
        time.advance(1)
        with record_calls() as calls:
            api.get("/events")
        reads_of_the_head.append(calls.count("GetItem"))
    assert reads_of_the_head == [0, 0, 0, 0, 1] * 4
    assert "Query" not in calls, "a head that has not moved loads nothing"


def test_hits_and_misses_are_counted_once_for_each_read(api, apply_document):
    apply_document()
    before = counted("cache_hit"), counted("cache_miss")
    for _ in range(3):
        api.get("/events")
    assert (counted("cache_hit") - before[0], counted("cache_miss") - before[1]) == (2, 1)


def test_a_change_by_another_instance_is_seen_when_the_head_is_read_again(api, apply_document, time, monkeypatch):
    apply_document()
    api.get("/events")
    with monkeypatch.context() as another_instance:  # it cannot drop the snapshot of this instance
        another_instance.setattr("chalicelib.catalog.snapshots.invalidate", lambda: None)
        apply_document([event("fest", name="New")])
    assert api.get("/events").json[0]["name"] == "Fest"
    time.advance(settings.current().head_check_seconds)
    assert api.get("/events").json[0]["name"] == "New"


def test_an_event_that_is_newer_than_the_snapshot_is_seen_at_once(api, apply_document, monkeypatch):
    apply_document()
    api.get("/events")
    with monkeypatch.context() as another_instance:
        another_instance.setattr("chalicelib.catalog.snapshots.invalidate", lambda: None)
        apply_document([event("fest"), event("new")], [ticket("fest-pass"), ticket("new-pass", "new")])
    assert api.get("/events/new").status == 200


def test_unknown_ids_cost_one_read_of_the_head_a_second(api, apply_document, time):
    apply_document()
    api.get("/events/fest")
    with record_calls() as calls:
        for number in range(5):
            assert api.get(f"/events/nowhere-{number}").status == 404
            assert api.get("/events/nowhere/availability").status == 404
            assert builders.reserve(api, "ada", "fest", f"nothing-{number}").status == 404
    assert calls == ["GetItem"]
    time.advance(1)
    with record_calls() as calls:
        api.get("/events/nowhere-1")
        api.get("/events/nowhere-2")
    assert calls == ["GetItem"]


def test_a_new_event_is_seen_at_once_locally_and_elsewhere_a_second_later(api, apply_document, time):
    apply_document()
    here, elsewhere = InstanceMemory(), InstanceMemory()
    with separate_memories():
        for instance in (here, elsewhere):
            with instance.active():
                assert api.get("/events/new").status == 404
        with here.active():
            apply_document([event("fest"), event("new")], [ticket("fest-pass"), ticket("new-pass", "new")])
            assert api.get("/events/new").status == 200
        with elsewhere.active():
            assert api.get("/events/new").status == 404
            time.advance(1)
            assert api.get("/events/new").status == 200


def test_an_unchanged_catalog_is_loaded_again_after_some_minutes(api, apply_document, time):
    apply_document()
    api.get("/events")
    time.advance(settings.current().cache_seconds)
    with record_calls() as calls:
        api.get("/events")
    assert "Query" in calls


def test_a_missing_table_is_a_500(api, apply_document, time):
    apply_document()
    dynamo.client().delete_table(TableName=dynamo.table_name("catalog"))
    catalog.invalidate()
    assert api.get("/events").status == 500
