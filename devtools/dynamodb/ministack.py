"""Private copies of MiniStack's DynamoDB modules. `ministack_interface.py` lists the private names that are used.

Each engine executes the two modules into copies of its own, so that engines share no tables, no counters and no lock, and what is
replaced in one copy is replaced nowhere else. Replaced here, for correctness or speed:

- the thread that importing the module starts: it deletes expired items under another lock and without change records; `expiry.py`
  does it instead.
- `time`: the clock is an argument.
- `copy.deepcopy`: items are trees of JSON values, and the general function is most of the cost of an update.
- conditions and update expressions (`conditions.py`, `updates.py`): each text is read once and becomes a function.
- checks and sizes of values (`values.py`), and other pure functions of texts, whose results are cached (`pure_functions.py`).
- the dictionaries by account and region: there is one account and one region.

Replaced elsewhere: what writes items and change records (`change_recorder.py`), the tokens of transactions
(`transaction_tokens.py`), and the numbering and trimming of streams (`change_streams.py`).
"""

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

from ministack.core import responses as request_context

from devtools.dynamodb import conditions, pure_functions, updates, values
from devtools.dynamodb.changes import Item, TableDefinition
from devtools.dynamodb.module_copy import private_copy
from devtools.dynamodb.pure_functions import deep_copy
from devtools.dynamodb.responses import json_response, streams_json_response

ACCOUNT = "000000000000"

_PURE = {**pure_functions.REPLACEMENTS, **values.REPLACEMENTS, **conditions.REPLACEMENTS, **updates.REPLACEMENTS}
_NO_SORT_KEY = "__no_sort__"
_NOT_PART_OF_DEFINITION = frozenset({"items", "ItemCount", "TableSizeBytes", "_index_members"})


class MiniStack:
    """The two modules, as `dynamodb` and `streams`, and how to find things in their tables."""

    def __init__(self, clock: Callable[[], float], region: str) -> None:
        self.clock = clock
        self.region = region
        self.shares_items = False  # during calls that change no item in place, so that their copies would be seen by nobody
        self.dynamodb: Any = private_copy("ministack.services.dynamodb")
        self.streams: Any = private_copy("ministack.services.dynamodb_streams", dynamodb=self.dynamodb)
        self._replace_functions()

    def _replace_functions(self) -> None:
        self.dynamodb.time = self.streams.time = SimpleNamespace(time=lambda: self.clock())
        self.dynamodb.copy = SimpleNamespace(deepcopy=self._copy)
        for name, function in _PURE.items():
            setattr(self.dynamodb, name, function)
        for value in vars(self.dynamodb).values():
            if type(value) is request_context.AccountRegionScopedDict:
                value.__class__ = _scoped_dict(self.region)
        self.dynamodb.json_response, self.streams.json_response = json_response, streams_json_response

    def _copy(self, value: Any) -> Any:
        return value if self.shares_items else deep_copy(value)

    def select_account(self) -> None:
        """Set account and region for this thread: MiniStack keeps its tables by both, and reads them from the thread's context."""
        request_context.set_request_account_id(ACCOUNT)
        request_context.set_request_region(self.region)

    def item_key(self, table: Any, attributes: Item) -> tuple[str, str]:
        """Partition key and sort key of the item with these attributes, as MiniStack's dictionaries have them."""
        value, sort = self.dynamodb._extract_key_val, table["sk_name"]
        return value(attributes[table["pk_name"]]), value(attributes[sort]) if sort else _NO_SORT_KEY

    def table_definition(self, name: str) -> TableDefinition:
        """The table as it is now, with its settings and without its items."""
        dynamodb = self.dynamodb
        table = dynamodb._tables.get(name)
        if table is None:
            return TableDefinition(name, None)
        definition = {key: value for key, value in table.items() if key not in _NOT_PART_OF_DEFINITION}
        ttl, tags, pitr = dynamodb._ttl_settings.get(name), dynamodb._tags.get(table["TableArn"]), dynamodb._pitr_settings.get(name)
        return TableDefinition(name, *(deep_copy(part) for part in (definition, ttl, tags, pitr)))


@cache
def _scoped_dict(region: str) -> type:
    """MiniStack's dictionary by account and region, for ACCOUNT and this region alone: it need not look for them at each access."""

    class ScopedDict(request_context.AccountRegionScopedDict):  # type: ignore[misc]
        __slots__ = ()

        def __getitem__(self, key: Any) -> Any:
            return self._data[ACCOUNT, region, key]

        def __setitem__(self, key: Any, value: Any) -> None:
            self._data[ACCOUNT, region, key] = value

        def __contains__(self, key: Any) -> bool:
            return (ACCOUNT, region, key) in self._data

        def get(self, key: Any, default: Any = None) -> Any:
            return self._data.get((ACCOUNT, region, key), default)

    return ScopedDict
