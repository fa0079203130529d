"""`fairgate import-eventbrite`: from the reports of Eventbrite to a sale. The people in the examples are made up."""

from pathlib import Path

import pytest

from bootstrap.files import load_files
from chalicelib.bootstrap_file.validation import validate_files
from chalicelib.catalog import service as catalog
from chalicelib.purchases import queries
from tests import builders, invariants
from tests.bootstrap.conftest import stock_of

FOLDER = Path(__file__).parent / "eventbrite"
ATTENDEES, SUMMARY, ORDERS, WAITING = (FOLDER / f"{name}.csv" for name in ("attendees", "attendees-summary", "orders", "waitlist"))
QUAY = "quay-sessions-845211903377"
CODES = ("1121191224318441583423001", "1121191224318441583424001", "1121199087118441590010001")
OLD_OPTIONS = ("--name", "Quay Sessions", "--date", "2027-06-12T19:30:00", "--venue", "Old Quay", "--timezone", "Europe/Berlin")


@pytest.fixture
def report(tmp_path):
    """`report(old, new)` writes the attendees' report with one text replaced; returns the file."""

    def write(old="", new="", file=ATTENDEES):
        text = file.read_text()
        assert old in text
        changed = tmp_path / "report.csv"
        changed.write_text(text.replace(old, new) if old else text)
        return changed

    return write


@pytest.fixture
def moved(api, time, run, tmp_path):
    """The example on sale, with its sold tickets; the folder with its files."""
    folder = tmp_path / "quay"
    assert run("import-eventbrite", ATTENDEES, "--waiting-list", WAITING, "-o", folder).code == 0
    assert run("apply", folder / "event.json").code == 0
    result = run("import-tickets", folder / f"{QUAY}-tickets.csv", "--event", QUAY, "--apply")
    assert (result.code, result.out.splitlines()[-1]) == (0, "imported 3 tickets"), result.out
    yield folder
    invariants.check(time.now, recovered=True)


def document(folder):
    return validate_files(load_files([folder / "event.json"])).document


def test_a_dry_run_reports_what_moves_and_what_stays_and_writes_nothing(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("import-eventbrite", ATTENDEES, "--waiting-list", WAITING)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        '1 rows with the status "Refunded": left out',
        "1 rows with the status Checked In: their tickets admit people here again",
        "columns that are left out: Order date, Phone number, Purchaser city, Purchaser state, Purchaser country, Buyer first name, "
        "Buyer last name",
        "questions: every ticket type asks for a text, because the report has neither their types nor their choices",
        "1 answers of buyers: left out",
        f"ticket type {QUAY}.standing: buyers paid 2 different amounts; its price is the highest, 45.00",
        f"ticket type {QUAY}.standing: has the 2 tickets that were sold and none left; raise its max_quantity",
        f"ticket type {QUAY}.balcony.children: has the 1 tickets that were sold and none left; raise its max_quantity",
        '1 people with the status "Purchased": left out',
        "1 events, 2 ticket types, 2 paid orders, 3 tickets, 5 entries of the waiting list",
        "This was a dry run: nothing was written. To write the files, add --output FOLDER.",
    ]
    assert list(tmp_path.iterdir()) == []


def test_rows_become_an_event_with_ticket_types(run, tmp_path):
    run("import-eventbrite", ATTENDEES, "--capacity", 80, "-o", tmp_path)
    [event], tickets = document(tmp_path).events.values(), document(tmp_path).ticket_types
    assert (event.id, event.name, event.date, event.venue) == (QUAY, "Quay Sessions", "2027-06-12T19:30:00", "Old Quay")
    assert event.metadata.timezone == "Europe/Berlin"
    assert [(ticket.name, ticket.price_cents, ticket.currency, ticket.max_quantity, ticket.status) for ticket in tickets.values()] == [
        ("Standing", 4500, "EUR", 80, "coming-soon"),
        ("Balcony - Children", 3050, "EUR", 80, "coming-soon"),
    ]
    [option] = tickets[f"{QUAY}.standing"].options
    assert (option.label, option.option_type, option.is_required, option.per) == ("What do you not eat?", "text_input", False, "ticket")
    run("import-eventbrite", ATTENDEES, "--open", "-o", tmp_path)
    assert {ticket.status for ticket in document(tmp_path).ticket_types.values()} == {"available"}


def test_barcodes_admit_people_and_buyers_find_their_tickets_by_their_address(api, moved, time):
    assert stock_of(f"{QUAY}.standing").sold == 2
    assert sorted(ticket.code for ticket in queries.list_tickets_of_address("ADA@example.com")) == sorted(CODES[:2])
    assert [ticket.code for ticket in queries.list_tickets_of_address("bob@example.com")] == [CODES[2]]
    time.set(catalog.load_current().events[QUAY].starts_at)
    for code in CODES:
        reply = api.post("/checkin", json={"code": code, "event_id": QUAY}, token=builders.staff_token(QUAY))
        assert reply.status == 200, reply.json
    refunded = api.post("/checkin", json={"code": "1121200010018441600020001", "event_id": QUAY}, token=builders.staff_token(QUAY))
    assert refunded.status == 404


