"""When an instance loads the catalog again."""

import zlib
from unittest import mock

import msgspec
import pytest
from msgspec.structs import asdict, replace

from chalicelib.catalog import event_states, holdbacks, revisions, store, tier_management
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Brand, PromoterAccount, PromoterStop, VersionContent, in_display_order
from chalicelib.catalog.snapshots import CATALOG_SECONDS
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import settings
from tests import builders
from tests.bootstrap.conftest import event, ticket
from tests.catalog.requests import create_draft, create_published, promoter
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
        another_instance.setattr("chalicelib.catalog.snapshots.expire", lambda: None)
        apply_document([event("fest", name="New")])
    assert api.get("/events").json[0]["name"] == "Fest"
    time.advance(settings.current().head_check_seconds)
    assert api.get("/events").json[0]["name"] == "New"


def test_an_event_that_is_newer_than_the_snapshot_is_seen_at_once(api, apply_document, monkeypatch):
    apply_document()
    api.get("/events")
    with monkeypatch.context() as another_instance:
        another_instance.setattr("chalicelib.catalog.snapshots.expire", lambda: None)
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


def test_an_unchanged_catalog_is_not_loaded_again(api, apply_document, time):
    apply_document()
    api.get("/events")
    time.advance(CATALOG_SECONDS)
    with record_calls() as calls:
        api.get("/events")
    assert [entry.operation for entry in calls.of(table="catalog")] == ["GetItem"]


@pytest.fixture
def elsewhere(api):
    """Another instance, with a snapshot of an empty catalog. The test itself runs on an instance of its own."""
    here, other = InstanceMemory(), InstanceMemory()
    with separate_memories(), here.active():
        with other.active():
            api.get("/events")
        yield other


def edit(api, event_id, **fields):
    assert api.patch(f"/events/{event_id}", json=fields, **promoter()).status == 200


def name_elsewhere(api, elsewhere, event_id):
    with elsewhere.active():
        return api.get(f"/events/{event_id}").json.get("name")


def test_an_instance_reads_only_what_another_has_changed(api, time, elsewhere):
    event_id, _ = create_published(api)
    name_elsewhere(api, elsewhere, event_id)
    for number in range(3):
        edit(api, event_id, name=f"Name {number}")
    time.advance(settings.current().head_check_seconds)
    with record_calls(measured=True) as calls:
        assert name_elsewhere(api, elsewhere, event_id) == "Name 2"
    catalog_calls = calls.of(table="catalog")
    assert [(entry.operation, entry.read_units) for entry in catalog_calls] == [("GetItem", 1), ("BatchGetItem", 1.5)]
    assert name_elsewhere(api, elsewhere, event_id) == "Name 2"


def test_changes_to_drafts_reach_managers_and_cost_buyers_nothing(api, time, elsewhere):
    published, _ = create_published(api)
    draft = create_draft(api)["id"]
    with elsewhere.active():
        before, revision = catalog.refresh_snapshot(), api.get("/catalog").json["revision"]
        assert catalog.find_event(draft).name != "Secret"
    edit(api, draft, name="Secret")
    time.advance(settings.current().head_check_seconds)
    with elsewhere.active():
        with record_calls() as calls:
            assert api.get(f"/events/{published}").status == 200
            assert api.get("/catalog").json["revision"] == revision
            assert catalog.snapshot() is before
        assert [entry.operation for entry in calls.of(table="catalog")] == ["GetItem"]
        assert catalog.find_event(draft).name == "Secret"
        assert catalog.load_current().events[draft].name == "Secret"
        assert api.get("/catalog").json["revision"] == revision


def test_publishing_and_unpublishing_reach_buyers(api, time, elsewhere):
    event_id, _ = create_published(api)
    time.advance(settings.current().head_check_seconds)
    assert name_elsewhere(api, elsewhere, event_id) is not None
    assert api.post(f"/events/{event_id}/unpublish", **promoter()).status == 200
    time.advance(settings.current().head_check_seconds)
    assert name_elsewhere(api, elsewhere, event_id) is None


