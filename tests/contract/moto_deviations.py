"""The deviations of moto 5.2.5 from what AWS documents."""

from tests.contract.deviation import Deviation
from tests.contract.outcomes import CONDITION_FAILED, CONDITION_FAILED_REASON, INVALID, TRANSACTION_CANCELED
from tests.contract.wire_values import N


def stored_as_sent(*numbers: str) -> dict[str, object]:
    """The outcome of each number that moto stores as it was written."""
    return {number: ("done", {"N": number}) for number in numbers}


MOTO = (
    Deviation(
        "refuses the whole request instead of canceling the transaction with a reason, so `CancellationReasons` is missing",
        'TransactWriteItems, Errors: TransactionCanceledException, "Validation Error: Code: ValidationError"',
        {
            "test_updates.py::test_refused_updates_in_a_transaction[no attribute to add to]": (INVALID, True, None),
            "test_updates.py::test_refused_updates_in_a_transaction[adding to text]": (INVALID, True, None),
            "test_updates.py::test_refused_updates_in_a_transaction[no map to set in]": (INVALID, True, None),
            "test_updates.py::test_refused_updates_in_a_transaction[no map to remove from]": (INVALID, True, None),
            "test_updates.py::test_refused_updates_in_a_transaction[a copy of nothing]": (INVALID, True, None),
            "test_updates.py::test_refused_updates_in_a_transaction[a set plus a number]": (INVALID, True, None),
            "test_updates.py::test_refused_updates_in_a_transaction[a set of another kind]": (INVALID, True, None),
            "test_updates.py::test_refused_updates_in_a_transaction[text plus a number]": (INVALID, True, None),
            "test_updates.py::test_refused_updates_in_a_transaction[out of what is no set]": (INVALID, True, None),
        },
    ),
    Deviation(
        "also refuses the whole request if an update makes an item too large",
        'TransactWriteItems, Errors: TransactionCanceledException, "Item size to update has exceeded the maximum allowed size"',
        {
            "test_transactions.py::test_an_item_that_becomes_too_large": (INVALID, None),
        },
    ),
    Deviation(
        "accepts a path into text, a map together with a path inside it and, in transactions, a value that is not used",
        'UpdateItem, Errors: ValidationException; "The document path provided in the update expression is invalid for update"',
        {
            "test_updates.py::test_refused_updates[text is no map]": ("done", True),
            "test_updates.py::test_refused_updates[a map and its inside]": ("done", False),
            "test_updates.py::test_refused_updates_in_a_transaction[text is no map]": ("done", True, {}),
            "test_updates.py::test_refused_updates_in_a_transaction[a map and its inside]": ("done", False, {}),
            "test_updates.py::test_refused_updates_in_a_transaction[an unused value]": ("done", True, {}),
        },
    ),
    Deviation(
        "raises a Python exception for a malformed condition",
        "Condition expressions (Expressions.OperatorsAndFunctions): syntax; UpdateItem, Errors: ValidationException",
        {
            "test_conditions.py::test_invalid_conditions[an undefined name]": ("no response: KeyError", True),
            "test_conditions.py::test_invalid_conditions[an undefined value]": ("no response: KeyError", True),
            "test_conditions.py::test_invalid_conditions[no operand]": ("no response: ValueError", True),
            "test_conditions.py::test_invalid_conditions[half a parenthesis]": ("no response: ValueError", True),
            "test_conditions.py::test_invalid_conditions[a function in capitals]": ("no response: ValueError", True),
            "test_conditions.py::test_invalid_conditions[a value alone]": ("no response: ValueError", True),
            "test_conditions.py::test_invalid_conditions[a value of no type]": ("no response: IndexError", True),
        },
    ),
    Deviation(
        "evaluates conditions that should be refused",
        "Condition expressions (Expressions.OperatorsAndFunctions); Expression attribute names; UpdateItem, Errors",
        {
            "test_conditions.py::test_invalid_conditions[an unused value]": ("done", False),
            "test_conditions.py::test_invalid_conditions[an attribute compared with itself]": ("done", False),
            "test_conditions.py::test_invalid_conditions[bounds the wrong way round]": (CONDITION_FAILED, True),
            "test_conditions.py::test_invalid_conditions[an empty set]": (CONDITION_FAILED, True),
            "test_conditions.py::test_invalid_conditions[begins_with a number]": (CONDITION_FAILED, True),
        },
    ),
    Deviation(
        "raises a Python exception when a number is compared with a text",
        "Condition expressions (Expressions.OperatorsAndFunctions): a value is never less than one of another type",
        {
            "test_conditions.py::test_conditions_of_updates[n < :text_five]": ("no response: TypeError", False),
            "test_conditions.py::test_conditions_of_transactions[n < :text_five]": (TRANSACTION_CANCELED, ["TypeError"]),
        },
    ),
    Deviation(
        "treats `true` and 1 as equal",
        "Condition expressions (Expressions.OperatorsAndFunctions): true and 1 are of different types",
        {
            "test_conditions.py::test_conditions_of_updates[flag = :one]": ("done", True),
            "test_conditions.py::test_conditions_of_transactions[flag = :one]": "done",
        },
    ),
    Deviation(
        "ignores ClientRequestToken: a repeated transaction is executed again",
        "TransactWriteItems, ClientRequestToken",
        {
            "test_transactions.py::test_a_token_makes_a_transaction_once": (["done", "done", "done"], {"n": 3}),
            "test_transactions.py::test_a_token_makes_a_conditional_transaction_once": [
                "done",
                (TRANSACTION_CANCELED, [CONDITION_FAILED_REASON]),
            ],
            "test_transactions.py::test_a_token_belongs_to_one_request": (["done", "done"], {"n": 3}),
            "test_transactions.py::test_a_token_of_37_characters": "done",
        },
    ),
    Deviation(
        "accepts a transaction without actions",
        'TransactWriteItems, TransactItems: "Minimum number of 1 item"',
        {
            "test_transactions.py::test_number_of_actions[0]": "done",
        },
    ),
    Deviation(
        "accepts a transaction of more than 4 MB",
        'TransactWriteItems: "The aggregate size of the items in the transaction cannot exceed 4 MB"',
        {
            "test_transactions.py::test_four_megabytes[11-False]": "done",
        },
    ),
    Deviation(
        "accepts empty batches, and batches of 26 writes",
        'BatchWriteItem: "There are more than 25 requests in the batch"; WriteRequest arrays: "Minimum number of 1 item"',
        {
            "test_batches.py::test_number_of_writes[0]": {},
            "test_batches.py::test_number_of_writes[26]": {},
            "test_batches.py::test_number_of_reads[0]": ({}, {}),
        },
    ),
    Deviation(
        "allows a batch to write an item twice",
        'BatchWriteItem: "You try to perform multiple operations on the same item"',
        {
            "test_batches.py::test_an_item_is_written_once[put]": ({}, {}),
            "test_batches.py::test_an_item_is_written_once[delete]": ({}, None),
        },
    ),
    Deviation(
        "writes the requests that come before an invalid one",
        'BatchWriteItem: "DynamoDB rejects the entire batch write operation"',
        {
            "test_batches.py::test_an_invalid_request_refuses_the_batch": (INVALID, {}),
            "test_batches.py::test_a_too_large_item_refuses_the_batch": (INVALID, {}),
        },
    ),
    Deviation(
        "does not validate the keys of reads and deletes: type, length, emptiness",
        "Supported data types and naming rules; Constraints: partition key length, sort key length",
        {
            "test_batches.py::test_a_key_of_another_type": "done",
            "test_values.py::test_invalid_hash_keys[an empty text]": [INVALID, INVALID, "done", "no response: AttributeError"],
            "test_values.py::test_invalid_hash_keys[a number]": [INVALID, "done", "done", INVALID],
            "test_values.py::test_invalid_hash_keys[a binary]": [INVALID, "done", "done", INVALID],
            "test_values.py::test_invalid_hash_keys[null]": [INVALID, "done", "done", INVALID],
            "test_values.py::test_invalid_hash_keys[2,049 bytes]": [INVALID, "done", "done", INVALID],
            "test_values.py::test_invalid_composite_keys[a sort key of 1,025 bytes]": "done",
        },
    ),
    Deviation(
        "reports constants as consumed capacity, and none for transactions",
        "DynamoDB read and write operations (read-write-operations); TransactWriteItems, ReturnConsumedCapacity",
        {
            "test_capacity.py::test_a_put[1025-2]": 1.0,
            "test_capacity.py::test_a_put[10240-10]": 1.0,
            "test_capacity.py::test_a_put_costs_the_larger_of_old_and_new_item[3072-100-3]": 1.0,
            "test_capacity.py::test_a_put_costs_the_larger_of_old_and_new_item[100-3072-3]": 1.0,
            "test_capacity.py::test_an_update_costs_the_larger_of_old_and_new_item[3072-100-3]": 0.5,
            "test_capacity.py::test_an_update_costs_the_larger_of_old_and_new_item[100-3072-3]": 0.5,
            "test_capacity.py::test_an_update_costs_the_larger_of_old_and_new_item[100-200-1]": 0.5,
            "test_capacity.py::test_a_small_update_of_a_large_item": 0.5,
            "test_capacity.py::test_a_delete[2049-3]": 1.0,
            "test_capacity.py::test_a_get[0-True-1]": 0.5,
            "test_capacity.py::test_a_get[100-True-1]": 0.5,
            "test_capacity.py::test_a_get[4096-True-1]": 0.5,
            "test_capacity.py::test_a_get[4097-True-2]": 0.5,
            "test_capacity.py::test_a_get[9216-False-1.5]": 0.5,
            "test_capacity.py::test_a_query_rounds_the_sum[True-3]": 1.0,
            "test_capacity.py::test_a_query_rounds_the_sum[False-1.5]": 1.0,
            "test_capacity.py::test_a_batch_of_reads_rounds_each[True-4]": [3.0],
            "test_capacity.py::test_a_batch_of_reads_rounds_each[False-2]": [3.0],
            "test_capacity.py::test_a_batch_of_writes": [1.0],
            "test_capacity.py::test_a_transaction_costs_twice": [],
            "test_capacity.py::test_each_table_of_a_transaction": [None, None],
            "test_capacity.py::test_a_repeated_transaction_costs_reads": [None, None],
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
        "never deletes expired items",
        "Using time to live (TTL); DynamoDB Streams and Time to Live",
        {
            "test_expiry.py::test_deleted_items_and_their_change_records": (["expired", "later", "text", "old"], []),
        },
    ),
    Deviation(
        "omits LastEvaluatedKey when a limit is exactly met",
        'Query, Limit: "processes the number of items up to the limit ... and a key in LastEvaluatedKey"',
        {
            "test_reading.py::test_a_limit_that_is_just_met_has_a_last_key": (False, None),
        },
    ),
    Deviation(
        "executes queries that should be refused, or raises a Python exception",
        'Query, KeyConditionExpression, Limit ("Minimum value of 1"), ExclusiveStartKey',
        {
            "test_reading.py::test_invalid_queries[a hash key of another type]": "done",
            "test_reading.py::test_invalid_queries[a choice]": "no response: AssertionError",
            "test_reading.py::test_invalid_queries[a limit of 0]": "done",
            "test_reading.py::test_invalid_queries[a start of another partition]": "done",
            "test_reading.py::test_invalid_queries[an empty prefix's type]": "done",
        },
    ),
    Deviation(
        "computes SizeBytes from the JSON",
        "StreamRecord, SizeBytes; DynamoDB item sizes and formats",
        {
            "test_streams.py::test_contents_of_a_record": ("aws:dynamodb", True, "NEW_AND_OLD_IMAGES", False),
        },
    ),
    Deviation(
        "makes a change record for a write that changes nothing",
        "Change data capture for DynamoDB Streams: writes that change nothing",
        {
            "test_streams.py::test_writes_that_change_nothing_make_no_record": ["INSERT", "MODIFY", "MODIFY", "MODIFY", "MODIFY", "REMOVE"],
            "test_streams.py::test_the_order_of_a_set_is_not_a_change": ["INSERT", "MODIFY"],
        },
    ),
    Deviation(
        "makes two change records for an update that creates an item: INSERT with the key alone, then MODIFY",
        'Record, eventName: "INSERT - a new item was added to the table", MODIFY only for an existing item',
        {
            "test_streams.py::test_the_changes_of_an_item_are_in_order": (
                [
                    [None, 0, 3, 6, 9, 12, 15, 18, 21, 24, 27],
                    [None, 1, 4, 7, 10, 13, 16, 19, 22, 25, 28],
                    [None, 2, 5, 8, 11, 14, 17, 20, 23, 26, 29],
                ],
                33,
            ),
        },
    ),
    Deviation(
        "names the error of DescribeTimeToLive `ResourceNotFound`",
        "DescribeTimeToLive, Errors: ResourceNotFoundException",
        {
            "test_tables.py::test_a_missing_table[time to live]": "ResourceNotFound 400",
        },
    ),
    Deviation(
        "keeps numbers as they are written or as Python prints them, and cannot add numbers with exponents",
        'DynamoDB item sizes and formats: "Leading and trailing zeroes are trimmed"; Supported data types, Number',
        {
            "test_streams.py::test_numbers_in_images": {"N": "1.50"},
            "test_values.py::test_numbers_are_normalized[put]": stored_as_sent(
                "1.0", "1.50", "0001", "+5", "-0", "0.0", ".5", "1e3", "1E-5", "1e125", "-1e125", "1e-130"
            ),
            "test_values.py::test_numbers_are_normalized[update]": stored_as_sent(
                "1.0", "1.50", "0001", "+5", "-0", "0.0", ".5", "1e3", "1E-5", "1e125", "-1e125", "1e-130"
            ),
            "test_values.py::test_numbers_are_normalized[transaction]": stored_as_sent(
                "1.0", "1.50", "0001", "+5", "-0", "0.0", ".5", "1e3", "1E-5", "1e125", "-1e125", "1e-130"
            ),
            "test_values.py::test_numbers_are_normalized[add]": {
                **stored_as_sent("1.0", "1.50", "0.0"),
                "1e3": ("no response: ValueError", None),
                "1E-5": ("no response: ValueError", None),
                "0.12345678901234567890123456789012345678": ("done", {"N": "0.1234567890123456789012345679"}),
                "1e125": ("no response: ValueError", None),
                "-1e125": ("no response: ValueError", None),
                "1e-130": ("no response: ValueError", None),
            },
            "test_values.py::test_sums[a fraction that ends-SET n = n + :n]": ("done", {"N": "2.0"}),
            "test_values.py::test_sums[a fraction that ends-ADD n :n]": ("done", {"N": "2.0"}),
        },
    ),
    Deviation(
        "accepts invalid numbers, or raises a Python exception",
        "Supported data types and naming rules, Number: the range, 38 digits, an exception beyond them",
        {
            "test_values.py::test_invalid_numbers[put]": stored_as_sent("123456789012345678901234567890123456789", "1e126", "-1e126"),
            "test_values.py::test_invalid_numbers[update]": stored_as_sent(
                "", "abc", "1,5", "NaN", "Infinity", "0x10", "1 2", "123456789012345678901234567890123456789", "1e126", "1e-131", "-1e126"
            ),
            "test_values.py::test_invalid_numbers[transaction]": stored_as_sent(
                "", "abc", "1,5", "NaN", "Infinity", "0x10", "1 2", "123456789012345678901234567890123456789", "1e126", "1e-131", "-1e126"
            ),
            "test_values.py::test_invalid_numbers[add]": {
                "": ("no response: ValueError", None),
                "abc": ("no response: ValueError", None),
                "1,5": ("no response: ValueError", None),
                "NaN": ("no response: ValueError", None),
                "Infinity": ("no response: ValueError", None),
                "0x10": ("no response: ValueError", None),
                "1 2": ("no response: ValueError", None),
                "123456789012345678901234567890123456789": ("done", {"N": "123456789012345678901234567890123456789"}),
                "1e126": ("no response: ValueError", None),
                "1e-131": ("no response: ValueError", None),
                "-1e126": ("no response: ValueError", None),
            },
            "test_values.py::test_a_sum_that_is_too_large[SET n = n + :n]": ("no response: ValueError", {"N": "9e125"}),
            "test_values.py::test_a_sum_that_is_too_large[ADD n :n]": ("no response: ValueError", {"N": "9e125"}),
        },
    ),
    Deviation(
        "accepts invalid values, such as sets with a duplicate member, or raises a Python exception",
        "Supported data types and naming rules, Sets: members are unique; AttributeValue",
        {
            "test_values.py::test_invalid_values[an empty set of binaries]": ("done", {"x": set()}),
            "test_values.py::test_invalid_values[a set with one twice]": ("done", {"x": {"a"}}),
            "test_values.py::test_invalid_values[a set with one number twice]": ("done", {"x": {N("1.0"), 1}}),
            "test_values.py::test_invalid_values[two types]": ("done", {"x": "a"}),
            "test_values.py::test_invalid_values[no type]": ("no response: StopIteration", None),
        },
    ),
    Deviation(
        "refuses an item of exactly 400 KB as too large",
        'Constraints, Items: "The maximum item size in DynamoDB is 400 KB"',
        {
            "test_values.py::test_maximum_item_size[409600-True]": INVALID,
            "test_values.py::test_maximum_item_size_after_an_update[409600-True]": (INVALID, False),
        },
    ),
    Deviation(
        "accepts any nesting depth",
        'Constraints, Attributes: "Nested attribute depth ... up to 32 levels deep"',
        {
            "test_values.py::test_maximum_depth[33-False]": "done",
        },
    ),
)