def test_a_second_run_changes_nothing(run, moved):
    waiting = (moved / f"{QUAY}-waiting.csv").read_text().splitlines()
    assert waiting[:2] == ["email,tier", f"wendy@example.com,{QUAY}.standing"]
    assert sorted(waiting[2:]) == sorted(2 * [f"walter@example.com,{QUAY}.standing", f"walter@example.com,{QUAY}.balcony.children"])
    before = {file.name: file.read_bytes() for file in moved.iterdir()}
    run("import-eventbrite", ATTENDEES, "--waiting-list", WAITING, "-o", moved)
    assert {file.name: file.read_bytes() for file in moved.iterdir()} == before
    assert "nothing to do" in run("apply", moved / "event.json").out
    again = run("import-tickets", moved / f"{QUAY}-tickets.csv", "--event", QUAY, "--apply")
    assert again.out.splitlines()[-1] == "imported 0 tickets"


def test_the_older_report_needs_the_orders_and_the_name_of_the_event(run, tmp_path):
    assert "the report does not name the event. Name it: --name NAME" in run("import-eventbrite", SUMMARY).err
    result = run("import-eventbrite", SUMMARY, "--orders", ORDERS, *OLD_OPTIONS, "-o", tmp_path)
    assert result.code == 0, result.err
    assert "columns that are left out: Order Date, Attendee #, Order Type, Fees Paid," in result.out
    assert (tmp_path / "quay-sessions-tickets.csv").read_text().splitlines() == [
        "code,tier,name,email,buyer_email",
        f"{CODES[0]},quay-sessions.standing,Ada Lovelace,ada@example.com,ada@example.com",
        f"{CODES[0][:-1]}2,quay-sessions.standing,Ada Lovelace,ada@example.com,ada@example.com",
        f"{CODES[2]},quay-sessions.balcony.children,Bob Kahn,,bob@example.com",
    ]
    prices = {ticket.name: ticket.price_cents for ticket in document(tmp_path).ticket_types.values()}
    assert prices == {"Standing": 4500, "Balcony - Children": 3050}, "the total of a row is for all of its tickets"


@pytest.mark.parametrize(
    ("price", "cents"), [("45,00", 4500), ("€45.5", 4550), ("1.045,00 €", 104500), ("USD 1,045", 104500), ("Free", 0), ("", 0)]
)
def test_amounts_of_all_countries_are_read(run, report, tmp_path, price, cents):
    cells = f'"{price}",Checked In'
    assert run("import-eventbrite", report("30.50,Checked In", cells), "-o", tmp_path).code == 0
    assert document(tmp_path).ticket_types[f"{QUAY}.balcony.children"].price_cents == cents


@pytest.mark.parametrize(
    ("day", "time", "expected"),
    [
        ("12.06.2027", "19:30", "2027-06-12T19:30:00"),
        ("6/13/2027", "7:30 PM", "2027-06-13T19:30:00"),
        ("13/06/27", "7:30 pm", "2027-06-13T19:30:00"),
        ("Jun 12, 2027 7:30 PM", "", "2027-06-12T19:30:00"),
        ("2027-06-12 19:30:00", "", "2027-06-12T19:30:00"),
        ("12 June 2027", "", "2027-06-12"),
    ],
)
def test_dates_of_all_countries_are_read(run, report, tmp_path, day, time, expected):
    assert run("import-eventbrite", report("2027-06-12,19:30:00", f'"{day}",{time}'), "-o", tmp_path).code == 0
    assert document(tmp_path).events[QUAY].date == expected


def test_a_date_that_may_mean_two_days_must_be_named(run, report, tmp_path):
    file = report("2027-06-12,19:30:00", "03/04/2027,19:30")
    refused = run("import-eventbrite", file)
    assert refused.code == 1
    assert 'its start, "03/04/2027", is not a date, or may mean two days; name it: --date' in refused.out
    assert f"$.events.{QUAY}.date: this required key is missing" in refused.err
    assert run("import-eventbrite", file, "--date", "2027-04-03", "-o", tmp_path).code == 0
    assert document(tmp_path).events[QUAY].date == "2027-04-03"


