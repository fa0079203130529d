"""Private copies of MiniStack's DynamoDB modules. `ministack_interface.py` lists the private names that are used.

Each engine executes the two modules into copies of its own, so that engines share no tables, no counters and no lock, and what is
replaced in one copy is replaced nowhere else. Replaced here, for correctness or speed:

- the thread that importing the module starts: it deletes expired items under another lock and without change records; `expiry.py`
  does it instead.
- `time`: the clock is an argument.
- `copy.deepcopy`: items are trees of JSON values, and the general function is most of the cost of an update.
- the checks of numbers, and the parsing of expressions: the same few come again and again, so their results are cached.

Replaced elsewhere: what writes items and change records (`change_recorder.py`), the tokens of transactions
(`transaction_tokens.py`), and the numbering and trimming of streams (`change_streams.py`).
"""

from collections.abc import Callable
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import msgspec
from ministack.core import responses as request_context

from devtools.dynamodb.changes import Item, TableDefinition
from devtools.dynamodb.ministack_interface import CACHEABLE
from devtools.dynamodb.module_copy import private_copy
from devtools.dynamodb.responses import json_response, streams_json_response

ACCOUNT = "000000000000"

_NO_SORT_KEY = "__no_sort__"
_NOT_PART_OF_DEFINITION = frozenset({"items", "ItemCount", "TableSizeBytes", "_index_members"})

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class MiniStack:
    """The two modules, as `dynamodb` and `streams`, and how to find things in their tables."""

    def __init__(self, clock: Callable[[], float], region: str) -> None:
        self.clock = clock
        self.region = region
        self.dynamodb: Any = private_copy("ministack.services.dynamodb")
        self.streams: Any = private_copy("ministack.services.dynamodb_streams", dynamodb=self.dynamodb)
        self._replace_functions()

    def _replace_functions(self) -> None:
        self.dynamodb.time = self.streams.time = SimpleNamespace(time=lambda: self.clock())
        self.dynamodb.copy = SimpleNamespace(deepcopy=deep_copy)
        for name in CACHEABLE:
            setattr(self.dynamodb, name, _cached(getattr(self.dynamodb, name)))
        tokenize = _cached(self.dynamodb._tokenize)
        self.dynamodb._tokenize = lambda expression: list(tokenize(expression))
        self.dynamodb.json_response, self.streams.json_response = json_response, streams_json_response

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


def deep_copy(value: Any) -> Any:
    """`copy.deepcopy` for trees of JSON values, 20 times as fast. An object that is there twice becomes two objects."""
    return _decode(_encode(value))


def _cached(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its results for strings cached. Other values go to the function itself, whose error names them."""
    cached = lru_cache(4096)(function)
    return lambda value, *more: cached(value, *more) if type(value) is str else function(value, *more)
