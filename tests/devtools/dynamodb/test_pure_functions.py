"""What replaces MiniStack's functions gives their results: for random items, expressions and values, odd ones included."""

import copy
from collections.abc import Callable
from decimal import localcontext
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from devtools.dynamodb import conditions, ministack_interface, pure_functions, updates, values
from devtools.dynamodb.module_copy import private_copy

pytestmark = pytest.mark.slow

# In rare cases MiniStack changes a value that an update has copied, so it is compared only in cases in which it does not.
SAME_EACH_TIME = settings(derandomize=True)

MINISTACK: Any = private_copy("ministack.services.dynamodb")  # nothing is replaced in it
NAMES = ["a", "b", "hold", "M", "L", "S", "x1"]
PLACEHOLDERS = {"#a": "a", "#b": "b", "#m": "M", "#s": "S", "#long": "n" * 300, "#odd": 5}
NUMBERS = ["0", "1", "-7", "1.50", "007", "1E+3", "-0", "9" * 38, "9" * 39, "1E126", "x", "", "NaN", "1e-200"]

scalars = st.one_of(
    st.builds(lambda text: {"S": text}, st.sampled_from(["", "a", "x", "é", "\U0001f3ab"])),
    st.builds(lambda text: {"N": text}, st.sampled_from(NUMBERS)),
    # Copies, because an item in which two attributes are one object is none that any request could have made.
    st.sampled_from([{"BOOL": True}, {"BOOL": False}, {"NULL": True}, {"B": "YQ=="}, {"SS": ["a", "b"]}, {"NS": ["1", "2.0"]}]).map(
        copy.deepcopy
    ),
)
odd_scalars = [{}, {"S": 1}, {"N": 1}, {"N": None}, {"S": "a", "N": "1"}, {"BOOL": 1}, {"NULL": False}, {"B": 1}, {"X": "1"}, "x", None, 5]
odd_containers = [
    {"SS": []},
    {"SS": ["a"] * 2},
    {"NS": ["1", "1.0"]},
    {"BS": ["YQ=="] * 2},
    {"M": []},
    {"L": {}},
    {"L": [5]},
    {"M": {"a": 5}},
    [],
]
odd_values = st.sampled_from([*odd_scalars, *odd_containers]).map(copy.deepcopy)


def trees(leaves):
    return st.recursive(
        leaves,
        lambda inner: (
            st.builds(lambda members: {"L": members}, st.lists(inner, max_size=3))
            | st.builds(lambda members: {"M": members}, st.dictionaries(st.sampled_from(NAMES), inner, max_size=3))
        ),
        max_leaves=6,
    )


plain_values = trees(scalars)
any_values = trees(scalars | odd_values)
items = st.dictionaries(st.sampled_from(NAMES), plain_values, max_size=5)
value_maps = st.dictionaries(st.sampled_from([":v", ":w", ":one"]), scalars | plain_values | odd_values, max_size=3)
paths = st.sampled_from(
    ["a", "b", "#a", "#b", "#m", "#s", "#none", "#long", "#odd", "M", "L", "a.b", "a.#b", "#a.x1.b", "a[0]", "a[1].b", "a.S"]
)
references = st.sampled_from([":v", ":w", ":one", ":none"])
operands = paths | references
comparators = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
atoms = st.one_of(
    st.builds("{} {} {}".format, operands, comparators, operands),
    st.builds("{}({})".format, st.sampled_from(["attribute_exists", "attribute_not_exists", "Attribute_Exists"]), paths),
    st.builds("size({}) {} {}".format, paths, comparators, operands),
    st.builds("{} BETWEEN {} AND {}".format, operands, references, references),
    st.builds("{} IN ({}, {})".format, operands, operands, references),
    st.builds("{}({}, {})".format, st.sampled_from(["begins_with", "contains", "attribute_type", "nothing"]), paths, operands),
)
condition_texts = st.recursive(
    atoms,
    lambda inner: (
        st.builds("{} {} {}".format, inner, st.sampled_from(["AND", "OR", "and"]), inner)
        | st.builds("{}({})".format, st.sampled_from(["NOT ", "", "("]), inner)
    ),
    max_leaves=5,
)
set_operands = st.one_of(
    operands,
    st.builds("if_not_exists({}, {})".format, paths, operands),
    st.builds("list_append({}, {})".format, operands, operands),
)
assignments = st.one_of(
    st.builds("{} = {}".format, paths, set_operands),
    st.builds("{} = {} {} {}".format, paths, set_operands, st.sampled_from("+-"), set_operands),
    st.builds("{} = ({} - {}) + {}".format, paths, operands, operands, operands),
)
clauses = st.one_of(
    st.builds("SET {}".format, st.lists(assignments, min_size=1, max_size=3).map(", ".join)),
    st.builds("{} {}".format, st.sampled_from(["REMOVE", "remove"]), st.lists(paths, min_size=1, max_size=3).map(", ".join)),
    st.builds("{} {}".format, st.sampled_from(["ADD", "DELETE"]), st.builds("{} {}".format, paths, references)),
)
update_texts = st.lists(clauses, min_size=1, max_size=3).map(" ".join)
fragments = ["SET", "a", "#a", ":v", "=", "+", ",", "(", ")", ".", "[", "0", "]", "AND", "size", "attribute_exists", "ADD", "?", " "]
garbage = st.lists(st.sampled_from(fragments), max_size=8).map(" ".join)


