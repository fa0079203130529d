"""`fairgate export-promoter` and `import-promoter`: everything of a promoter moves to another stage in one file."""

import json
import re
from contextlib import ExitStack
from hashlib import sha256
from zipfile import ZipFile

import pytest

from chalicelib.accounts import members, profiles
from chalicelib.accounts import service as accounts
from chalicelib.accounts.model import Account
from chalicelib.accounts.profiles import LegalText, PromoterChange
from chalicelib.addons.waitlist import store as waitlist
from chalicelib.audit import service as audit
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Brand
from chalicelib.foundation import settings
from chalicelib.promoters import service as promoters
from chalicelib.promotions import service as promotions
from chalicelib.purchases import queries
from chalicelib.tickets import qr
from chalicelib.tickets.store import scan_tickets
from tests import builders, invariants
from tests.bootstrap.conftest import stock_of
from tests.bootstrap.test_event_export import create_full_event, shown
from tests.engines import create_tables
from tests.repository import ROOT

pytestmark = [pytest.mark.usefixtures("store"), pytest.mark.needs_addon]
PAT = "pat@example.com"
PAGE = ROOT / "docs" / "promoter-archive.md"
# What is different after a move; docs/promoter-archive.md lists it.
CHANGED = {"manifest.json", "team.csv"}


@pytest.fixture
def other_stage():
    """`other_stage()` works on an empty stage from then on, in which the promoter has an account."""
    with settings.override(stage="test-other"):
        create_tables()
    with ExitStack() as stack:

        def enter(time):
            stack.enter_context(settings.override(stage="test-other"))
            catalog.invalidate()
            create_promoter(time)

        yield enter
    catalog.invalidate()


def create_account(name, time, *roles):
    account = Account(user_id=name, email=f"{name}@example.com", roles=("user", *roles), created_at=time.now, verified_at=time.now)
    accounts.create_account(account, "seven grey owls")


def create_promoter(time):
    create_account("pat", time, "promoter")
    if profiles.find_promoter("pat") is None:
        change = PromoterChange("Pat", None, "", None, None, "", verified=None)
        profiles.save_promoter("pat", change, "admin", time.now, by_admin=True)


def change(api, path, **fields):
    reply = api.patch(path, json=fields, token=builders.admin_token())
    assert reply.status == 200, reply.json


@pytest.fixture
def season(api, time):
    """A promoter with a profile, a team, and an event on sale: its id and the id of an order with two tickets, one of them refunded."""
    create_promoter(time)
    profile = PromoterChange(
        "Pat", "Pier Nights", "Concerts by the sea", "https://pier.example.com", "hi@example.com", "None", verified=True
    )
    profiles.save_promoter("pat", profile, "admin", time.now, by_admin=True)
    promoters.change_brand("pat", lambda _: Brand("#17643f", "#9ad7b4"), "pat", time.now)
    text = LegalText(owner_id="pat", kind="terms", language="en", text="Be kind.")
    profiles.replace_legal_text("pat", "terms", "en", text, "pat", time.now)
    event_id = builders.create_event(api, status="draft", name="Pier", capacity=40)
    change(api, f"/events/{event_id}", promoter_id="pat", image_url="https://pier.example.com/a.jpg", metadata={"stage": "left"})
    floor = builders.create_tier(api, event_id, capacity=20)
    question = {"label": "Dinner", "option_type": "text_input", "is_required": False, "per": "ticket"}
    options = f"/admin/events/{event_id}/tickets/packages/{floor}/options"
    assert api.post(options, json=question, token=builders.admin_token()).status == 201
    tiny = builders.create_tier(api, event_id, name="Box", capacity=1)
    builders.create_promo_code(api, event_id)
    assert api.post(f"/events/{event_id}/publish", token=builders.admin_token()).status == 200
    members.invite(event_id, "door@example.com", "staff", "pat", time.now)
    attendees = [{"name": "=Ada, the 1st", "email": "ada@example.com"}, {"name": "Bob"}]
    bought = builders.buy(api, "ada", event_id, floor, 2, customer_email="ada@example.com", attendees=attendees)
    assert bought.status == 201, bought.json
    assert builders.buy(api, "guest-1", event_id, tiny, customer_email="gus@example.com").status == 201
    create_account("wendy", time)
    joined = api.post("/waitlist", json={"event_id": event_id, "tier_id": tiny}, user="wendy")
    assert joined.status in (200, 201), joined.json
    order_id = bought.json["order"]["id"]
    assert builders.refund(api, order_id, tickets=builders.ticket_ids(order_id, 2)).status in (200, 201, 202)
    return event_id, order_id


