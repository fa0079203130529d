"""`fairgate import-tickets`: tickets of another system are checked, imported once, and let people in."""

import base64
import csv
import io
from hashlib import sha256
from types import SimpleNamespace

import pytest

from bootstrap import ticket_import
from chalicelib.audit import service as audit
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, settings
from chalicelib.purchases import direct_orders, queries
from chalicelib.tickets import service as tickets
from tests import builders, invariants
from tests.bootstrap.conftest import event, stock_of, ticket
from tests.checkin.test_dates import Tour
from tests.checkin.test_web_admission import Device
from tests.simulation import faults

HEADER = "code,tier,name,email\n"


@pytest.fixture
def fest(api, time, run, write, tree):
    """An event that starts in an hour with two ticket types of 10, the second of which admits 4 people."""
    at = clock.iso(time.now + 3600)
    tree["events"]["fest"] = event("fest", date=at)
    tree["ticket_types"]["fest-table"] = ticket("fest-table", admits=4, name="Table for four")
    run("apply", write(tree))
    yield "fest"
    invariants.check(time.now, recovered=True)


@pytest.fixture
def import_file(run, tmp_path, fest):
    """`import_file(rows, *options)` imports a CSV file; returns what the command did."""

    def call(rows, *options, header=HEADER, apply=True, encoding="utf-8"):
        file = tmp_path / "sold.csv"
        file.write_text(header + rows, encoding=encoding)
        return run("import-tickets", file, "--event", fest, *options, *(["--apply"] if apply else []))

    return call


def scan(api, code, **fields):
    return api.post("/checkin", json={"code": code, "event_id": "fest"} | fields, token=builders.staff_token("fest"))


def test_imported_tickets_let_people_in_with_their_old_codes(api, import_file):
    result = import_file("OLD-1001,fest-pass,Ada Lovelace,ada@example.com\nabc 77/x,Table for four,,\n")
    assert (result.code, result.out.splitlines()[-1]) == (0, "imported 2 tickets")
    admitted = scan(api, " OLD-1001 ")
    assert (admitted.status, admitted.json["checkin"]["count"], admitted.json["ticket"]["attendee_name"]) == (200, 1, "Ada Lovelace")
    assert scan(api, "OLD-1001").json["error"] == "already_admitted"
    assert scan(api, "abc 77/x", count="all").json["checkin"]["count"] == 4
    assert scan(api, "old-1001").json["error"] == "code_unknown", "another system's code counts with its case"
    assert scan(api, "OLD-1002").json["error"] == "code_unknown"


@pytest.mark.parametrize("code", ["https://old.example/t?c=A:B", "FGX:1:2:3", "12345678901234567890", "x-l0o1i-ABCDE-fghjk-MN"])
def test_codes_of_many_forms_are_found(api, import_file, code):
    import_file(f"{code},fest-pass,,\n")
    assert scan(api, code).status == 200
    [shown] = api.get("/events/fest/manifest", token=builders.staff_token("fest")).json["tickets"]
    ticket_id = shown["id"]
    printed = tickets.get_ticket(ticket_id)
    assert shown["code_sha256"] == sha256(printed.code.encode()).hexdigest()
    # The QR code that this shop draws for it is read as well.
    assert scan(api, f"FG1:{ticket_id}:{printed.code}:{printed.qr_sig}").json["error"] == "already_admitted"