def test_a_change_that_the_previous_version_made_is_seen_with_all_later_ones(api, time, elsewhere):
    """The previous version writes the entry and counts the revision, but does not write to the log."""
    event_id, _ = create_published(api)
    name_elsewhere(api, elsewhere, event_id)
    known = catalog.load_current().events[event_id]
    dynamo.transact([store.put_event_item(replace(known, name="Old")), store.increment_revision_item()])
    time.advance(settings.current().head_check_seconds)
    assert name_elsewhere(api, elsewhere, event_id) == "Old"
    edit(api, event_id, venue="New hall")
    time.advance(settings.current().head_check_seconds)
    with elsewhere.active():
        assert (api.get(f"/events/{event_id}").json["name"], api.get(f"/events/{event_id}").json["venue"]) == ("Old", "New hall")


def test_a_change_too_large_for_the_log_is_seen(api, time, elsewhere, monkeypatch):
    event_id, first = create_published(api)
    second = builders.create_tier(api, event_id, "Second")
    with elsewhere.active():
        before = [tier.id for tier in in_display_order(catalog.refresh_snapshot().event_tiers(event_id))]
    monkeypatch.setattr(dynamo, "MAX_TRANSACT_ITEMS", 4)  # two tiers, the audit entry and the head
    tier_management.reorder_tiers(event_id, before[::-1], None, "ada", time.now)
    assert asdict(catalog.load_current()) == asdict(store.load_live(store.read_head()))
    time.advance(settings.current().head_check_seconds)
    with elsewhere.active():
        assert [tier.id for tier in in_display_order(catalog.snapshot().event_tiers(event_id))] == before[::-1]
    assert {first, second} == set(before)


@pytest.fixture
def large(api, apply_document, time, monkeypatch):
    """A catalog that counts as large, with a bootstrap event and two events of the API, and its snapshot. Returns the ids of the two."""
    monkeypatch.setattr(store, "MIN_SNAPSHOT_ENTRIES", 2)
    monkeypatch.setattr(store, "MAX_CHANGES_SINCE_SNAPSHOT", 4)
    monkeypatch.setattr(store, "SNAPSHOT_PART_BYTES", 100)
    apply_document()
    event_ids = [create_published(api)[0] for _ in range(2)]
    assert builders.run_sweep()["catalog_snapshots"] == 1
    return event_ids


def check_cold(*, reads_entries=False, reads_flags=False):
    """Check that a new instance loads the right catalog, and whether it reads all entries, or the flags, accounts and releases."""
    query = mock.patch.object(store.CatalogRow, "query", wraps=store.CatalogRow.query)
    with mock.patch.object(store, "load_live", wraps=store.load_live) as load_live, query as queried:
        loaded = store.load(store.read_head())
        assert load_live.called == reads_entries
    assert ("live" in [call.args[0] for call in queried.call_args_list]) == (reads_entries or reads_flags)
    assert asdict(loaded) == asdict(store.load_live(loaded.head))


def test_a_new_instance_reads_the_snapshot_and_the_changes_since(api, apply_document, large, time):
    check_cold()
    edit(api, large[0], name="Other")
    catalog.set_paused("fest", True, "root", time.now)
    catalog.set_paused(large[1], True, "root", time.now)
    create_published(api)
    check_cold()
    apply_document([event("fest", name="New")])
    catalog.set_paused(large[1], False, "root", time.now)
    check_cold()


def stop(promoter_id, is_stopped, time):
    change = PromoterStop(promoter_id, is_stopped)
    dynamo.transact(event_states.set_promoter_stopped_items(catalog.load_current(), change, "root", time.now, is_logged=True))
    catalog.expire()


def change_account(promoter_id, state, time):
    event_states.change_account(promoter_id, lambda _: PromoterAccount(promoter_id, f"acct_{promoter_id}", state), "root", time.now)


def change_color(promoter_id, color, time):
    event_states.change_choices(promoter_id, lambda before: replace(before, brand=Brand(color)), promoter_id, time.now)


def test_promoters_and_releases_are_in_the_snapshot_and_the_log(api, apply_document, large, time):
    """They too have one partition key, which a marketplace with hundreds of promoters would bring to its limit."""
    owner = catalog.load_current().events[large[0]].promoter_id
    for promoter_id in (owner, "bea", "cleo"):
        change_account(promoter_id, "restricted", time)
        change_color(promoter_id, "#123456", time)
        stop(promoter_id, True, time)
    holdbacks.open_resale_stock("fest-pass", 4500, "root", time.now)
    catalog.set_paused("fest", True, "root", time.now)
    check_cold()
    assert builders.run_sweep()["catalog_snapshots"] == 1
    check_cold()
    change_account("bea", "active", time)
    change_color("bea", "#654321", time)
    change_account("dora", "pending", time)
    stop(owner, False, time)
    change_account(owner, "active", time)
    holdbacks.open_resale_stock("fest-pass", 4600, "root", time.now)
    catalog.set_paused("fest", False, "root", time.now)
    check_cold()


