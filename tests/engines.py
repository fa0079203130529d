"""The store engines under the tests (moto and the local store), empty tables on them, and buckets in a folder."""

import base64
import copy
import itertools
import pickle
import sys
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import msgspec
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core import models as core_models
from moto.core.exceptions import JsonRESTError
from moto.core.utils import camelcase_to_underscores
from moto.dynamodb import models as moto_models
from moto.dynamodb.comparisons import ConditionExpressionParser
from moto.dynamodb.models import DynamoDBBackend, dynamodb_backends
from moto.dynamodb.models.table import Table
from moto.dynamodb.parsing import validators
from moto.dynamodb.parsing.ast_nodes import DepthFirstTraverser, Node, UpdateExpression
from moto.dynamodb.parsing.expressions import UpdateExpressionParser
from moto.dynamodb.parsing.validators import ActionCountValidator, UpdateExpressionValidator
from moto.dynamodb.responses import DynamoHandler

from bootstrap import aws_stage
from chalicelib.addons.images import store as image_store
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, memory, parallel, settings
from devtools.dynamodb.engine import Engine, Pending, Record
from devtools.dynamodb.journal import open_journal
from devtools.dynamodb.tables import Outcome
from devtools.in_process_clients import answered, attached, is_about_items
from devtools.s3.folder_buckets import FolderBuckets
from devtools.s3.transport import in_process_buckets
from infra import tables
from infra.local.environment import UNREACHABLE_ENDPOINT

_TEMPLATE = "template"  # the stage whose tables are copied for each test
_RECORDED = {"inventory", "stock-ledger"}

_stages = itertools.count(1)
_engines: list["RecordingEngine"] = []  # the last one answers
_folders: list[Path] = []  # the last one has the buckets


class RecordedWrite(msgspec.Struct, frozen=True, gc=False):
    """A write that changed items at one moment: for each item its table, and how it was encoded before and after; None for no item."""

    at: float
    items: list[tuple[str, bytes | None, bytes | None]]


class RecordingEngine(Engine):
    """A local store that remembers all `writes` of the `recorded` tables in their order, so that each earlier state can be computed."""

    def __init__(self, clock: Any) -> None:
        super().__init__(clock)
        self.recorded: set[str] = set()
        self.writes: list[RecordedWrite] = []

    def write(self, outcomes: list[Outcome], *args: Any, **options: Any) -> Pending | None:
        pending = super().write(outcomes, *args, **options)
        items = [(each.table.name, each.old_encoded, each.encoded) for each in outcomes if each.table.name in self.recorded]
        if any(old != new for _, old, new in items):
            self.writes.append(RecordedWrite(self.clock(), items))
        return pending


def speed_up_moto() -> None:
    """Leave out work of moto that has no effect here and took a fifth of the time of tests on moto.

    Each test registers 1,300 addresses of AWS for the library requests, which nothing here calls AWS with.
    A transaction copies its table for each of its items, with all items and all records of the stream, to restore it when it fails. The
    ten checks of an update expression ask for the kind of each of its nodes again. Each call parses its expressions again.
    """
    core_models.RESPONSES_METHODS.clear()
    parse, split = UpdateExpressionParser.make, ConditionExpressionParser._lex_condition_expression
    UpdateExpressionParser.make = cache(lambda text: ActionCountValidator().traverse(parse(text)))  # type: ignore[method-assign]
    processors = UpdateExpressionValidator.get_ast_processors
    UpdateExpressionValidator.get_ast_processors = lambda validator: processors(validator)[1:]  # type: ignore[method-assign]
    dumped = cache(pickle.dumps)

    def copy_expression(value: Any) -> Any:
        return pickle.loads(dumped(value)) if isinstance(value, UpdateExpression) else copy.deepcopy(value)

    validators.deepcopy = copy_expression  # type: ignore[attr-defined]
    parts = cache(lambda text: tuple(split(ConditionExpressionParser(text, None, None))))
    ConditionExpressionParser._lex_condition_expression = lambda parser: deque(parts(parser.condition_expression))  # type: ignore[method-assign]
    write, copies, changing = DynamoDBBackend.transact_write_items, dict[str, Table](), set[tuple[str, str]]()

    def copy_what_changes(value: Any) -> Any:
        if not isinstance(value, Table):
            return copy.deepcopy(value)
        if value.name not in copies:
            copies[value.name] = table = copy.copy(value)
            items = {key: copy.deepcopy(item) if (value.name, key.value) in changing else item for key, item in value.items.items()}
            table.items = defaultdict(dict, items)
            if (shard := copy.copy(value.stream_shard)) is not None:
                shard.table, shard.items, table.stream_shard = table, shard.items.copy(), shard
        return copies[value.name]

    def write_with_fewer_copies(self: Any, transact_items: Any) -> None:
        copies.clear()
        changing.clear()
        for operation in (operation for item in transact_items for operation in item.values()):
            if (table := self.tables.get(operation.get("TableName"))) is not None:
                key = (operation.get("Key") or operation.get("Item") or {}).get(table.hash_key_attr)
                changing.update((table.name, value) for value in (key or {}).values())
        write(self, transact_items)

    DynamoDBBackend.transact_write_items = write_with_fewer_copies  # type: ignore[method-assign]
    is_node, is_processed = cache(lambda kind: issubclass(kind, Node)), dict[tuple[type, type], bool]()

    def traverse(self: Any, node: Any, child_id: int = -1) -> Any:
        if not is_node(type(node)):
            return node
        parent = node.parent
        for index, child in enumerate(node.children or ()):
            self.pre_processing_of_child(node, index)
            traverse(self, child, index)
        kinds = type(self), type(node)
        if kinds not in is_processed:
            is_processed[kinds] = issubclass(type(node), self.nodes_to_be_processed())
        if is_processed[kinds]:
            node = self.process(node)
            node.parent = parent
            if parent:
                parent.children[child_id] = node
        return node

    DepthFirstTraverser.traverse_node_recursively = traverse  # type: ignore[method-assign]
    moto_models.copy = SimpleNamespace(deepcopy=copy_what_changes)  # type: ignore[assignment]


