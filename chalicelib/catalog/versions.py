"""Publish a version of the catalog: the last step of an apply, in one transaction with its audit entry."""

from typing import Any

from chalicelib.audit import service as audit
from chalicelib.catalog import snapshots, store
from chalicelib.catalog.model import Catalog, CatalogHead
from chalicelib.dynamodb import dynamo

SUBJECT = "catalog"


class HeadChanged(Exception):
    """Nothing was published: the catalog was changed after it was read, or the publication took too long. `head` is the present head."""

    def __init__(self, head: CatalogHead) -> None:
        self.head = head
        super().__init__(f"the catalog is now at version {head.version}, revision {head.revision}")


def load_head() -> CatalogHead:
    """Load the head from the store, strongly consistent."""
    return store.read_head()


def load_head_and_catalog() -> tuple[CatalogHead, Catalog]:
    """Load the head and its catalog from the store, strongly consistent."""
    head = store.read_head()
    return head, store.load(head)


def publish_version(expected_head: CatalogHead, new_head: CatalogHead, action: str, details: dict[str, Any]) -> None:
    """Serve a version, whose content is written already, and end its publication.

    Raises HeadChanged if `expected_head` is no longer the head, or if the publication was abandoned.
    """
    audited = {"version": new_head.version, "checksum": new_head.checksum, **details}
    entry = audit.entry_item(SUBJECT, action, new_head.applied_by, new_head.applied_at, audited)
    try:
        dynamo.transact([*store.replace_head_items(expected_head, new_head), store.end_publication_item(new_head.version), entry])
    except dynamo.TransactionCanceled:
        raise HeadChanged(store.read_head()) from None
    finally:
        snapshots.invalidate()


def record_attempt(action: str, actor: str, now: int, details: dict[str, Any]) -> None:
    """Audit an apply that published no version, because it was refused or changed nothing."""
    dynamo.transact([audit.entry_item(SUBJECT, action, actor, now, details)])