@pytest.fixture
def archive(run, season, tmp_path):
    """The archive of the season's promoter."""
    file = tmp_path / "pat.zip"
    result = run("export-promoter", PAT, "-o", file)
    assert result.code == 0, result.err
    return file


@pytest.fixture
def change_archive(archive, tmp_path):
    """`change_archive(edit)` writes the archive after `edit(files)` with a manifest that fits, and then `damage(files)`."""

    def call(edit=lambda files: None, damage=lambda files: None):
        files = contents(archive)
        manifest = json.loads(files.pop("manifest.json"))
        edit(files)
        for name, content in files.items():
            entry = manifest["files"].setdefault(name, {"rows": 1})
            entry |= {"sha256": sha256(content).hexdigest(), "bytes": len(content)}
        manifest["files"] = {name: entry for name, entry in manifest["files"].items() if name in files}
        files["manifest.json"] = json.dumps(manifest).encode()
        damage(files)
        changed = tmp_path / "changed.zip"
        with ZipFile(changed, "w") as written:
            for name, content in files.items():
                written.writestr(name, content)
        return changed

    return call


def contents(file):
    with ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def document(files, event_id):
    tree = json.loads(files[f"events/{event_id}.json"])
    tree["events"][event_id]["status"] = "any"
    return tree


def check_in(api, event_id, code):
    return api.post("/checkin", json={"code": code, "event_id": event_id}, token=builders.staff_token(event_id))


def test_a_promoter_moves_to_another_stage_and_back_into_an_archive(api, time, run, season, archive, other_stage, tmp_path):
    event_id, order_id = season
    before, [ticket] = contents(archive), [ticket for ticket in scan_tickets() if ticket.id == f"{order_id}-1"]
    other_stage(time)
    dry = run("import-promoter", archive)
    assert (dry.code, dry.out.splitlines()) == (
        0,
        [
            "promoter pat gets the events",
            "1 events, 2 orders, 2 valid tickets, 1 entries of waitlists, 1 roles",
            "This was a dry run. To import it, add --apply.",
        ],
    )
    assert catalog.load_current().events == {}
    applied = run("import-promoter", archive, "--apply")
    assert applied.code == 0, applied.err
    event = catalog.load_current().events[event_id]
    assert (event.status, event.managed_by, event.promoter_id, event.metadata) == ("draft", "api", "pat", {"stage": "left"})
    assert promotions.find_promo_code(event_id, "SAVE").discount_value
    assert members.find_membership(event_id, "door@example.com").pending
    promoter = profiles.find_promoter("pat")
    assert (promoter.company, promoter.state) == ("Pier Nights", "unverified")
    found = queries.list_tickets_of_address("ada@example.com")
    assert [(found_ticket.code, found_ticket.attendee.name) for found_ticket in found] == [(ticket.code, "=Ada, the 1st")]
    assert api.post(f"/events/{event_id}/publish", token=builders.admin_token()).status == 200
    create_account("wendy", time)
    again = run("import-promoter", archive, "--apply")
    assert again.code == 0, again.err
    assert "0 tickets imported, 2 imported before" in again.err
    assert waitlist.find_entry("wendy", event_id) is not None, "people join once the event is published"
    assert run("export-promoter", PAT, "-o", tmp_path / "again.zip").code == 0
    after = contents(tmp_path / "again.zip")
    assert after.keys() == before.keys()
    assert document(after, event_id) == document(before, event_id)
    same = before.keys() - CHANGED - {f"events/{event_id}.json", f"orders/{event_id}.jsonl"}
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    invariants.check(time.now, recovered=True)
    time.set(event.starts_at)
    admitted = check_in(api, event_id, qr.text(ticket))
    assert admitted.status == 200, admitted.json
    assert check_in(api, event_id, ticket.code).json["error"] == "already_admitted"