@contextmanager
def moto() -> Iterator[None]:
    """Run moto's AWS in this process. Every stage counts as deployed. Calls in parallel come in turn: moto loses updates under threads."""
    deployed, in_turn = patch.object(aws_stage, "require"), patch.object(parallel, "FEW", sys.maxsize)
    with mock_aws(), deployed, in_turn, answered(_respond_from_moto, dynamo.client(), serves=is_about_items):
        yield


def _respond_from_moto(operation: str, request: bytes) -> tuple[int, bytes]:
    """Call an operation of moto on items. To sign, send and read the request took a third of the time of tests on moto."""
    handler: Any = DynamoHandler()
    handler.region, handler.current_account = settings.current().region, DEFAULT_ACCOUNT_ID
    handler.body = msgspec.json.decode(request)
    if b'"B"' in request:
        _decode_binaries(handler.body)
    try:
        result = getattr(handler, camelcase_to_underscores(operation))().result
    except JsonRESTError as error:
        return error.code, error.description.encode()
    return 200, msgspec.json.encode({name: value for name, value in result.items() if value is not None})


def _decode_binaries(value: Any) -> None:
    """Replace the Base64 texts of binary attributes with their bytes, as moto does when it reads a request."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        if key == "B" and isinstance(member, str):
            value[key] = base64.b64decode(member)
        else:
            _decode_binaries(member)


@contextmanager
def local(folder: Path | None = None) -> Iterator[None]:
    """Run the local store in memory, or in a folder, where it writes its journal. It has the clock of the product, which tests move."""
    engine = RecordingEngine(clock.precise_now)
    journal = nullcontext() if folder is None else open_journal(folder, engine)
    with settings.override(store_endpoint=UNREACHABLE_ENDPOINT), journal, attached(engine, dynamo.client()):
        _engines.append(engine)
        try:
            yield
        finally:
            _engines.pop()


@contextmanager
def folder_buckets(folder: Path) -> Iterator[FolderBuckets]:
    """Serve the buckets of S3 from this folder, which must be empty."""
    with settings.override(images_bucket="images", images_endpoint=UNREACHABLE_ENDPOINT):
        buckets = FolderBuckets(folder, clock.now)
        with in_process_buckets(buckets, image_store.client()):
            _folders.append(folder)
            try:
                yield buckets
            finally:
                _folders.pop()


def bucket_folder() -> Path | None:
    """Return the folder of the buckets in use, for tests that restore earlier files."""
    return _folders[-1] if _folders else None


def local_engine() -> RecordingEngine:
    """Return the local store in use, for tests that read its streams or its earlier writes."""
    return _engines[-1]


def remembers_writes() -> bool:
    """Whether the store in use is local and in this process."""
    return bool(settings.current().store_endpoint and _engines)


@contextmanager
def fresh_stage() -> Iterator[None]:
    """Create empty tables for a stage name that no test used before, so that no cached data can belong to these tables."""
    with settings.override(stage=f"test-{next(_stages)}"):
        create_tables()
        memory.forget_everything()
        yield


def save_state() -> bytes:
    """Return the whole state of the local store in use, for `loaded_stage`."""
    return msgspec.msgpack.encode(_records(local_engine()))


@contextmanager
def loaded_stage(stage: str, state: bytes) -> Iterator[None]:
    """Load a state that `save_state` returned at this stage into the local store in use, which must be empty."""
    with settings.override(stage=stage):
        local_engine().apply(msgspec.msgpack.decode(state))
        memory.forget_everything()
        yield


def create_tables() -> None:
    """Create the current stage's tables as copies of the tables that `tables.create_all` made once. Copying takes a tenth of the time."""
    if settings.current().store_endpoint:
        local_engine().apply(_local_definitions(settings.current().stage))
        local_engine().recorded.update(map(dynamo.table_name, _RECORDED))
    else:
        for feature, template in _moto_templates().items():
            table = pickle.loads(template)
            table.name = dynamo.table_name(feature)
            table.table_arn = table._generate_arn(table.name)
            _moto_tables()[table.name] = table


def _moto_tables() -> dict[str, Any]:
    return dynamodb_backends[DEFAULT_ACCOUNT_ID][settings.current().region].tables


@cache
def _moto_templates() -> dict[str, bytes]:
    """Return moto's template tables, pickled: feature -> table."""
    with settings.override(stage=_TEMPLATE):
        tables.create_all(dynamo.client())
        return {feature: pickle.dumps(_moto_tables().pop(dynamo.table_name(feature))) for feature in tables.definitions()}


def _records(engine: Engine) -> list[Record]:
    return engine.dump(lambda: None)[1]


def _local_definitions(stage: str) -> list[Record]:
    definitions: list[Record] = msgspec.json.decode(
        _local_templates().replace(f"fairgate-{_TEMPLATE}-".encode(), f"fairgate-{stage}-".encode())
    )
    return definitions


@cache
def _local_templates() -> bytes:
    """Return the local store's table definitions as JSON."""
    engine = Engine()
    with settings.override(stage=_TEMPLATE, store_endpoint="http://template.invalid"), attached(engine, dynamo.client()):
        tables.create_all(dynamo.client())
    return msgspec.json.encode([record for record in _records(engine) if record[0] == "t"])
