"""Restores an earlier moment, so that many tries begin with the same state without repeating the steps that led to this state.

    moment = Moment(time, shop.fake)   after the preparing steps
    for number in range(1, 20):
        moment.return_to()
        ...                            one try

Python objects of the test are not restored: give each try a copy.
"""

from copy import copy
from typing import Any

from chalicelib.foundation import memory
from devtools.dynamodb.changes import ItemDeletion, ItemPut
from devtools.stripe.fake import FakeStripe
from tests import engines

_BOOKKEEPING = ("-idempotency", "-rate-limits", "-login-attempts", "-stock-display")  # no caller asks for it


class Moment:
    """A snapshot of the local store, of this instance's memory, of the fake Stripe and of the time.

    The streams of the store are not restored. They continue, as if the restored items were new writes.
    """

    def __init__(self, time: Any, fake: FakeStripe | None = None) -> None:
        self._time, self._now = time, time.now
        self._items = _stored_items()
        self._memories = [(known, _copied(known.entries)) for known in memory.list_memories()]
        self._fake, self._account = fake, fake.save_account() if fake is not None else b""

    def return_to(self) -> None:
        """Restore the snapshot. Can be called any number of times."""
        self._time.set(self._now)
        self._restore_items()
        memory.forget_everything()
        for known, entries in self._memories:
            known.entries = _copied(entries)
        if self._fake is not None:
            self._fake.restore_account(self._account)

    def changes(self) -> list[str]:
        """Return the items that were written, changed or deleted since the moment, in all tables but those of our own bookkeeping."""
        then, now = ({(put.table, str(put.item)) for put in items.values()} for items in (self._items, _stored_items()))
        return sorted(f"{table}: {item}" for table, item in then ^ now if not table.endswith(_BOOKKEEPING))

    def _restore_items(self) -> None:
        # The engine never changes an item in place, so an item that is still the same object is unchanged.
        engine, items = engines.open_local_store().engine, _stored_items()
        engine.apply_changes(ItemDeletion(put.table, put.item) for key, put in items.items() if key not in self._items)
        engine.apply_changes(put for key, put in self._items.items() if key not in items)
        engine.finish_loading()


def _stored_items() -> dict[int, ItemPut]:
    """Return all items of all tables, by the identity of the item."""
    changes = engines.open_local_store().engine.dump_state()
    return {id(change.item): change for change in changes if isinstance(change, ItemPut)}


def _copied(entries: dict[Any, Any]) -> dict[Any, Any]:
    """Return copies of a memory's entries, because the owner of the memory may change entries in place."""
    return {key: copy(entry) for key, entry in entries.items()}
