"""Numbered changes of stored data. `make deploy` and `make run` apply each of them once per stage (decision 155).

A new release reads what earlier ones stored, so most changes need no migration. To add one, append it to MIGRATIONS with the next number.
Numbers and names stay for as long as a stage may come from before the migration.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal

from msgspec import Struct
from pynamodb.expressions.operand import Path

from chalicelib.accounts.model import email_key
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import parallel, settings
from chalicelib.notifications.store import NotificationRow
from chalicelib.purchases.store import CheckoutDetailsRow
from infra import tables
from infra.template.stages import addon_names

PAGE = 200  # items that are changed before the progress is saved
STATE = {"id": {"S": "migrations"}}  # the key of the progress in the table `job-runs`

Item = dict[str, Any]  # in wire format


class OrderRefused(Exception):
    """An earlier release has to be deployed first; the message names it by its last migration."""


class Migration(Struct, frozen=True):
    """A change of every item of a table. `change` changes one item, unless it is changed already, so repeating it is safe.

    A migration `before` a deployment gives the new code what it needs; the code before it must read both forms. A migration `after` a
    deployment changes what only the code before it wrote; the release before must read the result too, in case of a rollback.
    """

    number: int
    name: str
    when: Literal["before", "after"]
    feature: str
    change: Callable[[Item], None]


def _find_by_address(item: Item) -> None:
    """Put what an earlier version stored with a checkout into the index `address`, so that its buyer finds the tickets."""
    row = CheckoutDetailsRow.from_raw_data(item)
    email = row.details.email if row.details is not None else None
    if email and row.email_key is None:
        # An erasure in between empties the details.
        dynamo.update_if(row, [CheckoutDetailsRow.email_key.set(email_key(email))], Path("details") == item["details"])


def _note_when_due(item: Item) -> None:
    """Give an email of an earlier version the time from which it counts as late."""
    row = NotificationRow.from_raw_data(item)
    if row.due_at is None:
        unset = NotificationRow.id.exists() & NotificationRow.due_at.does_not_exist()
        dynamo.update_if(row, [NotificationRow.due_at.set(int(row.created_at))], unset)


MIGRATIONS = (
    Migration(1, "find earlier orders by the buyer's address", "after", "checkout-details", _find_by_address),
    Migration(2, "note when earlier emails were due", "after", "email-notifications", _note_when_due),
)


def apply(when: Literal["before", "after"], report: Callable[[str], None]) -> None:
    """Apply the current stage's pending migrations of the tables that it has. `report` prints a line.

    `before` applies those that come before a change of the stack; `after` applies all others. After an interruption, run it again: it
    continues where it stopped. Raises OrderRefused before anything is changed.
    """
    state = _State.load()
    if state is None:  # a new stage: nothing is stored yet
        return
    for migration in _due(when, state):
        report(f"Migration {migration.number}: {migration.name} (table {migration.feature})")
        _run(migration, state)


def _due(when: str, state: "_State") -> list[Migration]:
    present = tables.definitions(addon_names(settings.current().stage))
    pending = [each for each in MIGRATIONS if each.number not in state.applied and each.feature in present]
    if when == "after":
        return pending
    due = [migration for migration in pending if migration.when == "before"]
    for migration in due:
        for first in pending:
            if first.feature == migration.feature and first.when == "after" and first.number < migration.number:
                raise OrderRefused(
                    f"Migration {migration.number} ({migration.name}) comes before this deployment, and migration {first.number} "
                    f"({first.name}) after an earlier one. First deploy a revision whose infra/migrations.py ends with migration "
                    f"{first.number}, then this one."
                )
    return due


def _run(migration: Migration, state: "_State") -> None:
    for items, cursor in _pages(migration.feature, state.cursor_of(migration)):
        parallel.call_each(migration.change, items)
        state.save(migration, cursor)


def _pages(feature: str, cursor: Item | None) -> Iterator[tuple[list[Item], Item | None]]:
    """Yield the items of a table page by page, each with the cursor after it; None after the last page, or if there is no table yet."""
    client = dynamo.client()
    while True:
        start: Any = {"ExclusiveStartKey": cursor} if cursor else {}
        try:
            page = client.scan(TableName=dynamo.table_name(feature), Limit=PAGE, ConsistentRead=True, **start)
        except client.exceptions.ResourceNotFoundException:  # this deployment creates the table
            return
        cursor = page.get("LastEvaluatedKey")
        yield page["Items"], cursor
        if cursor is None:
            return


class _State(Struct):
    """The numbers of the applied migrations, and the progress of the current one. The same item serves all releases of a stage."""

    applied: set[int]
    current: int | None = None
    cursor: Item | None = None

    @classmethod
    def load(cls) -> "_State | None":
        """Load the progress. Returns None if the stage has no tables yet."""
        client = dynamo.client()
        try:
            item: Any = client.get_item(TableName=dynamo.table_name("job-runs"), Key=STATE, ConsistentRead=True).get("Item", {})
        except client.exceptions.ResourceNotFoundException:
            return None
        applied = {int(number) for number in item.get("applied", {}).get("NS", [])}
        return cls(applied, int(item["current"]["N"]) if "current" in item else None, item.get("cursor", {}).get("M"))

    def cursor_of(self, migration: Migration) -> Item | None:
        return self.cursor if self.current == migration.number else None

    def save(self, migration: Migration, cursor: Item | None) -> None:
        """Save that the migration has come to a cursor or, without a cursor, that it is done."""
        change: Any = {"UpdateExpression": "ADD applied :numbers REMOVE #current, #cursor"}
        values: Any = {":numbers": {"NS": [str(migration.number)]}}
        if cursor is not None:
            change = {"UpdateExpression": "SET #current = :number, #cursor = :cursor"}
            values = {":number": {"N": str(migration.number)}, ":cursor": {"M": cursor}}
        names = {"#current": "current", "#cursor": "cursor"}
        dynamo.client().update_item(
            TableName=dynamo.table_name("job-runs"), Key=STATE, ExpressionAttributeNames=names, ExpressionAttributeValues=values, **change
        )
