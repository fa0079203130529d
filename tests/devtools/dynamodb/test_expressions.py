"""What compiled expressions do. The contract suite has more conditions and updates."""

import pytest

from devtools.dynamodb.expressions import apply_update, compile_expressions, project
from devtools.dynamodb.values import ApiError
from tests.contract.wire_values import plain_item, wire_item

ITEM = {"n": 5, "letters": "abc", "tags": {"a", "b"}, "series": [1, 2, 3], "tree": {"a": {"b": 1}, "list": [{"x": 1}, {"y": 2}]}}


NAMES = {"#dotted": "a.b", "#hash": "#"}


def wire(values):
    return wire_item({f":{name}": value for name, value in values.items()})


def compiled(parameter, text, names=None, **values):
    """The expression, and the values."""
    given = {"ExpressionAttributeNames": names} if names else {}
    given |= {"ExpressionAttributeValues": wire(values)} if values else {}
    (expression,), values = compile_expressions({parameter: text, **given}, parameter)
    return expression, values


def holds(text, **values):
    condition, values = compiled("ConditionExpression", text, **values)
    return condition.test(wire_item(ITEM), values)


def updated(text, item=ITEM, **values):
    update, values = compiled("UpdateExpression", text, **values)
    return plain_item(apply_update(update, wire_item(item), values))


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
    assert compiled("FilterExpression", "n = :five", five=5)[0] is compiled("FilterExpression", "n = :five", five=6)[0]


def test_texts_are_compiled_once_for_all_keys_of_maps():
    for key, member in (("a", {"b": 1}), ("list", [{"x": 1}, {"y": 2}])):
        names = {"#map": "tree", "#key": key}
        condition, values = compiled("ConditionExpression", "#map.#key = :v AND attribute_exists(#map.#key)", names, v=member)
        assert condition.test(wire_item(ITEM), values)
        update, values = compiled("UpdateExpression", "REMOVE #map.#key", names)
        assert key not in plain_item(apply_update(update, wire_item(ITEM), values))["tree"]
        paths, values = compiled("ProjectionExpression", "#map.#key", names)
        assert plain_item(project(wire_item(ITEM), paths, values)) == {"tree": {key: member}}
    one, other = (compiled("ConditionExpression", "#map.#key = :v", {"#map": "tree", "#key": key}, v=1)[0] for key in "ab")
    assert one is other


def test_keys_of_maps_that_look_like_references():
    names = {"#map": "tree", "#key": ":v", "#same": ":v"}
    update, values = compiled("UpdateExpression", "SET #map.#key = :v, #same = :v", names, v=1)
    new = apply_update(update, wire_item(ITEM), values)
    assert plain_item(new)["tree"][":v"] == plain_item(new)[":v"] == 1
    paths, values = compiled("ProjectionExpression", "#map.#key", {"#map": "tree", "#key": ":v"})
    assert plain_item(project(new, paths, values)) == {"tree": {":v": 1}}


@pytest.mark.parametrize("depth", [30, 31])
def test_depth_of_values_that_updates_nest(depth):
    value = 1
    for _ in range(depth - 1):
        value = [value]
    for text in ("SET tree.a = :v", "SET tree.a = if_not_exists(tree.b, :v)"):
        assert updated(text, v=value)["tree"]["a"] == value
    with pytest.raises(ApiError, match="32 levels"):
        updated("SET tree.a = :v", v=[value, value] if depth == 31 else [[value]])


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("REMOVE #map.#key, #map.#other", {"#map": "tree", "#key": "a", "#other": "a"}),
        ("REMOVE #map.#key, #map.a", {"#map": "tree", "#key": "a"}),
        ("REMOVE #map.#key, #map.#map", {"#map": "tree", "#key": "tree"}),
        ("REMOVE #map.#key, #map.#key.#other", {"#map": "tree", "#key": "a", "#other": "b"}),
    ],
)
def test_paths_through_references_overlap(text, names):
    with pytest.raises(ApiError, match=r"path one: \[tree, (a|tree|#key)\], path two: \[tree, (a|tree|#key, #other)\]"):
        compiled("UpdateExpression", text, names)


def test_references_may_have_the_names_of_others():
    condition, values = compiled("ConditionExpression", "#map.#key = :v", {"#map": "tree", "#key": "#map"}, v=1)
    assert condition.test(wire_item({"tree": {"#map": 1}}), values)
    with pytest.raises(ApiError, match="#key"):
        compiled("ConditionExpression", "#map.#key = :v", {"#map": "tree", "#key": ""}, v=1)


def test_names_and_values_are_used_and_defined():
    condition, values = compiled("FilterExpression", "#a = :v", {"#a": "n"}, v=5)
    assert condition.test(wire_item(ITEM), values)
    for names, values in (({}, {"v": 1}), ({"#a": "n", "#c": "d"}, {"v": 1}), ({"#a": "n"}, {"w": 1}), ({"#a": ""}, {"v": 1})):
        with pytest.raises(ApiError):
            compiled("FilterExpression", "#a = :v", names, **values)


def test_a_name_may_have_any_letters():
    condition, values = compiled("ConditionExpression", "#dotted = :v AND NOT attribute_exists(#hash.#dotted)", NAMES, v=1)
    assert condition.test(wire_item({"a.b": 1, "#": {"c": 2}}), values)


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
    old = wire_item(ITEM)
    text = "SET twin = tree, tree.a.b = :v, tree.a.c = :v, series[9] = :v REMOVE series[0] ADD tags :set"
    update, values = compiled("UpdateExpression", text, v=9, set={"c"})
    new = apply_update(update, old, values)
    assert old == wire_item(ITEM)
    assert plain_item(new)["tree"]["a"] == {**ITEM["tree"]["a"], "b": 9, "c": 9}
    assert plain_item(new)["series"] == [*ITEM["series"][1:], 9]
    assert plain_item(new)["twin"] == ITEM["tree"]


@pytest.mark.parametrize("text", ["SET a = :v, a.b = :v", "SET a.b = :v REMOVE a.b", "SET a[1] = :v, a.b = :v", "SET a = :v SET b = :v"])
def test_overlapping_and_repeated_actions(text):
    with pytest.raises(ApiError):
        compiled("UpdateExpression", text, **({"v": 1} if ":v" in text else {}))


def test_projections():
    paths, values = compiled("ProjectionExpression", "series[2], series[0], tree.a, tree.absent, absent")
    assert plain_item(project(wire_item(ITEM), paths, values)) == {"series": [1, 3], "tree": {"a": {"b": 1}}}
