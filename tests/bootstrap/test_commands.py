"""The commands that only read, and what wrong arguments and settings lead to."""

import json

import pytest

from bootstrap.files import SHIPPED_FILE
from chalicelib.catalog import service as catalog
from chalicelib.foundation import clock
from chalicelib.inventory import service as inventory
from chalicelib.inventory.capacity import resize_stock
from chalicelib.inventory.store import ShardRow
from infra.local import initial_data
from infra.local.environment import SetupError
from tests.bootstrap.conftest import stock_of

pytestmark = pytest.mark.usefixtures("time")


def test_a_variable_names_the_file_of_the_commands_and_of_the_local_run(store, run, write, tree, monkeypatch, tmp_path):
    tree["ticket_types"]["fest-pass"]["price_cents"] = -1
    path = write(tree)
    monkeypatch.setenv("BOOTSTRAP_FILE_PATH", str(path))
    refused = run("validate")
    assert (refused.code, str(path) in refused.err + refused.out) == (1, True)
    with pytest.raises(SetupError, match="price_cents"):
        initial_data.create_tables_and_catalog(clock.now(), tmp_path / "demo.json", print)
    tree["ticket_types"]["fest-pass"]["price_cents"] = 100
    write(tree)
    initial_data.create_tables_and_catalog(clock.now(), tmp_path / "demo.json", print)
    assert {"fest", "summits-v-harbor"} <= catalog.load_current().events.keys()


def test_a_variable_names_several_files(store, run, write, tree, monkeypatch, tmp_path):
    """So an event in a file of its own stays on sale when the local run starts again."""
    monkeypatch.setenv("BOOTSTRAP_FILE_PATH", f"{SHIPPED_FILE}:{write(tree)}")
    initial_data.create_tables_and_catalog(clock.now(), tmp_path / "demo.json", print)
    assert {"fest", "summits-v-harbor", "boulder-fest-2026"} <= catalog.load_current().events.keys()
    assert "event fest: is no longer" not in run("plan").out


def test_export_gives_the_file_back(store, run, write, tree, tmp_path):
    assert run("export").code == 1
    run("apply", write(tree))
    assert json.loads(run("export").out) == tree
    run("export", "-o", tmp_path / "out.json")
    assert f"{tmp_path} cannot be written" in run("export", "-o", tmp_path).err
    assert run("apply", tmp_path / "out.json").out.endswith("nothing to do\n")
    tree["events"]["fest"]["venue"] = "Elsewhere"
    run("apply", write(tree))
    assert json.loads(run("export", "--version", 1).out)["events"]["fest"]["venue"] == "Hall"


def test_status_says_what_is_served(store, run, write, tree):
    assert "no file was applied" in run("status").out
    run("apply", "--actor", "deploy-7", write(tree))
    shown = run("status", "--json").json
    assert (shown["version"], shown["applied_by"], shown["events"], shown["ticket_types"]) == (1, "deploy-7", 1, 1)
    assert shown["checksum"] == run("validate", "--json", write(tree)).json["checksum"]
    assert "applied 2026-06-01T12:00:00Z by deploy-7" in run("status").out


def test_status_shows_the_version_of_the_file_beside_that_of_the_store(store, run, write, tree):
    run("apply", write(tree))
    tree["version"] = "2.4.1"
    run("apply", write(tree))
    assert run("status").out.startswith('version 2 is served (the file calls it "2.4.1"), applied ')
    shown = run("status", "--json").json
    assert (shown["version"], shown["document_version"]) == (2, "2.4.1")


class TestDrift:
    def test_none(self, store, run, write, tree):
        run("apply", write(tree))
        assert run("drift", write(tree)).out == "no drift: the store matches the file\n"

    def test_drift_of_the_file(self, store, run, write, tree):
        run("apply", write(tree))
        tree["events"]["fest"]["venue"] = "Elsewhere"
        result = run("drift", write(tree))
        assert result.code == 1
        assert 'venue "Hall" -> "Elsewhere"' in result.out

    def test_drift_of_the_stock_is_healed_by_the_same_file(self, store, run, write, tree):
        run("apply", write(tree))
        resize_stock(catalog.load_current().tiers["fest-pass"].stock_id, 1, 7)
        result = run("drift", write(tree))
        assert (result.code, "the stock has 7, the file says 10" in result.out) == (1, True)
        assert "its stock was corrected" in run("apply", write(tree)).out
        assert stock_of("fest-pass").capacity == 10
        assert run("drift", write(tree)).code == 0
        assert catalog.load_head_and_catalog()[0].version == 1

    def test_drift_of_a_pause_that_did_not_reach_the_stock(self, store, run, write, tree):
        run("apply", write(tree))
        inventory.set_open({catalog.load_current().tiers["fest-pass"].stock_id: 1}, False)
        assert "closed, but its event is not paused" in run("drift", write(tree)).out
        run("apply", write(tree))
        assert stock_of("fest-pass").is_open

    def test_missing_stock_is_never_invented(self, store, run, write, tree):
        run("apply", write(tree))
        stock_id = catalog.load_current().tiers["fest-pass"].stock_id
        ShardRow(f"{stock_id}#0").delete()
        for command in ("drift", "apply"):
            result = run(command, write(tree))
            assert result.code == 1
            assert "is missing from the store" in result.out + result.err

    def test_drift_of_a_version_that_was_tampered_with(self, store, run, write, tree):
        from chalicelib.catalog import store as catalog_store
        from chalicelib.catalog.model import VersionContent

        run("apply", write(tree))
        served = catalog.load_current()
        catalog_store.write_version(1, VersionContent(list(served.events.values()), [], served.states), b"{}")
        assert run("drift", write(tree)).code == 1
        assert run("apply", write(tree)).code == 0


def test_wrong_arguments_exit_with_2(run):
    assert run("appply").code == 2
    assert run("rollback", "seven").code == 2
    assert run("--help").code == 0


def test_a_malformed_setting_is_named(run, monkeypatch):
    monkeypatch.setattr("chalicelib.foundation.settings._current", None)
    monkeypatch.setenv("FAIRGATE_HOLD_SECONDS", "soon")
    assert "FAIRGATE_HOLD_SECONDS" in run("status").err
