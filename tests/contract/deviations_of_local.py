"""The local store on MiniStack 1.5.33, against what AWS documents."""

from tests.contract.calls import REFUSED
from tests.contract.deviation import Deviation

LOCAL = (
    Deviation(
        "does not stop a batch of reads at 16 MB",
        'BatchGetItem: "up to 16 MB of data ... returns a value for UnprocessedKeys"',
        {
            "test_batches.py::test_sixteen_megabytes": (False, 44, True),
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
        "takes a condition that is to be refused for one that holds or not",
        'UpdateItem, ConditionExpression: "These function names are case-sensitive"; Supported data types, Sets: not empty',
        {
            "test_conditions.py::test_what_is_no_condition[a function in capitals]": ("done", False),
            "test_conditions.py::test_what_is_no_condition[an attribute compared with itself]": ("done", False),
            "test_conditions.py::test_what_is_no_condition[an empty set]": (REFUSED, True),
            "test_conditions.py::test_what_is_no_condition[a value of no type]": (REFUSED, True),
        },
    ),
    Deviation(
        "lets time to live be enabled twice, and its attribute be changed",
        'UpdateTimeToLive: further calls during the hour that it takes "result in a ValidationException"',
        {
            "test_expiry.py::test_it_is_enabled_once": "done",
            "test_expiry.py::test_it_has_one_attribute": "done",
        },
    ),
    Deviation(
        "answers a query with OR between keys",
        'Query, KeyConditionExpression: "an equality test on a single partition key value"',
        {
            "test_reading.py::test_what_is_no_query[a choice]": "done",
        },
    ),
    Deviation(
        "makes a record where a set is written with its members in another order",
        "Change data capture for DynamoDB Streams: writes that change nothing; Supported data types, Sets: the order is not preserved",
        {
            "test_streams.py::test_a_set_has_no_order": ["INSERT", "MODIFY"],
        },
    ),
    Deviation(
        "takes the first of two actions in one TransactItem",
        "TransactWriteItem: one of Put, Update, Delete and ConditionCheck; TransactWriteItems, Errors: ValidationException",
        {
            "test_transactions.py::test_two_actions_in_one_item": "done",
        },
    ),
    Deviation(
        "lets a transaction update a key attribute: nothing happens",
        "UpdateItem, Key; Update expressions: key attributes are not updated",
        {
            "test_updates.py::test_what_it_refuses_in_a_transaction[the key]": ("done", True, {}),
            "test_updates.py::test_what_it_refuses_in_a_transaction[the key's removal]": ("done", True, {}),
        },
    ),
    Deviation(
        "skips what cannot be done: adding to text, removing from what is no map, in transactions setting within text",
        'TransactionCanceledException: "An operand ... has an incorrect data type", "The document path ... is invalid"',
        {
            "test_updates.py::test_what_it_refuses[adding to text]": ("done", True),
            "test_updates.py::test_what_it_refuses[no map to remove from]": ("done", True),
            "test_updates.py::test_what_it_refuses_in_a_transaction[adding to text]": ("done", True, {}),
            "test_updates.py::test_what_it_refuses_in_a_transaction[text is no map]": ("done", True, {}),
            "test_updates.py::test_what_it_refuses_in_a_transaction[no map to remove from]": ("done", True, {}),
        },
    ),
    Deviation(
        "accepts clauses that are twice there and paths that overlap (a map and its inside only in transactions)",
        'Update expressions (Expressions.UpdateExpressions): "each action keyword can appear only once"; UpdateItem, Errors',
        {
            "test_updates.py::test_what_it_refuses[the same attribute twice]": ("done", False),
            "test_updates.py::test_what_it_refuses[the same attribute in two clauses]": ("done", True),
            "test_updates.py::test_what_it_refuses[two clauses of a kind]": ("done", False),
            "test_updates.py::test_what_it_refuses_in_a_transaction[the same attribute twice]": ("done", False, {}),
            "test_updates.py::test_what_it_refuses_in_a_transaction[the same attribute in two clauses]": ("done", True, {}),
            "test_updates.py::test_what_it_refuses_in_a_transaction[a map and its inside]": ("done", False, {}),
            "test_updates.py::test_what_it_refuses_in_a_transaction[two clauses of a kind]": ("done", False, {}),
        },
    ),
    Deviation(
        "skips the parts of an update expression that it cannot read, and does the rest",
        'Update expressions (Expressions.UpdateExpressions): syntax; DELETE: "Specifying an empty set is an error"',
        {
            "test_updates.py::test_what_it_refuses[an empty set]": ("done", True),
            "test_updates.py::test_what_it_refuses[a plus without a second]": ("done", False),
            "test_updates.py::test_what_it_refuses[nothing to set]": ("done", True),
            "test_updates.py::test_what_it_refuses[multiplication]": ("done", False),
            "test_updates.py::test_what_it_refuses_in_a_transaction[an empty set]": ("done", True, {}),
            "test_updates.py::test_what_it_refuses_in_a_transaction[a plus without a second]": ("done", False, {}),
            "test_updates.py::test_what_it_refuses_in_a_transaction[no clause]": ("done", True, {}),
            "test_updates.py::test_what_it_refuses_in_a_transaction[nothing to set]": ("done", True, {}),
            "test_updates.py::test_what_it_refuses_in_a_transaction[multiplication]": ("done", False, {}),
        },
    ),
)
