"""A version becomes what readers see: the last step of an apply, in one transaction with its audit entry."""

from typing import Any

from chalicelib import dynamo
from chalicelib.audit import service as audit
from chalicelib.catalog import snapshots, store
from chalicelib.catalog.model import Catalog, CatalogHead

SUBJECT = "catalog"


class HeadMoved(Exception):
    """Something else changed the catalog since it was read; nothing was published. `head` is what is served now."""

    def __init__(self, head: CatalogHead) -> None:
        self.head = head
        super().__init__(f"version {head.version}, revision {head.revision} is served now")


def load_served() -> tuple[CatalogHead, Catalog]:
    """What is served now, strongly consistent."""
    head = store.read_head()
    return head, store.load(head)


def publish_version(read: CatalogHead, to: CatalogHead, action: str, details: dict[str, Any]) -> None:
    """Make `to`, whose content was written before, the head in place of `read`; raises HeadMoved."""
    entry = audit.entry_item(SUBJECT, action, to.by, to.at, {"version": to.version, "checksum": to.checksum, **details})
    try:
        dynamo.transact([*store.move_head_items(read, to), entry])
    except dynamo.TransactionCanceled:
        raise HeadMoved(store.read_head()) from None
    finally:
        snapshots.invalidate()


def record_attempt(action: str, actor: str, now: int, details: dict[str, Any]) -> None:
    """Audit an application that published nothing: refused, or the same again."""
    dynamo.transact([audit.entry_item(SUBJECT, action, actor, now, details)])