@pytest.mark.parametrize(
    "code",
    [
        "".join(map(chr, range(33, 97))),  # 64 characters, from ! to `
        "~{|}; DROP TABLE tickets;--",
        "=1+1,2;3",
        "-quoted'",
        '""""',
        "a  b %00%2F..%5C",
        "<script>alert(1)</script>",
        "4006381333931",
        base64.b64encode(bytes(range(105))).decode()[::-1],  # as the signed codes of pretix: base64, written backwards
        "9" * 256,
    ],
)
def test_codes_with_odd_characters_admit_people_with_and_without_a_network(api, time, import_file, code):
    row = io.StringIO()
    csv.writer(row).writerow([code, "fest-pass", "", ""])
    result = import_file(row.getvalue())
    assert (result.code, result.out.splitlines()[-1]) == (0, "imported 1 tickets"), result.out
    [shown] = api.get("/events/fest/manifest", token=builders.staff_token("fest")).json["tickets"]
    assert shown["code_sha256"] == sha256(code.encode()).hexdigest()
    assert tickets.get_ticket(shown["id"]).code == code
    door = SimpleNamespace(api=api, time=time, event_id="fest", token=builders.staff_token("fest"))
    assert Device(door).decide(code)["code"] == "admitted"
    assert scan(api, code).status == 200
    assert scan(api, code).json["error"] == "already_admitted"
    assert import_file(row.getvalue()).out.splitlines()[-1] == "imported 0 tickets"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("9" * 257, "has 257 characters; a code has 4 to 256"),
        ("x" * 100_000, "has 100000 characters; a code has 4 to 256"),
        ("grün-1001", "has characters that are not printable ASCII"),
        ("TICKET\u200b1", "has characters that are not printable ASCII"),
        ("TICKET\xa01", "has characters that are not printable ASCII"),
        ("🎫🎫🎫🎫", "has characters that are not printable ASCII"),
        ("TAB\tTAB", "has characters that are not printable ASCII"),
        ("TWO\nLINES", "has characters that are not printable ASCII"),
        ("\x1b[2JTICKET", "has characters that are not printable ASCII"),
        ("FG2:a:b:c", "is the text of a Fairgate QR code"),
    ],
)
def test_a_code_that_cannot_be_imported_is_named_with_its_row_and_field(import_file, code, message):
    rows = io.StringIO()
    csv.writer(rows).writerows([["A-0001", "fest-pass", "", ""], [code, "fest-pass", "", ""], ["A-0003", "fest-pass", "", ""]])
    result = import_file(rows.getvalue())
    [fault] = [line for line in result.out.splitlines() if line.startswith("line ")]
    assert (result.code, fault.startswith('line 3: code: "'), message in fault) == (1, True, True), fault
    assert len(fault) < 300
    assert fault.isprintable(), "no character of a file controls the terminal"
    assert stock_of("fest-pass").sold == 0
    [listed] = import_file(rows.getvalue(), "--json").json["faults"]
    assert (listed["line"], listed["field"], message in listed["message"]) == (3, "code", True)


def test_they_count_as_sold_and_no_money_is_booked(api, import_file):
    import_file("A-0001,fest-pass,,\nA-0002,fest-pass,,\nA-0003,fest-table,,\n")
    assert (stock_of("fest-pass").sold, stock_of("fest-pass").available, stock_of("fest-table").sold) == (2, 8, 1)
    assert builders.reserve(api, "ada", "fest", "fest-pass", 4).status == 201
    revenue = api.get("/admin/revenue", token=builders.admin_token()).json
    assert "5000" not in str(revenue)


def test_an_imported_ticket_can_be_taken_back(api, import_file):
    import_file("A-0001,fest-pass,,\n")
    [shown] = api.get("/events/fest/manifest", token=builders.staff_token("fest")).json["tickets"]
    order_id = shown["id"].removesuffix("-1")
    order = api.get(f"/admin/orders/{order_id}", token=builders.admin_token()).json
    assert (order["order"]["status"], order["order"]["total_price_cents"]) == ("paid", 0)
    reply = builders.refund(api, order_id)
    assert (reply.status, reply.json["refund"]["amount_cents"]) == (201, 0)
    assert stock_of("fest-pass").available == 10
    assert scan(api, "A-0001").json["error"] == "ticket_refunded"
    assert import_file("A-0001,fest-pass,,\n").out.splitlines()[-1] == "imported 0 tickets", "it stays taken back"


def test_without_apply_nothing_is_written(api, import_file):
    result = import_file("A-0001,fest-pass,,\n", apply=False)
    assert result.code == 0
    assert result.out.splitlines() == [
        "tier fest-pass: 1 new, 10 left before",
        "1 new, 0 imported before, 0 with faults",
        "This was a dry run: nothing was imported. To import the tickets, add --apply.",
    ]
    assert stock_of("fest-pass").sold == 0
    assert scan(api, "A-0001").json["error"] == "code_unknown"


def test_the_same_file_changes_nothing_and_a_longer_one_adds_the_rest(import_file, api):
    import_file("A-0001,fest-pass,,\n")
    scan(api, "A-0001")
    again = import_file("A-0001,fest-pass,Other name,\nA-0002,fest-pass,,\n", "--json")
    assert (again.json["known"], again.json["new"], again.json["imported"]) == (1, 1, 1)
    assert stock_of("fest-pass").sold == 2
    assert scan(api, "A-0001").json["error"] == "already_admitted"


