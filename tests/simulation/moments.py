"""Goes back to an earlier moment, so that many tries begin alike without the steps before them being done each time.

    moment = Moment(time, shop.fake)   after the steps before
    for number in range(1, 20):
        moment.return_to()
        ...                            one try

Objects of the test are not part of it: give each try a copy.
"""

from copy import copy
from typing import Any

from chalicelib.foundation import memory
from devtools.dynamodb.changes import ItemDeletion, ItemPut
from devtools.stripe.fake import FakeStripe
from tests import engines


class Moment:
    """What the local store, this instance's memory and the fake Stripe have now, and the time.

    The streams of the store are not part of it: they go on, as if the later items were written over.
    """

    def __init__(self, time: Any, fake: FakeStripe | None = None) -> None:
        self._time, self._now = time, time.now
        self._items = _stored_items()
        self._memories = [(known, _copied(known.entries)) for known in memory.list_memories()]
        self._fake, self._account = fake, fake.save_account() if fake is not None else b""

    def return_to(self) -> None:
        """Make everything as it was; as often as needed."""
        self._time.set(self._now)
        self._restore_items()
        memory.forget_everything()
        for known, entries in self._memories:
            known.entries = _copied(entries)
        if self._fake is not None:
            self._fake.restore_account(self._account)

    def _restore_items(self) -> None:
        # The engine never changes an item in place, so an item that is the same object has the same attributes.
        engine, items = engines.open_local_store().engine, _stored_items()
        engine.apply_changes(ItemDeletion(put.table, put.item) for key, put in items.items() if key not in self._items)
        engine.apply_changes(put for key, put in self._items.items() if key not in items)
        engine.finish_loading()


def _stored_items() -> dict[int, ItemPut]:
    """All items of all tables, by the identity of the item."""
    changes = engines.open_local_store().engine.dump_state()
    return {id(change.item): change for change in changes if isinstance(change, ItemPut)}


def _copied(entries: dict[Any, Any]) -> dict[Any, Any]:
    """The entries of a memory, which its owner may change in place."""
    return {key: copy(entry) for key, entry in entries.items()}