@pytest.mark.usefixtures("full_orders")
def test_tables_guests_and_answers_leave_whole_tickets_in_the_other_stage(api, time, run, season, archive, other_stage, tmp_path):
    event_id, before = season[0], contents(archive)
    valid = before[f"tickets/{event_id}.csv"].decode().splitlines()[1:]
    other_stage(time)
    applied = run("import-promoter", archive, "--apply")
    assert (applied.code, f"{len(valid)} tickets imported" in applied.err) == (0, True), applied.err
    assert run("export-promoter", PAT, "-o", tmp_path / "again.zip").code == 0
    after = contents(tmp_path / "again.zip")
    assert {name: after[name] for name in ("promoter.json", f"tickets/{event_id}.csv")} == {
        name: before[name] for name in ("promoter.json", f"tickets/{event_id}.csv")
    }
    assert document(after, event_id) == document(before, event_id)
    imported = sorted((ticket.code, ticket.admits, len(ticket.checkins)) for ticket in scan_tickets())
    lines = [json.loads(line) for line in before[f"orders/{event_id}.jsonl"].splitlines()]
    exported = [ticket for order in lines for ticket in order["tickets"] if ticket["state"] == "valid"]
    assert imported == sorted((ticket["code"], ticket["admits"], 0) for ticket in exported)
    assert {ticket["admits"] for ticket in exported} == {1, 3}
    invariants.check(time.now, recovered=True)


def test_the_archive_says_what_it_has_and_has_no_ids_of_people(season, archive):
    event_id, order_id = season
    files = contents(archive)
    manifest = json.loads(files["manifest.json"])
    assert (manifest["format"], manifest["version"], manifest["address"]) == ("fairgate-promoter", 1, PAT)
    for name, entry in manifest["files"].items():
        assert (entry["sha256"], entry["bytes"]) == (sha256(files[name]).hexdigest(), len(files[name]))
    orders = {order["id"]: order for order in map(json.loads, files[f"orders/{event_id}.jsonl"].splitlines())}
    order = orders[order_id]
    assert (order["state"], order["total_cents"], order["buyer"]["email"]) == ("partially_refunded", 10_000, "ada@example.com")
    assert [(ticket["state"], ticket["code"] is None) for ticket in order["tickets"]] == [("valid", False), ("void", True)]
    assert files["team.csv"].decode().splitlines() == ["event,email,role", f"{event_id},door@example.com,staff"]
    assert b"guest-1" not in b"".join(files.values())
    assert b'"user_id"' not in b"".join(files.values())
    actions = [entry.action for entry in audit.list_entries(f"event#{event_id}")]
    assert "event.exported" in actions