def test_every_fault_is_listed_with_its_line_and_nothing_is_imported(import_file):
    rows = (
        "A-0001,fest-pass,,\n"
        "\n"
        '"A-0002",fest-pass,"Two\nlines",ada@example.com\n'
        "A-0001,fest-pass,,\n"
        "A-1,balcony,,\n"
        "A-2,fest-pass,,not an address\n"
        "abc,fest-pass,,\n"
        f"{'9' * 257},fest-pass,,\n"
        "grün-1,fest-pass,,\n"
        "FG1:a:b:c,fest-pass,,\n"
        f"A-0009,fest-pass,{'n' * 501},\n"
        "A-0010\n"
    )
    result = import_file(rows)
    assert result.code == 1
    starts = [line.split(" (")[0][:60] for line in result.out.splitlines()]
    assert [start.split(":")[:2] for start in starts[:10]] == [
        ["line 6", " code"],
        ["line 7", " code"],
        ["line 8", " code"],
        ["line 9", " code"],
        ["line 10", " code"],
        ["line 11", " code"],
        ["line 12", " code"],
        ["line 13", " name"],
        ["line 14", " tier"],
        ["tier fest-pass", " 2 new, 10 left before"],
    ]
    assert "is already in line 2" in result.out
    assert result.out.endswith(
        "2 new, 0 imported before, 9 with faults\nNothing was imported. Correct the faults listed above, then run the command again.\n"
    )
    assert stock_of("fest-pass").sold == 0


def test_the_tier_and_the_address_are_checked(import_file):
    result = import_file(
        "A-0001,balcony,,,\nA-0002,fest-pass,,not an address,\nA-0003,fest-pass,,,@\n", header=f"{HEADER[:-1]},buyer_email\n"
    )
    assert 'line 4: buyer_email: "@" is not an email address' in result.out
    assert 'line 2: tier: "balcony" is not a tier of the event; name the tier: --tier NAME=TIER_ID' in result.out
    assert 'line 3: email: "not an address" is not an email address' in result.out


def test_people_find_their_tickets_by_the_address_of_the_buyer_or_else_of_the_attendee(import_file):
    rows = "A-0001,fest-pass,Ada,ada@example.com,bob@example.com\nA-0002,fest-pass,Eve,eve@example.com,\nA-0003,fest-pass,Max,,\n"
    assert import_file(rows, header=f"{HEADER[:-1]},buyer_email\n").code == 0
    addresses = ("ada@example.com", "Bob@example.com", "eve@example.com")
    found = [[ticket.code for ticket in queries.list_tickets_of_address(address)] for address in addresses]
    assert found == [[], ["A-0001"], ["A-0002"]]


def test_other_names_of_columns_and_tiers_are_mapped(api, import_file):
    options = ("--map", "code=Barcode", "--map", "tier=Ticket type", "--map", "name=Holder", "--tier", "Stehplatz=fest-pass")
    result = import_file('STEHPLATZ;"A;01";x;Ada\n', *options, header="Ticket Type;Barcode;Other;Holder\n", encoding="utf-8-sig")
    assert result.code == 0, result.out + result.err
    assert scan(api, "A;01").json["ticket"]["attendee_name"] == "Ada"
    assert result.out.splitlines()[0] == "tier fest-pass: 1 new, 10 left before"


@pytest.mark.parametrize(
    ("options", "header", "message"),
    [
        ((), "barcode,tier\n", 'The file has no column "code". Its columns are: "barcode", "tier". Name the right one: --map code=COLUMN'),
        ((), "code,tier,Code\n", 'The file has several columns "code". Rename all but one.'),
        (("--map", "seat=Seat"), HEADER, "--map seat=...: this field does not exist; the fields are code, tier, name, email"),
        (("--map", "email=Mail"), HEADER, 'The file has no column "Mail"'),
        (("--tier", "VIP=vip"), HEADER, '--tier VIP=vip: the event has no tier "vip". Its tiers are: fest-pass, fest-table'),
        ((), "", 'The file has no column "code". Its columns are: none'),
    ],
)
def test_a_file_that_cannot_be_understood_is_refused(import_file, options, header, message):
    result = import_file("", *options, header=header)
    assert result.code == 1
    assert message in result.err


def test_a_file_that_cannot_be_read_is_refused(run, fest, import_file, tmp_path):
    assert "cannot be read" in run("import-tickets", tmp_path / "none.csv", "--event", fest).err
    assert "is not UTF-8" in import_file("A-0001,fest-pass,Zoë,\n", encoding="latin-1").err
    assert "near line 2" in import_file('"A-0001"x,fest-pass,,\n').err
    assert run("import-tickets", "x.csv", "--event", fest, "--map", "code").code == 2


def test_the_event_must_be_one_whose_tickets_let_people_in(api, run, fest, tmp_path):
    assert 'There is no event "feast". The events are: fest' in run("import-tickets", tmp_path / "x.csv", "--event", "feast").err
    own = builders.create_event(api)
    assert api.post(f"/events/{own}/cancel", json={"reason": "Rain"}, token=builders.admin_token()).status == 200
    assert "is cancelled" in run("import-tickets", tmp_path / "x.csv", "--event", own).err


