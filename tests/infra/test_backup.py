"""`fairgate backup` and `fairgate restore`: a stage that was saved and loaded continues unchanged."""

import gzip
import json

import msgspec
import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import memory, settings
from infra import backup, tables
from infra.backup import main
from tests import builders, invariants


@pytest.fixture
def saved(api, time, tmp_path):
    """A backup of a shop with a paid, a refunded and a pending order: its folder, the shop, the paid order and the open checkout."""
    shop = builders.create_shop(api, capacity=10)
    paid = builders.create_order(api, shop)
    refunded = builders.create_order(api, shop, user="bob")
    builders.refund(api, refunded)
    event_id, tier_id = shop
    reservation = builders.reserve(api, "cleo", event_id, tier_id, 3).json["id"]
    checkout = builders.start_checkout(api, "cleo", reservation).json["id"]
    folder = tmp_path / "backup"
    assert main(["backup", str(folder)]) == 0
    return folder, shop, paid, checkout


@pytest.fixture
def new_stage(saved):
    with settings.override(stage="restored"):
        tables.create_all(dynamo.client())
        memory.forget_everything()
        yield
    memory.forget_everything()


def test_a_loaded_stage_continues_where_it_was(api, time, saved, new_stage, capsys):
    folder, (event_id, tier_id), paid, checkout = saved
    assert main(["restore", str(folder)]) == 0
    assert "all compared" in capsys.readouterr().out
    invariants.check(time.now)
    assert builders.confirm(api, "cleo", checkout).status == 201
    ticket = api.get(f"/tickets/{paid}-1", user="ada").json
    assert ticket["state"] == "valid"
    assert api.get(f"/events/{event_id}/availability").json["availability"][0]["available"] == 5
    assert [builders.reserve(api, f"late-{n}", event_id, tier_id, 3).status for n in range(2)] == [201, 409]
    invariants.check(time.now)


def edit(file, change):
    """Rewrite a file of a backup; `change` gets its lines."""
    lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
    file.write_bytes(gzip.compress(b"".join(change(lines))))


def cut_off(folder):
    file = folder / "purchases.jsonl.gz"
    file.write_bytes(file.read_bytes()[:-20])


def overwrite_the_middle(folder):
    file = folder / "purchases.jsonl.gz"
    content = file.read_bytes()
    file.write_bytes(content[:20] + bytes(40) + content[60:])


def lose_an_item(folder):
    edit(folder / "purchases.jsonl.gz", lambda lines: lines[1:])


def double_an_item(folder):
    edit(folder / "tickets.jsonl.gz", lambda lines: [*lines, lines[0]])


def write_no_item(folder):
    edit(folder / "tickets.jsonl.gz", lambda lines: [*lines, b'{"id": {"X": "1"}}\n'])


def write_a_deep_item(folder):
    edit(folder / "tickets.jsonl.gz", lambda lines: [*lines, b'{"id":' + b'{"L":[' * 50_000 + b"]}" * 50_000 + b"}\n"])


def rename_a_table(folder):
    change_manifest(folder, lambda manifest: manifest["tables"].update(wallets={"items": 0, "digest": ""}))


def raise_the_format(folder):
    change_manifest(folder, lambda manifest: manifest.update(format=2))


