"""RELOAD=1: an edit starts the run again, in a copy of the repository."""

import json
import signal

import pytest

from tests.infra.conftest import copy_repository

pytestmark = pytest.mark.slow


@pytest.fixture
def copy(tmp_path):
    copy_repository(tmp_path / "copy")
    return tmp_path / "copy"


def test_an_edit_of_the_bootstrap_file_and_of_code_is_served(start, copy, tmp_path):
    run = start(tmp_path / "data", folder=copy, RELOAD="1", RESET="1").wait_for("Ctrl-C stops it")
    address = run.demo["web_url"]

    file = copy / "bootstrap" / "bootstrap-tickets.json"
    document = json.loads(file.read_bytes())
    event_id = next(iter(document["events"]))
    document["events"][event_id]["name"] = "Renamed while it ran"
    file.write_text(json.dumps(document))
    run.wait_for("Edited: bootstrap/bootstrap-tickets.json. Restarting").wait_for("Ctrl-C stops it")
    assert run.request("GET", f"/events/{event_id}")[1]["name"] == "Renamed while it ran"
    assert run.demo["web_url"] == address

    code = copy / "chalicelib" / "foundation" / "settings.py"
    text = code.read_text()
    code.write_text(text + "\nraise (\n")
    run.wait_for("Edited: chalicelib/foundation/settings.py").wait_for("SyntaxError")
    code.write_text(text.replace("] = 180", "] = 77"))
    run.wait_for("Edited: chalicelib/foundation/settings.py").wait_for("Ctrl-C stops it")
    body = {"tier_id": "summits-v-harbor-upper", "quantity": 1}
    assert run.request("POST", "/events/summits-v-harbor/reservations", body)[1]["expires_in_seconds"] == 77
    assert run.ctrl_c() == 0
    assert run.output.count("Created the tables.") == 1, "RESET deletes the data once"
    assert run.output.endswith("Stopped. Your data is saved.\n")


def test_an_edit_of_the_file_env_changes_settings(start, copy, tmp_path):
    file = copy / ".env"
    file.write_text("FAIRGATE_HOLD_SECONDS=soon\n")
    run = start(tmp_path / "data", folder=copy, RELOAD="1", ENV_FILE=".env").wait_for("FAIRGATE_HOLD_SECONDS")
    file.write_text("FAIRGATE_HOLD_SECONDS=41\n")
    run.wait_for("Edited: .env. Restarting").wait_for("Ctrl-C stops it")
    body = {"tier_id": "summits-v-harbor-upper", "quantity": 1}
    assert run.request("POST", "/events/summits-v-harbor/reservations", body)[1]["expires_in_seconds"] == 41


def test_a_file_env_that_is_made_or_removed_during_the_run_counts_too(start, copy, tmp_path):
    file = copy / ".env"
    run = start(tmp_path / "data", folder=copy, RELOAD="1", ENV_FILE="").wait_for("Ctrl-C stops it")
    file.write_text("FAIRGATE_HOLD_SECONDS=41\n")
    run.wait_for("Edited: .env. Restarting").wait_for("Ctrl-C stops it")
    file.unlink()
    run.wait_for("Edited: .env. Restarting").wait_for("Ctrl-C stops it")
    body = {"tier_id": "summits-v-harbor-upper", "quantity": 1}
    assert run.request("POST", "/events/summits-v-harbor/reservations", body)[1]["expires_in_seconds"] == 180


def test_sigterm_stops_both_processes(start, copy, tmp_path):
    run = start(tmp_path / "data", folder=copy, RELOAD="1").wait_for("Ctrl-C stops it")
    run.process.send_signal(signal.SIGTERM)
    assert run.wait() == 0
    assert "Stopped. Your data is saved." in run.output
    again = start(tmp_path / "data", folder=copy).wait_for("Ctrl-C stops it")
    assert "Another `make run`" not in again.output
