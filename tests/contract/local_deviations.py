"""The deviations of the local store, on MiniStack 1.5.33, from what AWS documents."""

from tests.contract.deviation import Deviation
from tests.contract.outcomes import CONDITION_FAILED

LOCAL = (
    Deviation(
        "does not stop a batch of reads at 16 MB",
        'BatchGetItem: "up to 16 MB of data ... returns a value for UnprocessedKeys"',
        {
            "test_batches.py::test_a_batch_of_reads_stops_at_16_megabytes": (False, 44, True),
        },
    ),
    Deviation(
        "reports reads as 0.5 or 1, whatever their size",
        "DynamoDB read and write operations (read-write-operations)",
        {
            "test_capacity.py::test_a_get[4097-True-2]": 1.0,
            "test_capacity.py::test_a_get[9216-False-1.5]": 0.5,
            "test_capacity.py::test_a_query_rounds_the_sum[True-3]": 1.0,
            "test_capacity.py::test_a_query_rounds_the_sum[False-1.5]": 0.5,
        },
    ),
    Deviation(
        "reports no capacity for batches of reads",
        "BatchGetItem, ReturnConsumedCapacity",
        {
            "test_capacity.py::test_a_batch_of_reads_rounds_each[True-4]": None,
            "test_capacity.py::test_a_batch_of_reads_rounds_each[False-2]": None,
        },
    ),
    Deviation(
        "evaluates conditions that should be refused",
        'UpdateItem, ConditionExpression: "These function names are case-sensitive"; Supported data types, Sets: not empty',
        {
            "test_conditions.py::test_invalid_conditions[a function in capitals]": ("done", False),
            "test_conditions.py::test_invalid_conditions[an attribute compared with itself]": ("done", False),
            "test_conditions.py::test_invalid_conditions[an empty set]": (CONDITION_FAILED, True),
            "test_conditions.py::test_invalid_conditions[a value of no type]": (CONDITION_FAILED, True),
        },
    ),
    Deviation(
        "allows time to live to be enabled twice, and its attribute to be changed",
        'UpdateTimeToLive: further calls during the hour that it takes "result in a ValidationException"',
        {
            "test_expiry.py::test_time_to_live_is_enabled_once": "done",
            "test_expiry.py::test_the_attribute_cannot_be_changed": "done",
        },
    ),
    Deviation(
        "executes a query with OR between keys",
        'Query, KeyConditionExpression: "an equality test on a single partition key value"',
        {
            "test_reading.py::test_invalid_queries[a choice]": "done",
        },
    ),
    Deviation(
        "makes a change record when a set is written with its members in another order",
        "Change data capture for DynamoDB Streams: writes that change nothing; Supported data types, Sets: the order is not preserved",
        {
            "test_streams.py::test_the_order_of_a_set_is_not_a_change": ["INSERT", "MODIFY"],
        },
    ),
    Deviation(
        "executes the first of two actions in one TransactItem",
        "TransactWriteItem: one of Put, Update, Delete and ConditionCheck; TransactWriteItems, Errors: ValidationException",
        {
            "test_transactions.py::test_two_actions_in_one_item": "done",
        },
    ),
    Deviation(
        "accepts a transaction that updates a key attribute, without any effect",
        "UpdateItem, Key; Update expressions: key attributes are not updated",
        {
            "test_updates.py::test_refused_updates_in_a_transaction[the key]": ("done", True, {}),
            "test_updates.py::test_refused_updates_in_a_transaction[the key's removal]": ("done", True, {}),
        },
    ),
    Deviation(
        "ignores impossible actions: adding to text, removing from a value that is not a map",
        'TransactionCanceledException: "An operand ... has an incorrect data type", "The document path ... is invalid"',
        {
            "test_updates.py::test_refused_updates[adding to text]": ("done", True),
            "test_updates.py::test_refused_updates[no map to remove from]": ("done", True),
            "test_updates.py::test_refused_updates_in_a_transaction[adding to text]": ("done", True, {}),
            "test_updates.py::test_refused_updates_in_a_transaction[no map to remove from]": ("done", True, {}),
        },
    ),
    Deviation(
        "accepts repeated clauses and overlapping paths",
        'Update expressions (Expressions.UpdateExpressions): "each action keyword can appear only once"; UpdateItem, Errors',
        {
            "test_updates.py::test_refused_updates[the same attribute twice]": ("done", False),
            "test_updates.py::test_refused_updates[the same attribute in two clauses]": ("done", True),
            "test_updates.py::test_refused_updates[two clauses of a kind]": ("done", False),
            "test_updates.py::test_refused_updates_in_a_transaction[the same attribute twice]": ("done", False, {}),
            "test_updates.py::test_refused_updates_in_a_transaction[the same attribute in two clauses]": ("done", True, {}),
            "test_updates.py::test_refused_updates_in_a_transaction[two clauses of a kind]": ("done", False, {}),
        },
    ),
    Deviation(
        "ignores the parts of an update expression that it cannot parse, and executes the rest",
        'Update expressions (Expressions.UpdateExpressions): syntax; DELETE: "Specifying an empty set is an error"',
        {
            "test_updates.py::test_refused_updates[an empty set]": ("done", True),
            "test_updates.py::test_refused_updates[a plus without a second]": ("done", False),
            "test_updates.py::test_refused_updates[nothing to set]": ("done", True),
            "test_updates.py::test_refused_updates[multiplication]": ("done", False),
            "test_updates.py::test_refused_updates_in_a_transaction[an empty set]": ("done", True, {}),
            "test_updates.py::test_refused_updates_in_a_transaction[a plus without a second]": ("done", False, {}),
            "test_updates.py::test_refused_updates_in_a_transaction[no clause]": ("done", True, {}),
            "test_updates.py::test_refused_updates_in_a_transaction[nothing to set]": ("done", True, {}),
            "test_updates.py::test_refused_updates_in_a_transaction[multiplication]": ("done", False, {}),
        },
    ),
)
