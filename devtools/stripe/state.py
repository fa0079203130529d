"""Everything the fake remembers: tables of wire-format objects under one lock, and optionally a journal on disk."""

import json
import random
import string
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from devtools.stripe.errors import Obj, missing

ALPHABET = string.ascii_letters + string.digits
KINDS = {
    "payment_intent": "payment_intent",
    "charge": "charge",
    "refund": "refund",
    "dispute": "dispute",
    "event": "event",
    "checkout.session": "checkout.session",
    "payment_method": "PaymentMethod",
    "balance_transaction": "balance transaction",
    "price": "price",
    "coupon": "coupon",
}


class State:
    """Callers hold `lock`. Objects are changed in place and `put` again, so that the journal hears of it.

    Fields whose name begins with `_` are the fake's own and never leave it.
    """

    def __init__(self, clock: Callable[[], float], journal: Path | None = None, seed: int | None = None) -> None:
        self.lock = threading.RLock()
        self._clock = clock
        self._random: random.Random = random.SystemRandom() if seed is None else random.Random(seed)
        self._tables: dict[str, dict[str, Obj]] = {}
        self._changed: dict[tuple[str, str], None] = {}
        # The request that is being answered, and who is told of each new event. Both under the lock.
        self.request: Obj = {"id": None, "idempotency_key": None}
        self.listeners: list[Callable[[Obj], None]] = []
        self._journal: IO[str] | None = _opened(journal, self._tables) if journal is not None else None

    def now(self) -> int:
        return int(self._clock())

    def new_id(self, prefix: str, length: int = 24) -> str:
        return f"{prefix}_" + "".join(self._random.choices(ALPHABET, k=length))

    def put(self, table: str, obj: Obj) -> Obj:
        self._tables.setdefault(table, {})[obj["id"]] = obj
        self._changed[table, obj["id"]] = None
        return obj

    def remove(self, table: str, key: str) -> None:
        if self._tables.get(table, {}).pop(key, None) is not None:
            self._changed[table, key] = None

    def find(self, table: str, key: str) -> Obj | None:
        return self._tables.get(table, {}).get(key)

    def get(self, table: str, key: str, *, param: str = "id", status: int = 404) -> Obj:
        found = self.find(table, key)
        if found is None:
            raise missing(KINDS.get(table, table), key, param=param, status=status)
        return found

    def all(self, table: str) -> Iterator[Obj]:
        """Oldest first."""
        return iter(list(self._tables.get(table, {}).values()))

    def newest_first(self, table: str) -> Iterator[Obj]:
        return reversed(list(self._tables.get(table, {}).values()))

    def commit(self) -> None:
        """Append what changed since the last commit as one line, so that a run that is killed loses no answered call."""
        if self._journal is not None and self._changed:
            line = [[table, key, self.find(table, key)] for table, key in self._changed]
            self._journal.write(json.dumps(line, separators=(",", ":")) + "\n")
            self._journal.flush()
        self._changed.clear()

    def close(self) -> None:
        with self.lock:
            self.commit()
            if self._journal is not None:
                self._journal.close()
                self._journal = None


def _opened(path: Path, tables: dict[str, dict[str, Obj]]) -> IO[str]:
    """Read what is there, write it anew in one piece, and go on behind it. A last line that was cut off is left out."""
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entries = json.loads(line)
            except ValueError:
                break
            for table, key, obj in entries:
                rows = tables.setdefault(table, {})
                if obj is None:
                    rows.pop(key, None)
                else:
                    rows[key] = obj
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    rows_now = [[table, key, obj] for table, rows in tables.items() for key, obj in rows.items()]
    fresh.write_text(json.dumps(rows_now, separators=(",", ":")) + "\n", encoding="utf-8")
    fresh.chmod(0o600)
    fresh.replace(path)
    return path.open("a", encoding="utf-8")