def change_manifest(folder, change):
    manifest = msgspec.json.decode((folder / "manifest.json").read_bytes())
    change(manifest)
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut_off, "purchases.jsonl.gz cannot be read"),
        (overwrite_the_middle, "purchases.jsonl.gz cannot be read"),
        (lose_an_item, "purchases.jsonl.gz differs from the saved file"),
        (double_an_item, "tickets.jsonl.gz differs from the saved file"),
        (write_no_item, "line 5: Object contains unknown field `X`"),
        (write_a_deep_item, "tickets.jsonl.gz, line 5: "),
        (rename_a_table, "This stage has no table wallets"),
        (raise_the_format, "has format 2; this version reads format 1"),
        (lambda folder: (folder / "manifest.json").unlink(), "has no manifest.json"),
        (lambda folder: (folder / "manifest.json").write_text("{}"), "Object missing required field"),
        (lambda folder: (folder / "audit.jsonl.gz").unlink(), "audit.jsonl.gz cannot be read"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_damaged_backup_writes_nothing(saved, new_stage, capsys, damage, message):
    folder = saved[0]
    damage(folder)
    assert main(["restore", str(folder)]) == 1
    assert message in capsys.readouterr().err
    assert [feature for feature in tables.definitions() if list(backup._scan(feature))] == []


def test_a_stage_that_is_in_use_is_not_filled(api, saved, capsys):
    assert main(["restore", str(saved[0])]) == 1
    assert "is not empty. Load into a stage with new tables." in capsys.readouterr().err


def test_a_folder_with_files_is_not_overwritten(saved, capsys):
    before = (saved[0] / "manifest.json").read_bytes()
    assert main(["backup", str(saved[0])]) == 1
    assert "is not empty" in capsys.readouterr().err
    assert (saved[0] / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_file_is_no_folder_for_a_backup(saved, capsys, command):
    file = saved[0] / "manifest.json"
    assert main([command, str(file)]) == 1
    assert f"{file} cannot be used: Not a directory" in capsys.readouterr().err


def test_other_accounts_of_the_computer_cannot_read_a_backup(saved):
    assert saved[0].stat().st_mode & 0o077 == 0


def test_a_sale_during_the_backup_makes_it_worthless(api, time, tmp_path, monkeypatch, capsys):
    shop = builders.create_shop(api, capacity=10)
    save_table = backup._save_table

    def save_and_sell(feature, file):
        result = save_table(feature, file)
        if feature == "tickets":
            builders.create_order(api, shop)
        return result

    monkeypatch.setattr(backup, "_save_table", save_and_sell)
    assert main(["backup", str(tmp_path / "backup")]) == 1
    assert "The stage was in use: purchases and inventory changed during the run." in capsys.readouterr().err
    assert list((tmp_path / "backup").iterdir()) == []
    monkeypatch.undo()
    assert main(["backup", str(tmp_path / "backup")]) == 0


@pytest.fixture
def with_an_expired_purchase(api, time):
    """A shop with a purchase whose time to live is over, which DynamoDB may delete at any moment."""
    event_id, tier_id = builders.create_shop(api, capacity=10)
    builders.reserve(api, "ada", event_id, tier_id, 1)
    time.advance(settings.current().hold_seconds + 1)
    builders.run_sweep()
    time.advance(settings.current().purchase_ttl_seconds + 1)


def delete_all(feature):
    for item in dynamo.client().scan(TableName=dynamo.table_name(feature))["Items"]:
        dynamo.client().delete_item(TableName=dynamo.table_name(feature), Key={"id": item["id"]})


@pytest.mark.usefixtures("with_an_expired_purchase")
def test_items_that_expire_do_not_make_a_backup_worthless(tmp_path, monkeypatch):
    save_table = backup._save_table

    def save_and_expire(feature, file):
        result = save_table(feature, file)
        if feature == "tickets":
            delete_all("purchases")
        return result

    monkeypatch.setattr(backup, "_save_table", save_and_expire)
    assert main(["backup", str(tmp_path / "backup")]) == 0


@pytest.mark.parametrize(("feature", "status"), [("purchases", 0), ("inventory", 1)])
@pytest.mark.usefixtures("with_an_expired_purchase")
def test_items_that_expire_do_not_make_a_load_fail(tmp_path, monkeypatch, feature, status):
    assert main(["backup", str(tmp_path / "backup")]) == 0
    batch_write = dynamo.batch_write

    def put_and_delete(table, requests):
        batch_write(table, requests)
        if table == dynamo.table_name(feature):
            delete_all(feature)

    with settings.override(stage="restored"):
        tables.create_all(dynamo.client())
        monkeypatch.setattr(dynamo, "batch_write", put_and_delete)
        assert main(["restore", str(tmp_path / "backup")]) == status


def test_every_type_of_value_comes_back(store, tmp_path):
    item = {
        "id": {"S": "a"}, "n": {"N": "1.5"}, "b": {"B": b"\x00\xff"}, "t": {"BOOL": False}, "z": {"NULL": True},
        "m": {"M": {"x": {"L": [{"S": ""}, {"M": {}}, {"N": "0"}]}}}, "ss": {"SS": ["b", "a"]}, "ns": {"NS": ["2", "1"]},
        "bs": {"BS": [b"2", b"1"]},
    }  # fmt: skip
    name = dynamo.table_name("inventory")
    store.put_item(TableName=name, Item=item)
    assert main(["backup", str(tmp_path / "backup")]) == 0
    with settings.override(stage="restored"):
        tables.create_all(store)
        assert main(["restore", str(tmp_path / "backup")]) == 0
        [loaded] = store.scan(TableName=dynamo.table_name("inventory"))["Items"]
    sets = ("ss", "ns", "bs")
    assert {name: value for name, value in loaded.items() if name not in sets} == {
        name: value for name, value in item.items() if name not in sets
    }
    assert [set(next(iter(loaded[name].values()))) for name in sets] == [{"a", "b"}, {"1", "2"}, {b"1", b"2"}]


def test_a_missing_table_is_reported(saved, capsys):
    with settings.override(stage="nowhere"):
        assert main(["restore", str(saved[0])]) == 1
    assert "the store failed" in capsys.readouterr().err


def test_a_drill_leaves_no_table_and_finds_damage(saved, store, capsys):
    folder = saved[0]
    before = set(store.list_tables()["TableNames"])
    assert main(["drill", str(folder)]) == 0
    lose_an_item(folder)
    assert main(["drill", str(folder)]) == 1
    assert "differs from the saved file" in capsys.readouterr().err
    assert set(store.list_tables()["TableNames"]) == before


@pytest.mark.parametrize("command", ["backup", "restore", "drill"])
def test_the_result_can_be_json(saved, new_stage, tmp_path, capsys, command):
    capsys.readouterr()
    folder = tmp_path / "again" if command == "backup" else saved[0]
    assert main([command, str(folder), "--json"]) == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert (result["stage"], result["folder"]) == ("restored", str(folder))
    assert result["backup"] == json.loads((folder / "manifest.json").read_text())
    assert result["items"] == sum(table["items"] for table in result["backup"]["tables"].values())
    assert "Working on the tables of stage restored" in printed.err
    assert main(["restore", str(tmp_path / "none"), "--json"]) == 1
    assert "it is not a backup" in json.loads(capsys.readouterr().out)["error"]


def test_a_drill_touches_no_tables_that_it_did_not_make(saved, store, capsys):
    with settings.override(stage=f"{settings.current().stage}-drill"):
        name = dynamo.table_name("inventory")
        store.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **tables.definitions()["inventory"])
    assert main(["drill", str(saved[0])]) == 1
    assert "If no other drill is running, delete them and try again." in capsys.readouterr().err
    assert name in store.list_tables()["TableNames"]


def test_only_a_load_creates_tables(tmp_path):
    with pytest.raises(SystemExit):
        main(["backup", str(tmp_path / "new"), "--create-tables"])