def test_a_pause_outlasts_versions_without_the_event(api, apply_document, large, time):
    apply_document([event("fest"), event("other")], [ticket("fest-pass"), ticket("other-pass", "other")])
    catalog.set_paused("other", True, "root", time.now)
    with_other = store.load_content(store.read_head().version)
    for content in (replace(with_other, events=with_other.events[:1], tiers=with_other.tiers[:1]), with_other):
        head = store.read_head()
        after = replace(head.next(), version=head.version + 1, copied_parts=store.write_version(head.version + 1, content, b"{}"))
        dynamo.transact(store.replace_head_items(head, after))
        catalog.expire()
        assert store.write_snapshot(catalog.load_current())
        check_cold()
    assert catalog.load_current().events["other"].paused


@pytest.fixture
def former_snapshot(large, time):
    """A snapshot as the previous version of Fairgate writes it: without promoters, pauses and releases. It is current."""
    change_account("bea", "active", time)
    current, number = catalog.load_current(), store.read_head().snapshot + 1
    own = [[entry for entry in entries.values() if entry.managed_by == "api"] for entries in (current.events, current.tiers)]
    body = zlib.compress(msgspec.json.encode(VersionContent(*own, {})))
    store.CatalogRow(f"snapshot#{number}#0", "part", revision=number, body=body).save()
    row = store.CatalogRow.find("head", "head")
    row.snapshot, row.snapshot_revision, row.snapshot_parts = number, current.revision, 1
    row.save()
    store.CatalogRow("counter", "snapshot", version=number).save()
    catalog.invalidate()


def test_a_snapshot_of_the_previous_version_is_used_and_soon_replaced(api, large, former_snapshot, time):
    check_cold(reads_flags=True)
    change_account("bea", "restricted", time)
    check_cold(reads_flags=True)
    assert builders.run_sweep()["catalog_snapshots"] == 1
    check_cold()
    time.advance(60)
    assert builders.run_sweep()["catalog_snapshots"] == 0


def test_a_snapshot_of_the_previous_version_is_replaced_even_if_nothing_has_changed(api, large, former_snapshot, time):
    assert builders.run_sweep()["catalog_snapshots"] == 1
    check_cold()
    time.advance(60)
    assert builders.run_sweep()["catalog_snapshots"] == 0


def test_the_previous_version_can_read_the_snapshot(api, large, time):
    """It reads the events and tiers from it, and everything else from the rows themselves."""
    change_account("bea", "active", time)
    current = catalog.load_current()
    assert store.write_snapshot(current)
    head = store.read_head()
    parts = [store.CatalogRow.find(f"snapshot#{head.snapshot}#{index}", "part") for index in range(head.snapshot_parts)]
    read = msgspec.json.decode(zlib.decompress(b"".join(part.body for part in parts)), type=VersionContent)
    assert {entry.id for entry in read.events} == set(large)
    assert {entry.event_id for entry in read.tiers} == set(large)


def test_a_catalog_with_many_promoters_or_releases_has_snapshots_too(api, apply_document, time, monkeypatch):
    apply_document()
    monkeypatch.setattr(store, "MIN_SNAPSHOT_ENTRIES", 3)
    change_account("bea", "active", time)
    change_color("bea", "#123456", time)
    assert builders.run_sweep()["catalog_snapshots"] == 0
    holdbacks.open_resale_stock("fest-pass", 4500, "root", time.now)
    assert builders.run_sweep()["catalog_snapshots"] == 1
    check_cold()


def test_the_sweep_writes_a_snapshot_after_many_changes(api, large):
    for number in range(4):
        edit(api, large[0], name=f"Name {number}")
    assert builders.run_sweep()["catalog_snapshots"] == 0
    for number in range(20):
        edit(api, large[0], name=f"Later {number}")
        builders.run_sweep()
        check_cold()
    assert store.read_head().snapshot == 1 + 24 // 5


def test_an_instance_far_behind_reads_the_snapshot(api, large, monkeypatch):
    monkeypatch.setattr(store, "MAX_CHANGES", 2)
    known = catalog.load_current()
    for number in range(3):
        edit(api, large[0], name=f"Name {number}")
    head = store.read_head()
    assert asdict(store.load(head, known)) == asdict(store.load_live(head))


