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
        changed = self._items ^ _stored_items()
        return sorted(f"{table}: {item!r}" for table, item in changed if not table.endswith(_BOOKKEEPING))

    def _restore_items(self) -> None:
        items = _stored_items()
        engine = engines.local_engine()
        engine.apply(("d", table, item, 0, 0.0) for table, item in items - self._items)
        engine.apply(("p", table, item, 0, 0.0) for table, item in self._items - items)


def _stored_items() -> set[tuple[str, bytes]]:
    """Return all items of all tables: the table's name and the encoded item."""
    return {(table.name, encoded) for table in engines.local_engine().tables.values() for encoded in table.items.values()}


def _copied(entries: dict[Any, Any]) -> dict[Any, Any]:
    """Return copies of a memory's entries, because the owner of the memory may change entries in place."""
    return {key: copy(entry) for key, entry in entries.items()}
