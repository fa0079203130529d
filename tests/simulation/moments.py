"""Restores an earlier moment, so that many tries begin with the same state without repeating the steps that led to this state.

    moment = Moment(time, shop.fake)   after the preparing steps
    for number in range(1, 20):
        moment.return_to()
        ...                            one try

Python objects of the test are not restored: give each try a copy.
"""

import os
import pickle
from copy import copy
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from chalicelib.foundation import log, memory
from tests import engines

_BOOKKEEPING = ("-idempotency", "-rate-limits", "-login-attempts", "-stock-display")  # no caller asks for it
_METRICS = (log._totals, log._gauges, log._written)  # nothing depends on them


class Provider(Protocol):
    """A payment provider whose account can be saved, such as the fake Stripe."""

    def save_account(self) -> bytes: ...

    def restore_account(self, account: bytes) -> None: ...


class Receiver(Protocol):
    """A service that keeps the ids of what it has received."""

    received: frozenset[str]


class Moment:
    """A snapshot of the local store with its streams, of the buckets, of this instance's memory, of the time, and of services outside.

    The services are a fake payment provider and any number of receivers.
    """

    def __init__(self, time: Any, fake: Provider | None = None, *receivers: Receiver) -> None:
        engine = engines.local_engine()
        self._time, self._now = time, time.now
        self._items, self._writes = _stored_items(), list(engine.writes)
        self._streams = {arn: (list(stream.records), dict(stream.processed)) for arn, stream in engine.streams.items()}
        self._positions, self._tokens, self._sequence = dict(engine.positions), dict(engine.tokens), engine.sequence
        self._files = _stored_files()
        self._memories = [(known, _copied(known.entries)) for known in memory.list_memories()]
        self._receivers = [(receiver, receiver.received) for receiver in receivers]
        self._fake, self._account = fake, fake.save_account() if fake is not None else b""

    def return_to(self) -> None:
        """Restore the snapshot. Can be called any number of times."""
        self._time.set(self._now)
        self._restore_store()
        self._restore_files()
        memory.forget_everything()
        for known, entries in self._memories:
            known.entries = _copied(entries)
        for receiver, received in self._receivers:
            receiver.received = received
        if self._fake is not None:
            self._fake.restore_account(self._account)

    def changes(self) -> list[str]:
        """Return the items that were written, changed or deleted since the moment, in all tables but those of our own bookkeeping."""
        changed = self._items ^ _stored_items()
        return sorted(f"{table}: {item!r}" for table, item in changed if not table.endswith(_BOOKKEEPING))

    def state(self, *, without: tuple[str, ...] = ()) -> bytes:
        """Return everything that can affect what happens next. Two moments with the same state have the same future.

        Leaves out the tables whose names end in one of `without`, and the streams that nobody has begun to read.
        """
        streams = sorted((arn, records) for arn, (records, processed) in self._streams.items() if processed)
        memories = [entries for known, entries in self._memories if known not in _METRICS]
        items = sorted(item for item in self._items if not item[0].endswith(without))
        store = items, streams, sorted(self._positions.items())
        services = _described(self._account), [sorted(received) for _, received in self._receivers]
        return pickle.dumps((self._now, store, self._files, memories, services))

    def _restore_store(self) -> None:
        items = _stored_items()
        engine = engines.local_engine()
        engine.apply(("d", table, item, 0, 0.0) for table, item in items - self._items)
        engine.apply(("p", table, item, 0, 0.0) for table, item in self._items - items)
        for arn, (records, processed) in self._streams.items():
            engine.streams[arn].records, engine.streams[arn].processed = list(records), dict(processed)
        engine.positions, engine.tokens, engine.sequence = dict(self._positions), dict(self._tokens), self._sequence
        engine.writes = list(self._writes)

    def _restore_files(self) -> None:
        files = _stored_files()
        for path in files.keys() - self._files.keys():
            path.unlink()
        for path, content in self._files.items():
            if files.get(path) != content:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)


@lru_cache(100)
def _described(account: bytes) -> str:
    """Return the content of a saved account of a fake provider. Equal accounts may be saved as different bytes."""
    if not account:
        return ""
    tables, rules = pickle.loads(account)
    return repr((pickle.loads(tables), rules))


def _stored_files() -> dict[Path, bytes]:
    """Return all files of all buckets."""
    folder = engines.bucket_folder()
    if folder is None or not os.listdir(folder):
        return {}
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _stored_items() -> set[tuple[str, bytes]]:
    """Return all items of all tables: the table's name and the encoded item."""
    return {(table.name, encoded) for table in engines.local_engine().tables.values() for encoded in table.items.values()}


def _copied(entries: dict[Any, Any]) -> dict[Any, Any]:
    """Return copies of a memory's entries, because the owner of the memory may change entries in place."""
    return {key: copy(entry) for key, entry in entries.items()}
