"""Who changed what. An entry is written in the same transaction as the change, so neither is ever there without the other."""

from typing import Any

import msgspec
from pynamodb.expressions.condition import Condition

from chalicelib import clock, dynamo, ids
from chalicelib.audit.model import Entry, Record


def entry(subject: str, action: str, actor: str, now: int, facts: dict[str, Any]) -> dynamo.TransactItem:
    """A transaction item for `dynamo.transact`; `facts` are JSON-encodable and hold no secrets."""
    text = msgspec.json.encode(facts).decode()
    record = Record(subject, f"{clock.iso(now)}#{ids.new_id()}", action=action, actor=actor, facts=text)
    # Absent: the record only grows. The ULID makes a clash impossible in practice, so this never refuses an honest entry.
    absent: Condition = Record.subject.does_not_exist()
    return dynamo.put(record, absent)


def of(subject: str, limit: int = 100) -> list[Entry]:
    """The latest `limit` entries about `subject`, newest first; strongly consistent."""
    found = Record.query(subject, scan_index_forward=False, limit=limit, consistent_read=True)
    return [Entry(one.subject, one.at.partition("#")[0], one.action, one.actor, msgspec.json.decode(one.facts)) for one in found]
