"""What commands print with and without `--json`: one line of ASCII for scripts, and lines without control characters for people."""

import json

import pytest
from msgspec import Struct

from bootstrap.output import Output


class Counted(Struct):
    tickets: dict[int, str]


@pytest.mark.parametrize("is_json", [False, True])
def test_a_result_is_one_object_or_lines(capsys, is_json):
    Output("count", is_json).print_result(Counted({1: "Sí\x1b[2J\x9b2J"}), ["one", "two\n\x1b[2J"])
    printed = capsys.readouterr()
    assert printed.err == ""
    if is_json:
        assert printed.out.isascii()
        assert printed.out.count("\n") == 1
        assert json.loads(printed.out) == {"tickets": {"1": "Sí\x1b[2J\x9b2J"}}
    else:
        assert printed.out == "one\ntwo\\n\\x1b[2J\n"


@pytest.mark.parametrize("is_json", [False, True])
def test_a_failure_is_a_message_and_with_json_an_object_too(capsys, is_json):
    assert Output("count", is_json).print_failure("it is \x1b[2J full", 3, ["line 1: a fault"], faults=["a fault"]) == 3
    printed = capsys.readouterr()
    assert printed.err == "line 1: a fault\ncount: it is \\x1b[2J full\n"
    assert (json.loads(printed.out) if is_json else printed.out) == (
        {"error": "it is \x1b[2J full", "faults": ["a fault"]} if is_json else ""
    )


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["rollback", "7"], 1, "there is no version 7"),
        (["export"], 1, "no file was applied yet"),
        (["validate", "none.json"], 1, "1 fault; nothing was changed"),
        (["import-waitlist", "none.csv", "--event", "fest"], 1, "none.csv cannot be read"),
    ],
)
def test_a_command_that_fails_prints_an_object_with_the_error(run, words, code, error):
    result = run(*words, "--json")
    assert (result.code, error in result.json["error"], result.json["error"] in result.err) == (code, True, True)


@pytest.mark.usefixtures("api")
def test_a_document_in_a_file_is_named_in_the_result(run, write, tree, tmp_path):
    run("apply", write(tree))
    exported = run("export", "--output", tmp_path / "fest.json", "--json")
    assert (exported.code, exported.json) == (0, {"file": str(tmp_path / "fest.json"), "notes": [], "faults": []})
    assert json.loads((tmp_path / "fest.json").read_text())["events"].keys() == {"fest"}
    assert run("export", "--json").json["events"].keys() == {"fest"}, "without a file, the document is the result"
