"""What compiled expressions do. The contract suite has more conditions and updates."""

import pytest

from devtools.dynamodb_engine.expressions import apply_update, compile_condition, compile_projection, compile_update, project
from devtools.dynamodb_engine.values import ApiError
from tests.contract.wire_values import plain_item, wire_item

ITEM = {"n": 5, "letters": "abc", "tags": {"a", "b"}, "series": [1, 2, 3], "tree": {"a": {"b": 1}, "list": [{"x": 1}, {"y": 2}]}}


def wire(values):
    return wire_item({f":{name}": value for name, value in values.items()})


def holds(text, **values):
    return compile_condition(text).test(wire_item(ITEM), {}, wire(values))


def updated(text, item=ITEM, **values):
    old, new = wire_item(item), wire_item(item)
    apply_update(compile_update(text), old, new, {}, wire(values))
    return plain_item(new)


def test_missing_attributes_in_comparisons():
    assert [holds(f"absent {sign} :v", v=1) for sign in ("=", "<>", "<", ">=")] == [False, True, False, False]
    assert not holds("absent IN (:v, n)", v=1)
    assert not holds("n BETWEEN absent AND :v", v=9)


def test_values_of_other_types_are_not_comparable():
    assert not holds("n < :v", v="9")
    assert not holds("contains(tags, :v)", v=1)
    assert holds("size(series) > size(tags)")
    assert not holds("size(n) > :v", v=0)


def test_texts_are_compiled_once():
    assert compile_condition("n = :five") is compile_condition("n = :five")


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("SET series[1] = :v", {"series": [1, 9, 3]}),
        ("SET series[7] = :v, series[5] = n", {"series": [1, 2, 3, 5, 9]}),
        ("REMOVE series[0], series[2]", {"series": [2]}),
        ("REMOVE series[9]", {}),
        ("SET series = list_append(series, if_not_exists(more, :list))", {"series": [1, 2, 3, 7]}),
        ("SET tree.a.c = :v", {"tree": {**ITEM["tree"], "a": {"b": 1, "c": 9}}}),
        ("SET tree.#list[1].y = :v".replace("#list", "series"), None),
        ("SET n = n + :v, letters = :v", {"n": 14, "letters": 9}),
        ("SET twin = tree.a, n = tree.a.b", {"twin": {"b": 1}, "n": 1}),
        ("ADD tree.a.b :v", {"tree": {**ITEM["tree"], "a": {"b": 10}}}),
        ("DELETE tags :set", {"tags": {"b"}}),
    ],
)
def test_updates(text, changes):
    values = {"v": 9, "list": [7], "set": {"a"}}
    used = {name: value for name, value in values.items() if f":{name}" in text}
    if changes is None:
        with pytest.raises(ApiError):
            updated(text, **used)
    else:
        assert updated(text, **used) == {**ITEM, **changes}


def test_an_update_does_not_change_the_old_item():
    old, new = wire_item(ITEM), wire_item(ITEM)
    apply_update(compile_update("SET twin = tree, tree.a.b = :v ADD tags :set"), old, new, {}, wire({"v": 9, "set": {"c"}}))
    assert old == wire_item(ITEM)
    assert plain_item(new)["twin"] == ITEM["tree"]


@pytest.mark.parametrize("text", ["SET a = :v, a.b = :v", "SET a.b = :v REMOVE a.b", "SET a[1] = :v, a.b = :v", "SET a = :v SET b = :v"])
def test_overlapping_and_repeated_actions(text):
    with pytest.raises(ApiError):
        compile_update(text)


def test_projections():
    paths = compile_projection("series[2], series[0], tree.a, tree.absent, absent").paths
    assert plain_item(project(wire_item(ITEM), paths)) == {"series": [1, 3], "tree": {"a": {"b": 1}}}
