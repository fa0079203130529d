"""A version becomes what readers see: the last step of an apply, in one transaction with its audit entry."""

from typing import Any

from chalicelib import dynamo
from chalicelib.audit import service as audit
from chalicelib.catalog import snapshots, store
from chalicelib.catalog.model import Catalog, Head

SUBJECT = "catalog"


class HeadMoved(Exception):
    """Something else changed the catalog since it was read; nothing was published. `head` is what is served now."""

    def __init__(self, head: Head) -> None:
        self.head = head
        super().__init__(f"version {head.version}, revision {head.revision} is served now")


def standing() -> tuple[Head, Catalog]:
    """What is served now, strongly consistent."""
    head = store.read_head()
    return head, store.load(head)


def publish(read: Head, to: Head, action: str, facts: dict[str, Any]) -> None:
    """Make `to`, whose content was written before, the head in place of `read`; raises HeadMoved."""
    entry = audit.entry(SUBJECT, action, to.by, to.at, {"version": to.version, "checksum": to.checksum, **facts})
    try:
        dynamo.transact([*store.flip(read, to), entry])
    except dynamo.TransactionRefused:
        raise HeadMoved(store.read_head()) from None
    finally:
        snapshots.invalidate()


def record(action: str, actor: str, now: int, facts: dict[str, Any]) -> None:
    """Audit an application that published nothing: refused, or the same again."""
    dynamo.transact([audit.entry(SUBJECT, action, actor, now, facts)])