def outcome(function: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a call or its error, with the arguments as they are afterwards."""
    own = copy.deepcopy(arguments)
    with localcontext(prec=38):
        try:
            result = function(*own)
        except ValueError as error:
            return "error", str(error)
        except Exception as error:
            return "failure", type(error)
    return result, own


@settings(SAME_EACH_TIME, max_examples=300)
@given(text=condition_texts | garbage, item=items, values=value_maps)
@example("NOT (a = :v OR size(a) > :one)", {"a": {"S": "x"}}, {":v": {"S": "x"}, ":one": {"N": "0"}})
def test_conditions(text, item, values):
    arguments = (text, item, values, PLACEHOLDERS)
    assert outcome(conditions.evaluate_condition, *arguments) == outcome(MINISTACK._evaluate_condition, *arguments)


@settings(SAME_EACH_TIME, max_examples=300)
@given(text=update_texts | garbage, item=items, values=value_maps)
@example("SET a = b, b = a", {"a": {"N": "1"}, "b": {"N": "2"}}, {})
@example("SET a.b = :v, a.x1 = a.b REMOVE a.hold", {"a": {"M": {"b": {"N": "1"}, "hold": {"N": "2"}}}}, {":v": {"S": "x"}})
@example("REMOVE a.S", {"a": {"S": "x"}}, {})
@example("ADD a :v", {"a": {"SS": ["a"]}}, {":v": {"SS": ["b", "a"]}})
def test_updates(text, item, values):
    item_before = copy.deepcopy(item)
    ours = outcome(lambda *more: updates.apply_update_expression(item, *more), text, values, PLACEHOLDERS)
    assert item == item_before, "the item that is updated never changes"
    expected = outcome(lambda *more: MINISTACK._apply_update_expression(item, *more), text, values, PLACEHOLDERS)
    # Not the arguments: MiniStack changes values of the request where one path of an update is in another. Nobody reads them afterwards.
    assert ours == expected if isinstance(ours[0], str) else ours[0] == expected[0]


@settings(SAME_EACH_TIME, max_examples=300)
@given(text=update_texts | garbage, item=items, values=value_maps, repeat=st.sampled_from([1, 100_000]))
def test_the_charge_of_an_update_is_exact_near_the_limit_and_never_too_low(text, item, values, repeat):
    values = {name: {"S": "x" * repeat} if name == ":v" else value for name, value in values.items()}
    arguments = (text, values, {**PLACEHOLDERS, "#odd": "odd"}, item)
    ours, exact = outcome(updates.update_request_charge, *arguments), outcome(MINISTACK._update_request_charge, *arguments)
    if isinstance(exact[0], int):
        limit = MINISTACK._DDB_ITEM_MAX_BYTES
        assert exact[0] <= ours[0]
        assert (ours[0] > limit) == (exact[0] > limit)
    else:
        assert ours == exact or ours[0] <= MINISTACK._DDB_ITEM_MAX_BYTES


@settings(SAME_EACH_TIME, max_examples=200)
@given(value=any_values, depth=st.sampled_from([1, 30, 31, 32, 33]))
def test_checks_and_sizes_of_a_value(value, depth):
    for name, arguments in {
        "_attribute_value_size": (value,),
        "_nesting_level": (value, depth),
        "_nesting_exceeded": (value, depth),
        "_validate_attribute_value": ("a", value, depth),
        "_values_error_response": ([value, {"S": "a"}, value], True),
        "_item_size_bytes": ({"a": value, "é": value},),
    }.items():
        assert outcome(values.REPLACEMENTS[name], *arguments) == outcome(getattr(MINISTACK, name), *arguments), name


@SAME_EACH_TIME
@given(
    request=st.dictionaries(
        st.sampled_from(["Item", "Key", "ExpressionAttributeValues", "Expected", "AttributeUpdates", "KeyConditions", "ExclusiveStartKey"]),
        st.dictionaries(st.sampled_from(NAMES), any_values, max_size=2) | st.sampled_from([None, [], "x"]),
        max_size=3,
    )
)
def test_the_values_of_a_request(request):
    assert outcome(values.request_values, request) == outcome(MINISTACK._request_values, request)


@settings(SAME_EACH_TIME, max_examples=150)
@given(
    texts=st.tuples(condition_texts | garbage | st.sampled_from([None, "", 5]), update_texts | st.just(None)),
    values=st.dictionaries(references, scalars, max_size=3) | st.sampled_from([None, {}, [], 5]),
    names=st.dictionaries(st.sampled_from(["#a", "#b", "#c"]), st.just("a"), max_size=2) | st.sampled_from([None, {}, "x"]),
    wording=st.sampled_from(["figure", "envelope", {"ConditionExpression": "figure", "UpdateExpression": "bare"}]),
)
def test_the_names_and_values_that_expressions_use(texts, values, names, wording):
    fields = ("ConditionExpression", "UpdateExpression")
    request = dict(zip(fields, texts, strict=True)) | {"ExpressionAttributeValues": values, "ExpressionAttributeNames": names}
    for arguments in ((request, fields, wording), (request, fields[:1], wording)):
        ours = outcome(conditions.expression_attributes_error, *arguments)
        assert ours == outcome(MINISTACK._validate_expression_attrs, *arguments)


def test_an_expression_is_read_once():
    text = "attribute_not_exists(once) OR #once > :once"
    arguments = (text, {}, {":once": {"N": "1"}}, {"#once": "once"})
    before = conditions.compile_condition.cache_info()
    assert [conditions.evaluate_condition(*arguments) for _ in range(3)] == [True] * 3
    after = conditions.compile_condition.cache_info()
    assert (after.misses - before.misses, after.hits - before.hits) == (1, 2)


def test_everything_that_is_replaced_is_covered_by_the_fingerprint():
    replaced = {*pure_functions.REPLACEMENTS, *values.REPLACEMENTS, *conditions.REPLACEMENTS, *updates.REPLACEMENTS}
    assert replaced <= {*ministack_interface.INTERNALS, *ministack_interface.CACHEABLE}
