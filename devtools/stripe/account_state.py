"""The state of the fake's Stripe account: tables of objects in wire format under one lock, optionally with a journal on disk.

The events that record changes of objects, and the outcomes that banks report later, are part of the state. So are the objects of the
connected accounts, each of which names its account in `_owner`.
"""

import json
import pickle
import random
import string
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from devtools.stripe.wire_format import StripeObject, no_such_object, public_copy

Tables = dict[str, dict[str, StripeObject]]


class StateJournal:
    def __init__(self, path: Path, tables: Tables) -> None:
        """Read the file into `tables`, rewrite it as one line, and append from then on."""
        if path.exists():
            _read(path, tables)
        path.parent.mkdir(parents=True, exist_ok=True)
        new_file = path.with_name(path.name + ".new")
        entries = [[table, key, obj] for table, rows in tables.items() for key, obj in rows.items()]
        new_file.write_text(json.dumps(entries, separators=(",", ":")) + "\n", encoding="utf-8")
        new_file.chmod(0o600)
        new_file.replace(path)
        self._file: IO[str] = path.open("a", encoding="utf-8")

    def append(self, changes: Iterable[tuple[str, str, StripeObject | None]]) -> None:
        """Write the table, key and object of each change; no object means that it was removed."""
        self._file.write(json.dumps(list(changes), separators=(",", ":")) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _read(path: Path, tables: Tables) -> None:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entries = json.loads(line)
        except ValueError:
            return  # the last line, cut off when the process was killed during the write
        for table, key, obj in entries:
            rows = tables.setdefault(table, {})
            if obj is None:
                rows.pop(key, None)
            else:
                rows[key] = obj


ID_CHARACTERS = string.ascii_letters + string.digits
# Table -> the name of its objects in Stripe's error messages.
OBJECT_NAMES = {
    "payment_intent": "payment_intent",
    "setup_intent": "setupintent",
    "charge": "charge",
    "refund": "refund",
    "dispute": "dispute",
    "event": "event",
    "checkout.session": "checkout.session",
    "payment_method": "PaymentMethod",
    "customer": "customer",
    "balance_transaction": "balance transaction",
    "payout": "payout",
    "price": "price",
    "product": "product",
    "coupon": "coupon",
    "account": "account",
    "application_fee": "application fee",
}
# Tables that belong to the platform's own account, whatever account a call acts for.
_PLATFORM_TABLES = ("account", "account_link", "_delivery", "_key")


class AccountState:
    """Callers hold `lock`. Objects are changed in place and then `put` again, so that the journal includes the change.

    `request`: id and idempotency key of the request that is being processed. `event_listeners` are called with each new event. `account`:
    the id of the connected account for which the current call acts, None for the platform's own account. A call sees no other objects.
    """

    def __init__(self, clock: Callable[[], float], journal: Path | None = None, seed: int | None = None) -> None:
        self.lock = threading.RLock()
        self.request: StripeObject = {"id": None, "idempotency_key": None}
        self.event_listeners: list[Callable[[StripeObject], None]] = []
        self.account: str | None = None
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

    @contextmanager
    def acting_for(self, account: str | None) -> Iterator[None]:
        """Act for a connected account, or for the platform's own account, inside the block. Callers hold the lock."""
        before, self.account = self.account, account
        try:
            yield
        finally:
            self.account = before

    def owner(self, table: str, key: str) -> str | None:
        """Return the id of the connected account that has this object. None: the platform has it, or it does not exist."""
        owner: str | None = self._tables.get(table, {}).get(key, {}).get("_owner")
        return owner

    def accounts(self) -> list[str | None]:
        """Return the platform's own account (None) and the ids of all connected accounts."""
        return [None, *self._tables.get("account", {})]

    def put(self, table: str, obj: StripeObject) -> StripeObject:
        if self.account is not None and table not in _PLATFORM_TABLES:
            obj["_owner"] = self.account
        self._tables.setdefault(table, {})[obj["id"]] = obj
        self._changed[table, obj["id"]] = None
        return obj

    def remove(self, table: str, key: str) -> None:
        if self._tables.get(table, {}).pop(key, None) is not None:
            self._changed[table, key] = None

    def find(self, table: str, key: str) -> StripeObject | None:
        found = self._tables.get(table, {}).get(key)
        return found if found is not None and self._is_visible(table, found) else None

    def get(self, table: str, key: str, *, param: str = "id", status: int = 404) -> StripeObject:
        """Return the object. Raises StripeApiError with `param` and `status` if it does not exist."""
        found = self.find(table, key)
        if found is None:
            raise no_such_object(OBJECT_NAMES.get(table, table), key, param=param, status=status)
        return found

    def oldest_first(self, table: str) -> Iterator[StripeObject]:
        return iter([obj for obj in self._tables.get(table, {}).values() if self._is_visible(table, obj)])

    def newest_first(self, table: str) -> Iterator[StripeObject]:
        return reversed([obj for obj in self._tables.get(table, {}).values() if self._is_visible(table, obj)])

    def _is_visible(self, table: str, obj: StripeObject) -> bool:
        return table in _PLATFORM_TABLES or obj.get("_owner") == self.account

    def save(self) -> bytes:
        """Return all current objects, for `restore`."""
        return pickle.dumps(self._tables)

    def restore(self, saved: bytes) -> None:
        """Replace all objects by the saved ones. Not for a state with a journal, whose file would keep the later objects."""
        assert self._journal is None
        self._tables = pickle.loads(saved)
        self._changed.clear()

    def commit(self) -> None:
        """Write the changes since the last commit to the journal, so that a killed process loses no confirmed call."""
        if self._journal is not None and self._changed:
            self._journal.append((table, key, self._tables.get(table, {}).get(key)) for table, key in self._changed)
        self._changed.clear()

    def close(self) -> None:
        with self.lock:
            self.commit()
            if self._journal is not None:
                self._journal.close()
                self._journal = None


API_VERSION = "2026-10-28.endive"
EVENT_RETENTION_SECONDS = 30 * 86400


def emit_event(state: AccountState, kind: str, obj: StripeObject, previous: StripeObject | None = None) -> StripeObject:
    """Store an event of this type and pass it to the listeners. `previous`: the fields that changed, with their old values."""
    data: StripeObject = {"object": public_copy(obj)}
    if previous is not None:
        data["previous_attributes"] = public_copy(previous)
    event = {
        "id": state.new_id("evt", 24),
        "object": "event",
        "api_version": API_VERSION,
        "created": state.now(),
        "data": data,
        "livemode": False,
        "pending_webhooks": 0,
        "request": dict(state.request),
        "type": kind,
        "_delivered": True,
        **({"account": state.account} if state.account is not None else {}),
    }
    state.put("event", event)
    for listener in state.event_listeners:
        listener(event)
    return event


OUTCOME_DELAY_SECONDS = 10


def schedule_outcome(state: AccountState, kind: str, object_id: str, *, fails: bool) -> None:
    """`kind`: "refund" or "debit"; `object_id`: the id of the refund, or of the debit's payment intent."""
    due_at = state.now() + OUTCOME_DELAY_SECONDS
    state.put("_due", {"id": f"{kind}:{object_id}", "at": due_at, "what": kind, "target": object_id, "fails": fails})


def take_outcomes(state: AccountState, *, due_at: int | None) -> list[StripeObject]:
    """Remove and return the outcomes that are due at this time, or all of them for None."""
    due = [outcome for outcome in state.oldest_first("_due") if due_at is None or outcome["at"] <= due_at]
    for outcome in due:
        state.remove("_due", outcome["id"])
    return due