def test_a_byte_order_mark_semicolons_and_other_names_of_columns_are_read(run, tmp_path):
    expected, file = tmp_path / "expected", tmp_path / "report.csv"
    run("import-eventbrite", ATTENDEES, "-o", expected)
    text = ATTENDEES.read_text().replace(",", ";").replace("Barcode number", "Strichcode").replace("Order ID", "Order no.")
    file.write_text("\ufeff" + text.replace("\n", "\r\n"), newline="")
    assert "--map barcode=COLUMN" in run("import-eventbrite", file).err
    assert run("import-eventbrite", file, "--map", "barcode=strichcode", "-o", tmp_path / "out").code == 0
    written = {entry.name: entry.read_text() for entry in (tmp_path / "out").iterdir()}
    assert written == {entry.name: entry.read_text() for entry in expected.iterdir()}
    assert "--map venue=Ort: no report has this column" in run("import-eventbrite", ATTENDEES, "--map", "venue=Ort").err
    assert "--map color=...: this field does not exist" in run("import-eventbrite", ATTENDEES, "--map", "color=Ort").err


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        (CODES[1], "abc", 'line 3, Barcode number: "abc" has 3 '),
        (CODES[1], "9" * 257, f'line 3, Barcode number: "{"9" * 76}... has 257 characters'),
        (CODES[1], "grün-1", 'line 3, Barcode number: "gr\\u00fcn-1" has characters that are not printable ASCII'),
        (CODES[1], CODES[0], "is also the barcode of line 2, Barcode number"),
        (CODES[1], "", "line 3, Barcode number: the row has 1 tickets, and 0 barcodes"),
        (CODES[1], '"1234567, 7654321"', "line 3, Barcode number: the row has 1 tickets, and 2 barcodes"),
        (CODES[1], "1.12119E+24", "line 3, Barcode number: a spreadsheet has shortened"),
        ("grace@example.com", "grace", 'line 3, attendee: "grace" is not an email address'),
        ("bob@example.com", "b o b", 'line 4, buyer: "b o b" is not an email address'),
        ("40.00", "dear", 'line 3, Ticket price: "dear" is not an amount'),
        ("45.00", '"45.001,22,33,44,55,66,77"', "Ticket price: "),
        (",EUR,45.00,", ",USD,45.00,", "must name one currency, and names EUR, USD"),
        ("Barcode number", "Bar", 'no column "barcode #"'),
        ("Attending", "Deleted", "with the status"),
    ],
)
def test_a_fault_is_named_with_its_place_and_nothing_is_written(run, report, tmp_path, old, new, place):
    result = run("import-eventbrite", report(old, new), "-o", tmp_path / "out")
    if place == "with the status":
        assert (result.code, '2 rows with the status "Deleted"' in result.out) == (0, True)
    else:
        assert (result.code, place in result.err) == (1, True), result.err
        assert not (tmp_path / "out").exists()


def test_a_report_without_tickets_that_admit_is_refused(run, report, tmp_path):
    text = report("Attending", "Not Attending").read_text().replace("Checked In", "Transferred")
    (tmp_path / "none.csv").write_text(text)
    assert "has no row of an attendee whose status is Attending or Checked In" in run("import-eventbrite", tmp_path / "none.csv").err
    assert "cannot be read" in run("import-eventbrite", tmp_path / "missing.csv").err
    (tmp_path / "long.csv").write_text(ATTENDEES.read_text() + "1," * 40 + "\n")
    assert "the row has more columns than the header" in run("import-eventbrite", tmp_path / "long.csv").err


def test_each_date_of_a_series_becomes_an_event(run, report, tmp_path):
    file = report("EUR,30.50", "EUR,30.50").read_text().splitlines()
    file[3] = file[3].replace("2027-06-12", "2027-06-13")
    (tmp_path / "series.csv").write_text("\n".join(file) + "\n")
    result = run("import-eventbrite", tmp_path / "series.csv", "--waiting-list", WAITING, "-o", tmp_path)
    assert result.code == 0, result.err
    dates = [event.date for event in document(tmp_path).events.values()]
    assert dates == ["2027-06-12T19:30:00", "2027-06-13T19:30:00"]
    assert sum(file.name.endswith("-tickets.csv") for file in tmp_path.iterdir()) == 2
    assert 'left out, because several events have its ticket type: "Standing"' in result.out


def test_ticket_types_with_similar_names_stay_apart(run, report, tmp_path):
    text = report(",Standing,", ",入場券,").read_text().replace("Children,Balcony", ",学生")
    (tmp_path / "names.csv").write_text(text)
    assert run("import-eventbrite", tmp_path / "names.csv", "-o", tmp_path / "out").code == 0
    assert [ticket.name for ticket in document(tmp_path / "out").ticket_types.values()] == ["入場券", "学生"]


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "\x1b[2J", "a/../../b"])
def test_a_report_cannot_choose_where_its_files_are_written(run, report, tmp_path, name):
    target = tmp_path / "deeply" / "nested"
    result = run("import-eventbrite", report("Quay Sessions", name), "-o", target)
    written = {file.parent for file in tmp_path.rglob("*") if file.is_file()} - {tmp_path}
    assert (result.code, written) == (0, {target})
    assert all(sign.isprintable() or sign == "\n" for sign in result.out + result.err)