def test_a_ticket_type_of_which_all_dates_are_cancelled_is_refused(api, time, run, tmp_path):
    tour, file = Tour(api, time), tmp_path / "sold.csv"
    for date_id in ("friday", "saturday"):
        reply = api.post(f"/events/{tour.event_id}/cancel", json={"date_id": date_id}, token=builders.admin_token())
        assert reply.status == 200
    file.write_text(HEADER + "A-0001,friday,,\nA-0002,weekend,,\nA-0003,pass,,\n")
    result = run("import-tickets", file, "--event", tour.event_id, "--apply")
    assert result.code == 1
    [fault] = [line for line in result.out.splitlines() if "are cancelled" in line]
    assert fault.strip().startswith(f'line 2: tier: all dates of the tier "{tour.tier_ids["friday"]}" are cancelled')
    file.write_text(HEADER + "A-0002,weekend,,\nA-0003,pass,,\n")
    assert run("import-tickets", file, "--event", tour.event_id, "--apply").out.splitlines()[-1] == "imported 2 tickets"


def test_no_more_is_imported_than_there_is(import_file):
    result = import_file("".join(f"A-{number:04},fest-pass,,\n" for number in range(11)))
    assert result.code == 1
    assert "tier fest-pass: 11 tickets to import, but 10 left" in result.out
    assert stock_of("fest-pass").sold == 0


def test_the_capacity_of_the_event_holds_too(api, time, run, write, tree, tmp_path):
    tree["events"]["fest"]["capacity"] = 3
    run("apply", write(tree))
    file = tmp_path / "sold.csv"
    file.write_text("code,tier\n" + "".join(f"A-{number:04},fest-pass\n" for number in range(4)))
    assert "event fest: 4 tickets to import, but 3 left" in run("import-tickets", file, "--event", "fest", "--apply").out
    file.write_text("code,tier\nA-0001,fest-pass\nA-0002,fest-pass\n")
    assert run("import-tickets", file, "--event", "fest", "--apply").code == 0
    assert builders.reserve(api, "ada", "fest", "fest-pass", 2).status == 409
    assert builders.reserve(api, "ada", "fest", "fest-pass", 1).status == 201
    invariants.check(time.now)


def test_a_code_of_another_event_or_of_our_own_is_a_fault(api, time, run, write, tree, import_file, tmp_path):
    other = builders.create_shop(api)
    file = tmp_path / "other.csv"
    file.write_text(f"code,tier\nA-0001,{other[1]}\n")
    assert run("import-tickets", file, "--event", other[0], "--apply").code == 0
    order_id = builders.create_order(api, other, 1)
    own_code = api.get(f"/tickets/{order_id}-1", user="ada").json["code"]
    result = import_file(f"A-0001,fest-pass,,\n{own_code.lower()},fest-pass,,\n")
    assert f'line 2: code: "A-0001" was already imported for the tier {other[1]} of the event {other[0]}' in result.out
    assert f'line 3: code: "{own_code}" is the code of the ticket {order_id}-1' in result.out


def test_an_import_is_audited_with_its_first_tickets(import_file):
    import_file("A-0001,fest-pass,,\nA-0002,fest-table,,\n", "--actor", "ada")
    import_file("A-0001,fest-pass,,\n")
    [entry] = [entry for entry in audit.list_entries("event#fest") if entry.action == "tickets.imported"]
    assert (entry.actor, entry.details["file"], entry.details["tickets"]) == ("ada", "sold.csv", {"fest-pass": 1, "fest-table": 1})


def test_buyers_who_take_the_last_tickets_meanwhile_stop_the_import(api, import_file, fest, monkeypatch):
    check = ticket_import.check

    def check_and_sell(source):
        report = check(source)
        builders.buy(api, "ada", fest, "fest-pass", 4)
        return report

    monkeypatch.setattr(ticket_import, "check", check_and_sell)
    result = import_file("".join(f"A-{number:04},fest-pass,,\n" for number in range(7)))
    assert result.code == 1
    assert "Stopped: other tickets of the event were sold in the meantime, and only 6 are left. 0 tickets were imported" in result.err


