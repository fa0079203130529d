"""Migrations of stored data: each is made once in a stage, and continues where it was stopped."""

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import settings
from chalicelib.notifications.store import NotificationRow
from chalicelib.purchases import store as purchases
from infra import backup, migrations, tables
from tests import builders
from tests.simulation import faults

EMAIL = "ada@example.com"


def said(when="after"):
    """What the migrations print."""
    lines = []
    migrations.apply(when, lines.append)
    return lines


@pytest.fixture
def orders(api):
    """Orders of one address, as a version before the index of addresses stored them."""
    event_id, tier_id = builders.create_shop(api)
    replies = [builders.buy(api, user, event_id, tier_id, customer_email=EMAIL) for user in ("ada", "bob", "eve")]
    bought = [reply.json["order"]["id"] for reply in replies]
    assert found() == sorted(bought)
    for order in bought:
        row = purchases.CheckoutDetailsRow
        assert dynamo.update_if(row(order), [row.email_key.remove()], row.id.exists())
    assert found() == []
    return sorted(bought)


def found():
    return sorted(purchases.list_ids_of_address(EMAIL, None))


def test_earlier_orders_are_found_by_their_address(orders):
    assert said()[0] == "Migration 1: find earlier orders by the buyer's address (table checkout-details)"
    assert found() == orders


def test_an_erased_address_stays_erased(orders, store):
    before = store.get_item(TableName=purchases.CheckoutDetailsRow.name(), Key={"id": {"S": orders[0]}})["Item"]
    purchases.erase_details(orders[0])
    migrations.MIGRATIONS[0].change(before)  # it was read before the erasure
    said()
    assert found() == orders[1:]


def test_earlier_emails_get_the_time_when_they_were_due(store, time):
    item = {"id": {"S": "old"}, "created_at": {"N": str(time.now - 60)}, "status": {"S": "sent"}}
    store.put_item(TableName=NotificationRow.name(), Item=item)
    said()
    assert NotificationRow.find("old").due_at == time.now - 60


def test_a_migration_is_made_once(orders):
    said()
    with faults.record_calls() as calls:
        assert said() == []
    assert [entry.operation for entry in calls.of()] == ["GetItem"]


def test_a_stopped_migration_continues_where_it_was(orders, monkeypatch):
    monkeypatch.setattr(migrations, "PAGE", 1)
    with faults.record_calls() as calls:
        said()
    assert found() == orders
    assert len(calls.of(operation="Scan")) > len(orders)


@pytest.mark.parametrize("pages", [0, 1, 2])
def test_a_crash_repeats_at_most_one_page(orders, monkeypatch, pages):
    monkeypatch.setattr(migrations, "PAGE", 1)
    reads = len(orders) + len(migrations.MIGRATIONS)
    with faults.crash_before(pages + 1, operation="UpdateItem", table="job-runs") as crash:
        said()
    assert crash.was_triggered
    with faults.record_calls() as calls:
        said()
    assert found() == orders
    assert len(calls.of(operation="Scan")) <= reads - pages


def test_a_table_that_the_stage_lacks_is_migrated_when_its_addon_returns(orders, monkeypatch):
    monkeypatch.setattr(migrations, "addon_names", lambda _stage: ())
    later = migrations.Migration(9, "later", "after", "waitlist", lambda _item: None)
    monkeypatch.setattr(migrations, "MIGRATIONS", (later,))
    assert said() == []
    monkeypatch.undo()
    monkeypatch.setattr(migrations, "MIGRATIONS", (later,))
    assert said() == ["Migration 9: later (table waitlist)"]


def test_only_some_migrations_come_before_the_stack_changes(store, monkeypatch):
    done = []
    before = migrations.Migration(3, "new form", "before", "buyers", done.append)
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, before))
    assert said("before") == ["Migration 3: new form (table buyers)"]
    assert said() == [f"Migration {each.number}: {each.name} (table {each.feature})" for each in migrations.MIGRATIONS[:-1]]


def test_a_release_that_has_to_come_first_is_named(store, monkeypatch):
    """The migration after it would have to run on tables that the stage does not have yet."""
    next_one = migrations.Migration(3, "drop the old form", "before", "checkout-details", lambda _item: None)
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, next_one))
    with pytest.raises(migrations.OrderRefused, match=r"whose infra/migrations\.py ends with migration 1, then this one"):
        said("before")
    assert len(said()) == 3


def test_a_new_stage_has_nothing_to_migrate_before_its_tables_exist(store):
    with settings.override(stage="new"):
        assert said("before") == []


def test_the_progress_moves_with_a_backup(orders, tmp_path):
    said()
    backup.save(tmp_path / "saved")
    with settings.override(stage="moved"):
        tables.create_all(dynamo.client())
        backup.load(tmp_path / "saved")
        assert said() == []


def test_numbers_are_unique_and_ascend():
    numbers = [migration.number for migration in migrations.MIGRATIONS]
    assert numbers == sorted(set(numbers))
