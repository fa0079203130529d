"""A function in a process of its own."""

import pytest

from infra.instance import FunctionReply, Instance, InstanceFailed

ENVIRONMENT = {"LIMIT": "7"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "functions.py").write_text(
        "import os\n\n"
        "def handle(event, context):\n"
        "    import colorsys\n"
        "    print('a log line')\n"
        "    return {'statusCode': event['status'], 'body': '[' + os.environ['LIMIT'] + ']'}\n"
    )
    return tmp_path


def test_it_says_what_the_start_and_each_call_have_loaded(folder):
    with Instance(folder, "functions.handle", ENVIRONMENT, alone=True) as instance:
        assert instance.start.reply is None
        assert "functions" in instance.start.modules
        assert "colorsys" not in instance.start.modules
        reply = instance.call({"status": 200})
        assert reply.json_body() == [7]
        assert set(reply.modules) == {*instance.start.modules, "colorsys"}
        assert reply.packages >= {"functions", "colorsys"}
        assert reply.cpu_seconds >= instance.start.cpu_seconds
        with pytest.raises(ValueError, match="status 404"):
            instance.call({"status": 404}).json_body()


def test_alone_it_sees_no_package_that_is_not_in_its_folder(folder, capfd):
    (folder / "functions.py").write_text("import msgspec\ndef handle(event, context): ...\n")
    with Instance(folder, "functions.handle", ENVIRONMENT) as instance:
        assert "msgspec" in instance.start.packages
    with pytest.raises(InstanceFailed, match="exit code 1"):
        Instance(folder, "functions.handle", ENVIRONMENT, alone=True)
    assert "No module named 'msgspec'" in capfd.readouterr().err


def test_a_reply_names_packages_once():
    assert FunctionReply(None, ["json", "json.decoder"], 0.0).packages == {"json"}
