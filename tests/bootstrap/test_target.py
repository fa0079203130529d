"""Which store a command uses if no store is named."""

import fcntl
import json
import os

import pytest

from bootstrap import target
from chalicelib.foundation import settings
from tests import engines


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The data folder of a run that has ended."""
    monkeypatch.setenv("DATA", str(tmp_path))
    for name in target._LOCAL_CREDENTIALS:
        monkeypatch.setenv(name, "the user's own")
    (tmp_path / ".fairgate-data").touch()
    (tmp_path / "secrets.json").write_text(json.dumps({"ticket_keys": "k1:that of the run", "jwt_secret": "..."}))
    (tmp_path / "demo.json").write_text(json.dumps({"store_url": "http://127.0.0.1:9", "stage": "mine", "web_url": "..."}))
    return tmp_path


@pytest.fixture
def running(folder):
    with (folder / ".fairgate-data").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def test_stage_local_is_that_of_the_running_local_run_with_its_demo(running, tmp_path):
    with settings.override(stage="local", ticket_keys=""):
        with target.choose_target([tmp_path / "tickets.json"]) as chosen:
            assert settings.current().ticket_keys == "k1:that of the run"
            assert (settings.current().store_endpoint, settings.current().stage) == ("http://127.0.0.1:9", "mine")
            assert chosen.name == f"the local run in {running}"
            assert chosen.files == [str(tmp_path / "tickets.json"), str(running / "demo-tickets.json")]
            assert os.environ["AWS_ACCESS_KEY_ID"] == "local"
        assert settings.current().store_endpoint == ""


def test_a_run_that_has_ended_is_not_taken_for_one_that_runs(folder, run, monkeypatch):
    with settings.override(stage="local"):
        for command in ("plan", "apply", "status", "drift", "export"):
            result = run(command)
            assert result.code == 1
            assert f"No local run uses {folder}. Start one in another terminal (make run)" in result.err
        monkeypatch.setenv("DATA", str(folder / "missing"))
        assert "No local run uses" in run("status").err
        assert run("validate").code == 0, "a file can be checked without a store"


def test_a_run_without_an_address_yet_is_not_called(running, run):
    (running / "demo.json").write_text("{")
    with settings.override(stage="local"):
        assert "No local run uses" in run("status").err


def test_commands_say_which_store_they_talk_to(run):
    with engines.moto(), engines.fresh_stage():
        assert run("status").err == f"store: DynamoDB in us-east-1, stage {settings.current().stage}\n"


def test_a_stage_without_tables_is_named(store, run, write, tree):
    del tree["environment"]
    with settings.override(stage="porduction"):
        result = run("plan", write(tree))
        assert result.code == 1
        assert "Stage porduction has no tables in us-east-1. Check FAIRGATE_STAGE" in result.err
