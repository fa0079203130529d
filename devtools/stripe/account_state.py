"""The state of the fake's one Stripe account: tables of objects in wire format under one lock, optionally with a journal on disk."""

import pickle
import random
import string
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from devtools.stripe.errors import no_such_object
from devtools.stripe.objects import StripeObject
from devtools.stripe.state_journal import StateJournal, Tables

ID_CHARACTERS = string.ascii_letters + string.digits
# Table -> how Stripe's error messages call its objects.
OBJECT_NAMES = {
    "payment_intent": "payment_intent",
    "charge": "charge",
    "refund": "refund",
    "dispute": "dispute",
    "event": "event",
    "checkout.session": "checkout.session",
    "payment_method": "PaymentMethod",
    "balance_transaction": "balance transaction",
    "payout": "payout",
    "price": "price",
    "product": "product",
    "coupon": "coupon",
}


class AccountState:
    """Callers hold `lock`. Objects are changed in place and then `put` again, so that the journal includes the change.

    `request`: id and idempotency key of the request that is being processed. `event_listeners` are called with each new event.
    """

    def __init__(self, clock: Callable[[], float], journal: Path | None = None, seed: int | None = None) -> None:
        self.lock = threading.RLock()
        self.request: StripeObject = {"id": None, "idempotency_key": None}
        self.event_listeners: list[Callable[[StripeObject], None]] = []
        self._clock = clock
        self._random: random.Random = random.SystemRandom() if seed is None else random.Random(seed)
        self._tables: Tables = {}
        self._changed: dict[tuple[str, str], None] = {}
        self._journal = StateJournal(journal, self._tables) if journal is not None else None

    def now(self) -> int:
        """Seconds since the epoch."""
        return int(self._clock())

    def new_id(self, prefix: str, length: int = 24) -> str:
        return f"{prefix}_" + "".join(self._random.choices(ID_CHARACTERS, k=length))

    def put(self, table: str, obj: StripeObject) -> StripeObject:
        self._tables.setdefault(table, {})[obj["id"]] = obj
        self._changed[table, obj["id"]] = None
        return obj

    def remove(self, table: str, key: str) -> None:
        if self._tables.get(table, {}).pop(key, None) is not None:
            self._changed[table, key] = None

    def find(self, table: str, key: str) -> StripeObject | None:
        return self._tables.get(table, {}).get(key)

    def get(self, table: str, key: str, *, param: str = "id", status: int = 404) -> StripeObject:
        """Raises StripeApiError when there is no such object; `param` and `status` are those of the error."""
        found = self.find(table, key)
        if found is None:
            raise no_such_object(OBJECT_NAMES.get(table, table), key, param=param, status=status)
        return found

    def oldest_first(self, table: str) -> Iterator[StripeObject]:
        return iter(list(self._tables.get(table, {}).values()))

    def newest_first(self, table: str) -> Iterator[StripeObject]:
        return reversed(list(self._tables.get(table, {}).values()))

    def save(self) -> bytes:
        """All objects as they are now, for `restore`."""
        return pickle.dumps(self._tables)

    def restore(self, saved: bytes) -> None:
        """Have the objects that were saved, and no others. A state with a journal cannot: its file would have the later ones."""
        assert self._journal is None
        self._tables = pickle.loads(saved)
        self._changed.clear()

    def commit(self) -> None:
        """Write what changed since the last commit to the journal, so that a killed process loses no call that was answered."""
        if self._journal is not None and self._changed:
            self._journal.append((table, key, self.find(table, key)) for table, key in self._changed)
        self._changed.clear()

    def close(self) -> None:
        with self.lock:
            self.commit()
            if self._journal is not None:
                self._journal.close()
                self._journal = None