def documented_names(heading):
    """Names in code in the first column of the first table below a heading of the page, and the text of the second column."""
    table = PAGE.read_text().partition(f"# {heading}\n")[2].partition("| --- |")[2].partition("\n\n")[0]
    rows = [line.strip("|").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {name: row[-1] for row in rows for name in re.findall("`([^`]+)`", row[0])}


def paths_of(value, path=""):
    """The paths of all values in a document, as the page writes them."""
    if isinstance(value, list) and any(isinstance(each, dict) for each in value):
        return {found for each in value for found in paths_of(each, f"{path}[]")}
    if isinstance(value, dict):
        name = "<name>" if path == "responses" else None
        return {found for key, each in value.items() for found in paths_of(each, f"{path}.{name or key}".removeprefix("."))}
    return {path}


@pytest.fixture
def full_orders(api, season):
    """Orders in which each field has a value: tables with answers, an invoice, a guest, a check-in and a refund, and one with texts."""
    event_id, _ = season
    table = builders.create_tier(api, event_id, name="Table", admits=3)
    question = {"label": "Wine", "option_type": "multi_select", "choices": ["Red", "White"], "is_required": False, "per": "ticket"}
    options = f"/admin/events/{event_id}/tickets/packages/{table}/options"
    option = api.post(options, json=question, token=builders.admin_token()).json["id"]
    invoice = {"company": "Ada & Sons", "address": "2 Mill Lane", "vat_id": "PT509999999", "country": "PT"}
    attendees = [{"name": "Ada", "email": "ada@example.com", "responses": {option: ["Red"]}}, {"name": "Bob"}]
    fields = {"invoice": invoice, "attendees": attendees, "customer_email": "ada@example.com"}
    bought = builders.buy(api, "tess", event_id, table, 2, **fields)
    assert bought.status == 201, bought.json
    plain = builders.create_tier(api, event_id, name="Balcony")
    assert builders.buy(api, "bob", event_id, plain, responses={"hotel": "Sol"}).status == 201
    order_id = bought.json["order"]["id"]
    with settings.override(attendee_lock_seconds=0):
        named = api.put(f"/seats/{order_id}-1.2/guest", json={"name": "Cem"}, user="tess")
    assert named.status == 200, named.json
    with settings.override(doors_open_seconds=31 * 86_400):
        scan = {"override_reason": "rehearsal"}
        admitted = api.post(f"/tickets/{order_id}-1/validate", json=scan, token=builders.staff_token(event_id))
    assert admitted.status == 200, admitted.json
    assert builders.refund(api, order_id, tickets=builders.ticket_ids(order_id, 2)).status < 300


@pytest.mark.usefixtures("full_orders")
def test_the_page_describes_each_file_and_each_field(season, archive):
    files, event_id = contents(archive), season[0]
    described = documented_names("The files")
    assert described.keys() == {name.replace(event_id, "<event id>") for name in files}
    manifest = json.loads(files["manifest.json"])
    entries = {field for entry in manifest["files"].values() for field in entry}
    columns = {name: files[name].decode().partition("\r\n")[0].split(",") for name in files if name.endswith(".csv")}
    fields = {
        "manifest.json": manifest.keys() | entries,
        "promoter.json": paths_of(json.loads(files["promoter.json"])),
        **{name.replace(event_id, "<event id>"): set(found) for name, found in columns.items()},
    }
    for name, found in fields.items():
        assert {part for path in found for part in path.replace("[]", "").split(".")} == named_fields(described[name]), name
    orders = [json.loads(line) for line in files[f"orders/{event_id}.jsonl"].splitlines()]
    paths = set().union(*map(paths_of, orders))
    parts = {path for path in paths if any(other.startswith((f"{path}.", f"{path}[]")) for other in paths)}  # empty in some orders
    assert documented_names("Orders").keys() == paths - parts


def named_fields(text):
    """The fields in the description of a file: names in code that are not commands, formats or other documents."""
    return set(re.findall("`([a-z_0-9]+)`", re.sub(r"\[`[^]]+\]\([^)]+\)", "", text)))


def test_the_page_lists_what_archives_leave_out(run, season, archive, time, api, tmp_path):
    lines = PAGE.read_text().partition("| in `left_out` |\n")[2].partition("\n\n")[0].splitlines()[1:]
    left_out = json.loads(contents(archive)["manifest.json"])["left_out"]
    assert [line.strip("| ") for line in lines] == left_out
    assert api.post("/waitlist", json={"event_id": season[0]}, user="guest-2").status in (200, 201)
    assert run("export-promoter", PAT, "-o", tmp_path / "again.zip").code == 0
    more = json.loads(contents(tmp_path / "again.zip")["manifest.json"])["left_out"]
    assert more == [*left_out, f"event {season[0]}: 1 people on the waitlist without an account"]


def test_the_same_content_makes_the_same_archive(run, season, archive, tmp_path):
    run("export-promoter", "pat", "-o", tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def test_only_a_promoter_can_be_exported_and_get_an_archive(run, time, archive, other_stage, tmp_path):
    create_account("ada", time)
    refused = run("export-promoter", "ada@example.com", "-o", tmp_path / "ada.zip")
    assert (refused.code, "not the address or the id of a promoter's account" in refused.err) == (1, True)
    assert not (tmp_path / "ada.zip").exists()
    assert "no-such-folder" in run("export-promoter", PAT, "-o", tmp_path / "no-such-folder" / "pat.zip").err
    refused = run("import-promoter", archive, "--promoter", "eve@example.com", "--apply")
    assert (refused.code, "--promoter ADDRESS" in refused.err) == (1, True)


def test_an_archive_is_not_imported_into_the_stage_that_it_comes_from(run, season, archive):
    refused = run("import-promoter", archive, "--apply")
    assert refused.code == 1
    assert "is the code of the ticket" in refused.err


def test_an_event_of_somebody_else_is_not_touched(run, time, season, archive, other_stage, api):
    other_stage(time)
    assert run("import-promoter", archive, "--apply").code == 0
    change(api, f"/events/{season[0]}", promoter_id="eve")
    refused = run("import-promoter", archive, "--apply")
    assert (refused.code, "that this promoter does not manage" in refused.err) == (1, True)


def test_an_import_that_was_stopped_continues(run, time, season, archive, other_stage, monkeypatch):
    other_stage(time)
    with monkeypatch.context() as stop:
        stop.setattr("bootstrap.ticket_import.write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run("import-promoter", archive, "--apply")
    assert queries.list_tickets_of_address("ada@example.com") == []
    result = run("import-promoter", archive, "--apply")
    assert (result.code, "2 tickets imported" in result.err) == (0, True)


def test_events_are_the_same_for_buyers_once_they_are_published(api, run, time, other_stage, tmp_path):
    create_promoter(time)
    full, (of_file, _) = create_full_event(api, time), builders.create_promoted_shop("pat")
    change(api, f"/events/{full}", promoter_id="pat")
    before = {event_id: shown(api, event_id) for event_id in (full, of_file)}
    assert run("export-promoter", PAT, "-o", tmp_path / "pat.zip").code == 0
    other_stage(time)
    applied = run("import-promoter", tmp_path / "pat.zip", "--apply")
    assert applied.code == 0, applied.err
    for event_id in (full, of_file):
        assert api.post(f"/events/{event_id}/publish", token=builders.admin_token()).status == 200
    before[of_file]["display_order"] = 0  # only a file can say it
    assert {event_id: shown(api, event_id) for event_id in (full, of_file)} == before
    assert {event.managed_by for event in catalog.load_current().events.values()} == {"api"}
    invariants.check(time.now)


def test_tickets_from_a_holdback_move_and_the_rest_stays_held_back(api, run, time, other_stage, tmp_path):
    create_promoter(time)
    shop = event_id, tier_id = builders.create_shop(api)
    change(api, f"/events/{event_id}", promoter_id="pat")
    builders.issue_complimentary(api, shop, 1, 1)
    assert builders.buy(api, "ada", *shop, 4).status == 201
    assert builders.buy(api, "bob", *shop, 2).status == 201
    assert run("export-promoter", PAT, "-o", tmp_path / "pat.zip").code == 0
    other_stage(time)
    result = run("import-promoter", tmp_path / "pat.zip", "--apply")
    assert (result.code, "8 tickets imported" in result.err) == (0, True), result.err
    [holdback] = catalog.load_current().tiers[tier_id].holdbacks
    assert (holdback.id, holdback.quantity, stock_of(tier_id).available) == ("press", 2, 0)
    invariants.check(time.now, recovered=True)


def test_tickets_of_a_cancelled_event_stay_behind(api, run, time, other_stage, tmp_path):
    create_promoter(time)
    event_id, tier_id = builders.create_shop(api)
    change(api, f"/events/{event_id}", promoter_id="pat")
    builders.buy(api, "ada", event_id, tier_id)
    assert api.post(f"/events/{event_id}/cancel", json={}, token=builders.admin_token()).status == 200
    assert run("export-promoter", PAT, "-o", tmp_path / "pat.zip").code == 0
    other_stage(time)
    assert run("import-promoter", tmp_path / "pat.zip", "--apply").code == 0
    assert (catalog.load_current().events[event_id].status, stock_of(tier_id).sold) == ("draft", 0)


def test_a_profile_that_the_promoter_has_changed_stays(run, time, archive, other_stage):
    other_stage(time)
    own = PromoterChange("Pat", "Own name", "", None, None, "", verified=None)
    profiles.save_promoter("pat", own, "pat", time.now, by_admin=False)
    assert run("import-promoter", archive, "--apply").code == 0
    assert profiles.find_promoter("pat").company == "Own name"


def rewrite(name, old, new):
    def edit(files):
        found = next(key for key in files if key.startswith(name))
        assert old in files[found]
        files[found] = files[found].replace(old, new)

    return edit


def rename(name, new):
    def edit(files):
        files[new] = files.pop(next(key for key in files if key.startswith(name)))

    return edit


@pytest.mark.parametrize(
    ("edit", "damage", "message"),
    [
        (None, rewrite("manifest.json", b'"version": 1', b'"version": 2'), "has version 2; this release reads version 1"),
        (None, rewrite("manifest.json", b"fairgate-promoter", b"something"), "is not the manifest of an archive"),
        (None, lambda files: files.pop("manifest.json"), "has no manifest.json"),
        (None, lambda files: files.pop("team.csv"), '"team.csv" is in the manifest or in the archive, but not in both'),
        (None, lambda files: files.update({"orders/x.jsonl": b"{}"}), '"orders/x.jsonl" is in the manifest or in the archive'),
        (None, rewrite("promoter.json", b"Pier Nights", b"Pier Lights"), '"promoter.json" does not have the size and the SHA-256'),
        (None, rewrite("promoter.json", b"Pier Nights", b"Pier" * 99_000), '"promoter.json" has more than the'),
        (rename("team.csv", "../team.csv"), None, '"../team.csv" is not the name of a file of an archive'),
        (rename("events/", "events/../../x.json"), None, "is not the name of a file of an archive"),
        (rename("events/", "events/other.json"), None, "must have one event, with the id in its name"),
        (rewrite("events/", b'"version"', b'"virsion"'), None, "$.virsion"),
        (rewrite("promoter.json", b"https://pier", b"javascript:pier"), None, '"promoter.json" is not valid'),
        (rewrite("promoter.json", b"#17643f", b"#ffffff"), None, '"promoter.json" is not valid'),
        (rewrite("team.csv", b",staff", b",admin"), None, '"team.csv" is not valid'),
        (rewrite("team.csv", b"door@", b"door"), None, '"team.csv" names'),
        (rewrite("tickets/", b"ada@example.com", b"nobody"), None, "is not an email address"),
        (lambda files: files.update({"tickets/other.csv": b"code,tier\r\n"}), None, "belongs to an event that the archive does not have"),
    ],
)
def test_a_bad_archive_is_refused_and_nothing_is_written(run, time, change_archive, other_stage, edit, damage, message):
    file = change_archive(*(step or (lambda files: None) for step in (edit, damage)))
    other_stage(time)
    result = run("import-promoter", file, "--apply")
    assert (result.code, message in result.err) == (1, True), result.err
    assert catalog.load_current().events == {}
    assert profiles.find_promoter("pat").version == 1


def test_a_file_that_is_no_archive_is_refused(run, time, archive, other_stage, tmp_path):
    other_stage(time)
    damaged = bytearray(archive.read_bytes())
    damaged[200] ^= 255
    for name, content in (("cut.zip", archive.read_bytes()[:-30]), ("text.zip", b"hello"), ("damaged.zip", bytes(damaged))):
        (tmp_path / name).write_bytes(content)
        assert run("import-promoter", tmp_path / name).code == 1
    assert "cannot be read" in run("import-promoter", tmp_path / "none.zip").err


def test_a_zip_bomb_is_refused_before_it_is_unpacked(run, time, change_archive, other_stage):
    def lie(files):
        manifest = json.loads(files["manifest.json"])
        manifest["files"]["team.csv"]["bytes"] = 2 << 30
        files["manifest.json"] = json.dumps(manifest).encode()

    other_stage_file = change_archive(damage=lie)
    other_stage(time)
    assert "more than 1,073,741,824 bytes" in run("import-promoter", other_stage_file).err


def test_the_door_reads_foreign_qr_codes_of_imported_tickets_only(api, time, season):
    event_id, order_id = season
    ticket = next(ticket for ticket in scan_tickets() if ticket.id == f"{order_id}-1")
    time.set(catalog.load_current().events[event_id].starts_at)
    foreign = check_in(api, event_id, f"FG1:01ZZZZZZZZZZZZZZZZZZZZZZZZ-1:{ticket.code}:k.mac")
    assert (foreign.status, foreign.json["error"]) == (404, "code_unknown")


def test_a_made_up_qr_code_does_not_tell_which_short_codes_exist(api, run, time, tmp_path):
    (event_id, tier_id), (other_id, _) = builders.create_shop(api), builders.create_shop(api)
    (tmp_path / "sold.csv").write_text(f"code,tier\nBX-77,{tier_id}\n")
    assert run("import-tickets", tmp_path / "sold.csv", "--event", event_id, "--apply").code == 0
    time.set(catalog.load_current().events[event_id].starts_at)
    for code in ("BX-77", "BX-78"):
        scanned = check_in(api, other_id, f"FG1:01ZZZZZZZZZZZZZZZZZZZZZZZZ-1:{code}:k.mac")
        assert (scanned.status, scanned.json["error"]) == (404, "code_unknown")