def test_a_log_that_has_gone_round_is_not_used(api, large, monkeypatch):
    monkeypatch.setattr(store, "CHANGE_ROWS", 2)
    for number in range(3):
        edit(api, large[0], name=f"Name {number}")
    check_cold(reads_entries=True)


def test_a_snapshot_whose_rows_are_used_again_is_not_used(api, large):
    head = store.read_head()
    for number in range(store.SNAPSHOT_ROWS):
        edit(api, large[0], name=f"Name {number}")
        assert store.write_snapshot(catalog.load_current())
    with mock.patch.object(store, "load_live", wraps=store.load_live) as load_live:
        store.load(head)
    assert load_live.called


@pytest.mark.parametrize(("key", "kind"), [("snapshot#{}#0", "part"), ("change#{}", "change")])
def test_a_missing_row_is_made_good_from_the_entries(api, large, key, kind):
    edit(api, large[0], name="Other")
    head = store.read_head()
    store.CatalogRow(key.format(head.snapshot if kind == "part" else head.revision), kind).delete()
    check_cold(reads_entries=True)


def rename_by_hand(event_id, name):
    """Change the entry of an event without the log, as somebody who repairs a row."""
    known = catalog.load_current().events[event_id]
    store.CatalogRow("live", f"event#{event_id}", text=replace(known, name=name)).save()


def test_after_the_previous_version_the_sweep_writes_a_new_snapshot(api, large):
    rename_by_hand(large[0], "Old")
    dynamo.transact([store.increment_revision_item()])
    catalog.expire()
    check_cold(reads_entries=True)
    assert builders.run_sweep()["catalog_snapshots"] == 1
    check_cold()


def test_after_an_invalidation_no_other_instance_reads_the_entries(api, large, elsewhere, time, monkeypatch):
    """All entries have one partition key, and hundreds of instances would keep each other waiting for it."""
    name_elsewhere(api, elsewhere, large[0])
    rename_by_hand(large[0], "By hand")
    write = store.write_snapshot_parts

    def write_while_others_edit(entries):
        written = write(entries)
        edit(api, large[1], name="In between")
        return written

    monkeypatch.setattr(store, "write_snapshot_parts", write_while_others_edit)
    revisions.invalidate_everywhere("root", time.now)
    monkeypatch.setattr(store, "write_snapshot_parts", write)
    time.advance(settings.current().head_check_seconds)
    with mock.patch.object(store, "load_live") as load_live:
        assert name_elsewhere(api, elsewhere, large[0]) == "By hand"
        assert name_elsewhere(api, elsewhere, large[1]) == "In between"
        assert not load_live.called
    assert api.get(f"/events/{large[0]}").json["name"] == "By hand"
    check_cold()


def test_a_snapshot_from_before_an_invalidation_is_not_used(api, large, time):
    before = catalog.load_current()
    rename_by_hand(large[0], "By hand")
    revisions.invalidate_everywhere("root", time.now)
    late = replace(before, head=replace(before.head, revision=before.revision + 2))
    edit(api, large[1], name="Later")
    assert not store.write_snapshot(late)
    check_cold()


def test_an_invalidation_gives_up_if_others_change_the_catalog_all_the_time(api, large, time, monkeypatch):
    monkeypatch.setattr(revisions, "MAX_URGENT_ATTEMPTS", 2)
    monkeypatch.setattr(revisions, "PAUSE_SECONDS", (0, 0))
    transact = dynamo.transact

    def edit_first(items):
        transact([store.increment_revision_item()])
        transact(items)

    monkeypatch.setattr(dynamo, "transact", edit_first)
    with pytest.raises(revisions.CatalogChanging):
        revisions.invalidate_everywhere("root", time.now)


def test_a_slow_writer_does_not_replace_a_newer_snapshot(api, large):
    old = catalog.load_current()
    edit(api, large[0], name="Other")
    assert store.write_snapshot(catalog.load_current())
    newest = store.read_head().snapshot
    assert not store.write_snapshot(old)
    assert store.read_head().snapshot == newest
    check_cold()


def test_a_missing_table_is_not_called_busy(api, apply_document, time):
    apply_document()
    dynamo.client().delete_table(TableName=dynamo.table_name("catalog"))
    catalog.invalidate()
    reply = api.get("/events")
    assert (reply.status, reply.json["error"]) == (503, "not_set_up")