@pytest.mark.parametrize("capacity", [None, 10], ids=["tier", "event"])
def test_buyers_who_are_faster_than_the_write_keep_their_tickets(api, time, run, write, tree, tmp_path, monkeypatch, capacity):
    """The stock was read, and is bought before the transaction: its condition refuses it."""
    if capacity is not None:
        tree["events"]["fest"]["capacity"] = capacity
        tree["ticket_types"]["fest-pass"]["max_quantity"] = 100
        tree["ticket_types"]["fest-other"] = ticket("fest-other", max_quantity=100)
    run("apply", write(tree))
    file = tmp_path / "sold.csv"
    file.write_text("code,tier\n" + "".join(f"A-{number:04},fest-pass\n" for number in range(4)))
    transact = dynamo.transact

    def buy_first(items):
        monkeypatch.setattr(dynamo, "transact", transact)
        for user in ("ada", "bob"):
            builders.buy(api, user, "fest", "fest-pass" if capacity is None else "fest-other", 4)
        transact(items)

    monkeypatch.setattr(dynamo, "transact", buy_first)
    assert "sold in the meantime, and only 2 are left" in run("import-tickets", file, "--event", "fest", "--apply").err
    invariants.check(time.now)


@pytest.mark.slow
@pytest.mark.not_on_moto
def test_a_crash_leaves_whole_tickets_and_the_next_run_imports_the_rest(api, run, write, tree, tmp_path, time):
    tree["ticket_types"]["fest-pass"]["max_quantity"] = 400
    run("apply", write(tree))
    file, count = tmp_path / "sold.csv", direct_orders.BATCH + 2

    def import_tickets(prefix):
        file.write_text("code,tier\n" + "".join(f"{prefix}-{number:04},fest-pass\n" for number in range(count)))
        return run("import-tickets", file, "--event", "fest", "--apply")

    import_tickets("A")
    with faults.record_calls() as calls:
        import_tickets("B0")
    for number in range(1, len(calls) + 1):
        with faults.crash_after(number) as crash:
            import_tickets(f"B{number}")
        assert crash.was_triggered
        invariants.check(time.now, recovered=True)
        assert import_tickets(f"B{number}").code == 0
        assert stock_of("fest-pass").sold == count * (number + 2)
    invariants.check(time.now, recovered=True)


def test_two_imports_at_once_import_each_ticket_once(api, import_file, fest, monkeypatch):
    """The second one begins where the first has read what there is, and has not yet written."""
    transact = dynamo.transact

    def import_first(items):
        monkeypatch.setattr(dynamo, "transact", transact)
        assert import_file("A-0001,fest-pass,,\nA-0002,fest-pass,,\n").code == 0
        transact(items)

    monkeypatch.setattr(dynamo, "transact", import_first)
    assert import_file("A-0001,fest-pass,,\nA-0002,fest-pass,,\n").out.splitlines()[-1] == "imported 0 tickets"
    assert stock_of("fest-pass").sold == 2


def test_a_batch_never_exceeds_a_transaction(api, time, run, write, tree, tmp_path):
    """Each ticket in a shard of its own, of its tier and of the event's pool."""
    count = direct_orders.BATCH
    tree["events"]["fest"]["capacity"] = count
    tree["ticket_types"]["fest-pass"] |= {"max_quantity": count, "shards": count}
    run("apply", write(tree))
    file = tmp_path / "sold.csv"
    file.write_text("code,tier\n" + "".join(f"A-{number:04},fest-pass\n" for number in range(count)))
    result = run("import-tickets", file, "--event", "fest", "--apply")
    assert result.code == 0, result.err
    invariants.check(time.now, recovered=True)


def test_without_the_keys_that_sign_tickets_even_a_dry_run_says_so(import_file):
    with settings.override(ticket_keys=""):
        result = import_file("A-0001,fest-pass,,\n", apply=False)
    assert result.code == 2
    assert "FAIRGATE_TICKET_KEYS" in result.err


def test_nobody_finds_codes_of_other_promoters_by_guessing(api, import_file):
    assert import_file("4711,fest-pass,Ada Lovelace,\n").code == 0
    guess = {"device": "d", "scans": [{"id": code, "at": "2026-06-01T12:00:00Z", "code": code} for code in ("4711", "4712")]}
    synced = api.post("/checkin/sync", json=guess, token=builders.token("eve", "promoter"))
    assert [scan["error"] for scan in synced.json["scans"]] == ["code_unknown"] * 2, synced.json
    elsewhere = builders.create_event(api)
    for token in (builders.token("eve", "promoter"), builders.staff_token(elsewhere)):
        assert api.post("/checkin", json={"code": "4711"}, token=token).json["error"] == "code_unknown"
    at_the_other_door = api.post("/checkin", json={"code": "4711", "event_id": elsewhere}, token=builders.staff_token(elsewhere, "fest"))
    assert at_the_other_door.json["error"] == "wrong_event"
