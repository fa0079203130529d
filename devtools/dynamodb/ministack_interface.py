"""The parts of MiniStack that the engine relies on: a version, and private names with a fingerprint of their source."""

import ast
import importlib.util
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

VERSION = "1.5.33"  # of MiniStack; tests/devtools/dynamodb/test_ministack_interface.py says what to do when another version is installed

# Operation -> MiniStack's function. PartiQL is left out because its writes make no change records. Backups, exports, Kinesis
# and global tables are left out because they change tables without passing through the functions that the engine replaces.
OPERATIONS = {
    "BatchGetItem": "_batch_get_item",
    "BatchWriteItem": "_batch_write_item",
    "CreateTable": "_create_table",
    "DeleteItem": "_delete_item",
    "DeleteTable": "_delete_table",
    "DescribeContinuousBackups": "_describe_continuous_backups",
    "DescribeLimits": "_describe_limits",
    "DescribeTable": "_describe_table",
    "DescribeTimeToLive": "_describe_ttl",
    "GetItem": "_get_item",
    "ListTables": "_list_tables",
    "ListTagsOfResource": "_list_tags",
    "PutItem": "_put_item",
    "Query": "_query",
    "Scan": "_scan",
    "TagResource": "_tag_resource",
    "TransactGetItems": "_transact_get_items",
    "TransactWriteItems": "_transact_write_items",
    "UntagResource": "_untag_resource",
    "UpdateContinuousBackups": "_update_continuous_backups",
    "UpdateItem": "_update_item",
    "UpdateTable": "_update_table",
    "UpdateTimeToLive": "_update_ttl",
}
STREAM_OPERATIONS = {
    "DescribeStream": "_describe_stream",
    "GetRecords": "_get_records",
    "GetShardIterator": "_get_shard_iterator",
    "ListStreams": "_list_streams",
}
# The other private names that are called, replaced or read. The fingerprint covers all of them.
INTERNALS = (
    "_DDB_ITEM_MAX_BYTES",
    "_DDB_MAX_NESTING_DEPTH",
    "_ExprEval",
    "_apply_add",
    "_apply_remove",
    "_apply_set",
    "_apply_update_expression",
    "_attribute_value_size",
    "_build_change_record",
    "_check_redundant_parens",
    "_check_reserved_keyword_usage",
    "_closed_streams",
    "_compare_ddb",
    "_ddb_size",
    "_emit_stream_event",
    "_eval_set_value",
    "_evaluate_condition",
    "_extract_key_val",
    "_get_at_path",
    "_item_size_bytes",
    "_items_replaced",
    "_nesting_exceeded",
    "_nesting_level",
    "_next_stream_seq",
    "_parse_path_from_tokens",
    "_pitr_settings",
    "_remove_at_path",
    "_remove_item",
    "_request_values",
    "_set_at_path",
    "_set_item",
    "_split_by_comma",
    "_stream_label",
    "_stream_records",
    "_stream_trimmed",
    "_table_name_from_arn",
    "_tables",
    "_tags",
    "_tokenize",
    "_trim_stream_records",
    "_ttl_reaper",
    "_ttl_settings",
    "_txn_token_lookup",
    "_txn_token_store",
    "_update_request_charge",
    "_validate_attribute_value",
    "_validate_expression_attrs",
    "_values_error_response",
    "closed_stream",
    "drop_stream_records",
    "stream_live_records",
)
# Functions whose result depends on their arguments alone, which are strings, so that it can be cached.
CACHEABLE = ("_condition_syntax_error", "_ddb_canonicalize_number", "_number_error", "_number_size_bytes")
FINGERPRINT = "6c10998cf553ad787b4aab9838bd0109ca52da793ce68803d5bfa99c549fe0fe"


def installed_version() -> str:
    return version("ministack")


def fingerprint() -> str:
    """A digest of the source of all names above. It also changes when one of them is missing."""
    sources = []
    for module, names in (
        ("dynamodb", {*OPERATIONS.values(), *INTERNALS, *CACHEABLE}),
        ("dynamodb_streams", set(STREAM_OPERATIONS.values())),
    ):
        spec = importlib.util.find_spec(f"ministack.services.{module}")
        assert spec is not None
        assert spec.origin is not None
        source = Path(spec.origin).read_text(encoding="utf-8")
        lines = source.splitlines()
        for node in ast.parse(source).body:
            names_of_node = {node.name} if isinstance(node, ast.FunctionDef | ast.ClassDef) else _assignment_targets(node)
            if names_of_node & names:
                sources += [module, *lines[node.lineno - 1 : node.end_lineno]]
    return sha256("\n".join(sources).encode()).hexdigest()


def _assignment_targets(node: ast.stmt) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}
