"""`fairgate import-pretix`: from the exports of pretix to a sale. The examples have the fields that pretix's exporters write."""

import csv
import json
from pathlib import Path

import pytest

from bootstrap.files import load_files
from chalicelib.bootstrap_file.validation import validate_files
from chalicelib.catalog import service as catalog
from chalicelib.purchases import queries
from chalicelib.tickets.store import scan_tickets
from tests import builders, invariants
from tests.addons.messages.conftest import post  # noqa: F401
from tests.addons.waitlist import lines
from tests.bootstrap.conftest import stock_of
from tests.bootstrap.test_waitlist_import import create_account

FOLDER = Path(__file__).parent / "pretix"
EXPORT, WAITING = FOLDER / "harbour_pretixdata.json", FOLDER / "harbour_waitinglist.csv"
OPTIONS = ("--currency", "EUR", "--date", "2026-09-01T20:00:00", "--venue", "Old Harbour", "--timezone", "Europe/Berlin")
CODES = ("kx3fpz8ahqd5wm4r7u2ybn6tjs9gecv3", "p6ch9v4wtxk2q8mzgd7ru3fybj5nsae4", "t4vy7ejn3gb9xs6ucz8pkw2hdqm5rfa6")


@pytest.fixture
def export(tmp_path):
    """`export(change)` writes the example after `change(event)`; returns the file."""

    def write(change=lambda event: None):
        content = json.loads(EXPORT.read_text())
        change(content["event"])
        file = tmp_path / "export.json"
        file.write_text(json.dumps(content))
        return file

    return write


@pytest.fixture
def moved(api, time, run, tmp_path):
    """The example on sale, with its sold tickets; the folder with its files."""
    folder = tmp_path / "harbour"
    assert run("import-pretix", EXPORT, *OPTIONS, "--waiting-list", WAITING, "-o", folder).code == 0
    run("apply", folder / "event.json")
    result = run("import-tickets", folder / "harbour-tickets.csv", "--event", "harbour", "--apply")
    assert (result.code, result.out.splitlines()[-1]) == (0, "imported 3 tickets"), result.out
    yield folder
    invariants.check(time.now, recovered=True)


def document(folder):
    return validate_files(load_files([folder / "event.json"])).document


def test_a_dry_run_reports_what_moves_and_what_stays_and_writes_nothing(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("import-pretix", EXPORT, *OPTIONS, "--waiting-list", WAITING)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "item 12 (T-shirt): is left out, because it is not a ticket that admits people",
        "1 categories: are left out; the shop lists the cheapest ticket types first",
        'question 32 (Your size?): is left out, because questions of its type "C" cannot be converted',
        "questions: every ticket type asks all of them, because the export does not say which products they are for",
        "1 fees of orders: left out",
        "1 answers of buyers: left out",
        "1 sold products that admit nobody: left out",
        "1 tickets of pending orders: left out",
        "1 tickets of test orders: left out",
        "quota 42: Balcony - Adults, Balcony - Children share 40 tickets; here, each gets a part: choose their max_quantity, 40 together",
        "1 people with a voucher: left out of the waiting list",
        "1 events, 3 ticket types, 2 paid orders, 3 tickets, 2 entries of the waiting list",
        "This was a dry run: nothing was written. To write the files, add --output FOLDER.",
    ]
    assert list(tmp_path.iterdir()) == []


def test_products_become_ticket_types(run, tmp_path):
    run("import-pretix", EXPORT, *OPTIONS, "-o", tmp_path)
    [event], tickets = document(tmp_path).events.values(), document(tmp_path).ticket_types
    assert (event.id, event.name, event.date, event.venue) == ("harbour", "Harbour Nights", "2026-09-01T20:00:00", "Old Harbour")
    assert [(key, ticket.name, ticket.price_cents, ticket.max_quantity) for key, ticket in tickets.items()] == [
        ("harbour-10", "Floor", 4500, 100),
        ("harbour-11-21", "Balcony - Adults", 6000, 20),
        ("harbour-11-22", "Balcony - Children", 3050, 20),
    ]
    assert {(ticket.currency, ticket.status) for ticket in tickets.values()} == {("EUR", "coming-soon")}
    floor = tickets["harbour-10"]
    assert (floor.description, floor.per_user_limit, str(floor.tax.percent)) == ("Standing, close to the band", 4, "19")
    [option] = floor.options
    assert (option.label, option.option_type, option.per) == ("What do you not eat?", "text_input", "ticket")
    assert event.capacity == 140, "Balcony's variations share a quota, so the event never sells more than all quotas have"
    run("import-pretix", EXPORT, *OPTIONS, "--open", "-o", tmp_path)
    assert {ticket.status for ticket in document(tmp_path).ticket_types.values()} == {"available"}


def test_old_codes_admit_people_and_buyers_find_their_tickets_by_their_address(api, moved, time):
    assert (stock_of("harbour-10").sold, stock_of("harbour-11-22").sold) == (2, 1)
    found = queries.list_tickets_of_address("ADA@example.com")
    assert sorted(ticket.code for ticket in found) == sorted(CODES[:2]), "the buyer finds all tickets of the order"
    assert [ticket.code for ticket in queries.list_tickets_of_address("bob@example.com")] == [CODES[2]]
    assert api.post("/lost-tickets", json={"email": "bob@example.com"}).status == 200
    time.set(catalog.load_current().events["harbour"].starts_at)
    for code in CODES:
        reply = api.post("/checkin", json={"code": code, "event_id": "harbour"}, token=builders.staff_token("harbour"))
        assert reply.status == 200, reply.json


@pytest.mark.needs_addon
@pytest.mark.not_on_moto  # the changes come from the streams
def test_somebody_who_waited_in_pretix_is_offered_a_returned_ticket_by_email_and_buys_it(api, time, run, export, post, tmp_path):  # noqa: F811
    folder, source = tmp_path / "harbour", export(lambda event: event["quotas"][0].update(size=2))  # both are sold
    convert = ("import-pretix", source, *OPTIONS, "--waiting-list", WAITING, "-o", folder)
    assert run(*convert).code == 0
    run("apply", folder / "event.json")
    assert run("import-tickets", folder / "harbour-tickets.csv", "--event", "harbour", "--apply").code == 0
    join = ("import-waitlist", folder / "harbour-waiting.csv", "--event", "harbour", "--apply")
    assert "0 joined, 0 joined before, 2 without an account" in run(*join).out
    create_account("wendy", time)
    assert "1 joined, 0 joined before, 1 without an account" in run(*join).out
    assert run(*convert, "--open").code == 0
    run("apply", folder / "event.json")
    time.advance(60)
    lines.run_allocator()
    assert builders.reserve(api, "eve", "harbour", "harbour-10").json["error"] == "not_enough_tickets"
    assert post.deliver() == [], "nobody gets an email about the import"

    [returned, _] = [ticket for ticket in scan_tickets() if ticket.tier_id == "harbour-10"]
    assert builders.refund(api, returned.purchase_id).status == 201
    cancelled, mail = sorted(post.deliver(), key=lambda mail: mail["To"])
    assert cancelled["To"] == "ada@example.com"
    assert (mail["To"], mail["Subject"]) == ("wendy@example.com", "There are tickets for you: Harbour Nights")
    assert "https://shop.test/events/harbour" in mail.get_body(("plain",)).get_content()
    assert builders.reserve(api, "eve", "harbour", "harbour-10").json["error"] == "not_enough_tickets", "the ticket is kept for Wendy"
    [entry] = api.get("/waitlist", user="wendy").json["entries"]
    checkout = builders.start_checkout(api, "wendy", entry["offer"]["id"])
    assert checkout.status == 201, checkout.json
    bought = builders.confirm(api, "wendy", checkout.json["id"])
    assert bought.status == 201, bought.json
    tickets = post.deliver()[-1]
    assert (tickets["To"], tickets["Subject"]) == ("wendy@example.com", "Your tickets for Harbour Nights")
    assert (stock_of("harbour-10").sold, stock_of("harbour-10").available) == (2, 0)
    time.set(catalog.load_current().events["harbour"].starts_at)
    new, old = (
        api.post("/checkin", json={"code": code, "event_id": "harbour"}, token=builders.staff_token("harbour"))
        for code in (bought.json["tickets"][0]["code"], returned.code)
    )
    assert (new.status, old.json["error"]) == (200, "ticket_refunded")
    invariants.check(time.now, recovered=True)


def test_a_second_run_changes_nothing(run, moved):
    waiting = (moved / "harbour-waiting.csv").read_text()
    assert waiting == "email,tier\nwendy@example.com,harbour-10\nwalter@example.com,harbour-11-22\n"
    before = {file.name: file.read_bytes() for file in moved.iterdir()}
    run("import-pretix", EXPORT, *OPTIONS, "--waiting-list", WAITING, "-o", moved)
    assert {file.name: file.read_bytes() for file in moved.iterdir()} == before
    assert "nothing to do" in run("apply", moved / "event.json").out
    again = run("import-tickets", moved / "harbour-tickets.csv", "--event", "harbour", "--apply")
    assert again.out.splitlines()[-1] == "imported 0 tickets"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda event: event["orders"][0]["positions"][1].pop("secret"), "$.event.orders[0].positions[1]: "),
        (lambda event: event["orders"][1]["positions"][0].update(secret=7), "$.event.orders[1].positions[0].secret: "),
        (lambda event: event["orders"][1]["positions"][0].update(secret="abc"), '$.event.orders[1].positions[0].secret: "abc" has 3 '),
        (
            lambda event: event["orders"][1]["positions"][0].update(secret="A" * 300),
            f'.orders[1].positions[0].secret: "{"A" * 76}... has 300 characters',
        ),
        (lambda event: event["orders"][1]["positions"][0].update(secret="grün-1"), '.orders[1].positions[0].secret: "gr\\u00fcn-1" has '),
        (
            lambda event: event["orders"][1]["positions"][0].update(secret=CODES[0]),
            "is also the secret of $.event.orders[0].positions[0].secret",
        ),
        (lambda event: event["orders"][1]["positions"][0].update(item=99), "$.event.orders[1].positions[0].item: the export has no item"),
        (lambda event: event["orders"][1]["positions"][0].update(subevent=5), "$.event.orders[1].positions[0].subevent: "),
        (lambda event: event["orders"][0]["positions"][0].update(attendee_email="x"), "$.event.orders[0].positions[0].attendee_email: "),
        (lambda event: event["orders"][0].update(email="x y"), '$.event.orders[0].email: "x y" is not an email address'),
        (lambda event: event["items"][0].update(price="dear"), "$.event.items[0].price: "),
    ],
)
def test_a_fault_is_named_with_its_place_and_nothing_is_written(run, export, tmp_path, change, place):
    result = run("import-pretix", export(change), *OPTIONS, "-o", tmp_path / "out")
    assert result.code == 1
    assert place in result.err
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_no_export_is_refused(run, tmp_path, write):
    assert "not JSON, or it is cut off" in run("import-pretix", write(EXPORT.read_bytes()[:-9]), *OPTIONS).err
    assert "$: Object missing required field `event`" in run("import-pretix", write({}), *OPTIONS).err
    assert "cannot be read" in run("import-pretix", tmp_path / "none.json", *OPTIONS).err
    german = write(WAITING.read_bytes().replace(b'"Email"', b'"E-Mail"'), "waiting.csv")
    assert "Set the language of your pretix account to English" in run("import-pretix", EXPORT, *OPTIONS, "--waiting-list", german).err


def test_the_waiting_list_of_another_event_is_refused(run, write, tmp_path):
    other = write(WAITING.read_bytes().replace(b'"harbour"', b'"airport"'), "waiting.csv")
    result = run("import-pretix", EXPORT, *OPTIONS, "--waiting-list", other, "-o", tmp_path / "out")
    assert (result.code, (tmp_path / "out").exists()) == (1, False)
    assert 'line 2 is of event "airport", but the orders are of "harbour"' in result.err


def test_missing_values_are_named(run):
    result = run("import-pretix", EXPORT, "--currency", "EUR")
    assert result.code == 1
    assert "$.events.harbour.date: this required key is missing" in result.err
    assert "$.events.harbour.venue: this required key is missing" in result.err


def test_each_date_of_a_series_becomes_an_event(run, export, tmp_path):
    def make_series(event):
        dates = [(7, "Friday", "2026-09-04T18:00:00Z"), (8, "Saturday", "2026-09-05T18:00:00Z")]
        event["subevents"] = [
            {"id": key, "name": name, "location": "Pier 1\nPort", "date_from": at, "date_to": None, "is_public": True, "meta_data": {}}
            for key, name, at in dates
        ]
        event["quotas"] = [{"id": key, "size": key, "subevent": key, "items": [10], "variations": []} for key, _, _ in dates]
        for order in event["orders"]:
            for position in order["positions"]:
                position |= {"subevent": 8, "item": 10, "variation": None}

    waiting = tmp_path / "waiting.csv"
    waiting.write_text(WAITING.read_text().replace('"Harbour Nights",""', '"Harbour Nights","Saturday"'))
    result = run("import-pretix", export(make_series), "--currency", "EUR", "--waiting-list", waiting, "-o", tmp_path)
    assert result.code == 0, result.err
    events = document(tmp_path).events
    assert {key: (event.name, event.date, event.venue) for key, event in events.items()} == {
        "harbour-7": ("Friday", "2026-09-04T18:00:00Z", "Pier 1, Port"),
        "harbour-8": ("Saturday", "2026-09-05T18:00:00Z", "Pier 1, Port"),
    }
    assert {key: ticket.max_quantity for key, ticket in document(tmp_path).ticket_types.items()} == {"harbour-7-10": 7, "harbour-8-10": 8}
    assert (tmp_path / "harbour-8-tickets.csv").read_text().count("harbour-8-10") == 4
    assert not (tmp_path / "harbour-7-tickets.csv").exists()
    assert (tmp_path / "harbour-8-waiting.csv").read_text() == "email,tier\nwendy@example.com,harbour-8-10\n"
    assert "harbour-8-11-22" in result.out, "a person who waits for a product that the date does not sell"


def test_what_pretix_sold_beyond_its_quotas_still_fits(run, export, tmp_path):
    def shrink(event):
        event["quotas"] = [{"id": 41, "size": 1, "subevent": None, "items": [10], "variations": []}]

    result = run("import-pretix", export(shrink), *OPTIONS, "-o", tmp_path)
    assert "ticket type harbour-10: can sell 1 but has sold 2, so it has no tickets left" in result.out
    assert {key: ticket.max_quantity for key, ticket in document(tmp_path).ticket_types.items()} == {"harbour-10": 2, "harbour-11-22": 1}


def test_a_quota_that_some_products_share_is_divided(run, export, tmp_path):
    def share(event):
        event["quotas"].append({"id": 43, "size": 60, "subevent": None, "items": [10, 11], "variations": [21]})

    assert "quota 43: Floor, Balcony - Adults share 60 tickets" in run("import-pretix", export(share), *OPTIONS, "-o", tmp_path).out
    quantities = {key: ticket.max_quantity for key, ticket in document(tmp_path).ticket_types.items()}
    assert quantities == {"harbour-10": 31, "harbour-11-21": 20, "harbour-11-22": 20}, "two are sold, and the rest is halved"


def test_prices_have_the_decimals_of_the_currency(run, export, tmp_path):
    def whole(event):
        event["items"][1]["variations"][1]["price"] = "3050.00"

    in_yen = ("--currency", "JPY", *OPTIONS[2:])
    assert run("import-pretix", export(whole), *in_yen, "-o", tmp_path).code == 0
    assert [ticket.price_cents for ticket in document(tmp_path).ticket_types.values()] == [45, 60, 3050]
    refused = run("import-pretix", EXPORT, *in_yen)
    assert refused.code == 1
    assert "the price of Balcony - Children: An amount in JPY has no decimals." in refused.err


def test_products_with_special_rules_are_closed_or_named(run, export, tmp_path):
    def change(event):
        event["items"][0] |= {"require_voucher": True, "min_per_order": 2}
        event["items"][1] |= {"sales_channels": ["pretixpos"]}

    result = run("import-pretix", export(change), *OPTIONS, "--open", "-o", tmp_path)
    tickets = document(tmp_path).ticket_types
    assert tickets["harbour-10"].requires_code
    assert tickets["harbour-11-21"].status == "closed"
    assert "item 10 (Floor): `min_per_order` has no counterpart" in result.out
    assert "item 10 (Floor): buyers needed a voucher" in result.out


@pytest.mark.parametrize("slug", ["../outside", "/tmp/outside", "fest/../../outside", "", "\x1b[2J", "fest\n"])
def test_an_export_cannot_choose_where_its_files_are_written(run, export, tmp_path, slug):
    target = tmp_path / "deeply" / "nested"
    result = run("import-pretix", export(lambda event: event.update(slug=slug)), *OPTIONS, "-o", target)
    assert (result.code, result.err.count("$.event.slug: ")) == (1, 1)
    assert [file.name for file in tmp_path.rglob("*")] == ["export.json"]


def test_texts_of_an_export_cannot_control_the_terminal(run, export, tmp_path):
    def change(event):
        event["items"][2]["name"] = "Shirt\x1b[2J\rimported 3 tickets\n\u009b31m\u202e"
        event["meta_data"] = {"\x1b]0;title\x07": 1}
        event["orders"][0]["positions"][0]["item"] = 10

    result = run("import-pretix", export(change), *OPTIONS, "-o", tmp_path)
    assert "(Shirt\\x1b[2J\\rimported 3 tickets\\n\\x9b31m\\u202e)" in result.out
    for text in (result.out, result.err):
        assert all(sign.isprintable() or sign == "\n" for sign in text)


@pytest.mark.parametrize(
    "change",
    [
        lambda event: event["items"][0].update(tax_rate="1E+999999999"),
        lambda event: event["items"][0].update(tax_rate="NaN"),
        lambda event: event["items"][0].update(price="1E+999999999"),
        lambda event: event["items"][0].update(price="-Infinity"),
    ],
)
def test_a_number_that_is_no_amount_is_a_fault(run, export, tmp_path, change):
    result = run("import-pretix", export(change), *OPTIONS)
    assert (result.code, "of Floor: " in result.err) == (1, True)


def test_an_export_with_deep_values_is_refused(run, tmp_path):
    file = tmp_path / "export.json"
    file.write_text('{"event": {"meta_data": {"a": ' + "[" * 100_000 + "]" * 100_000 + "}}}")
    result = run("import-pretix", file, *OPTIONS)
    assert (result.code, "nested too deep" in result.err) == (1, True)


def test_names_are_no_formulas_in_the_files_and_arrive_unchanged(api, run, export, tmp_path):
    names = ['=HYPERLINK("https://evil.example")', "'quoted", "+1; =2"]

    def change(event):
        positions = [
            position for order in event["orders"] if order["status"] == "p" and not order["testmode"] for position in order["positions"]
        ]
        tickets = [position for position in positions if position["item"] != 12]
        for position, name in zip(tickets, names, strict=True):
            position["attendee_name"] = name

    folder = tmp_path / "out"
    assert run("import-pretix", export(change), *OPTIONS, "-o", folder).code == 0
    cells = [cell for row in csv.reader((folder / "harbour-tickets.csv").open(newline="")) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert run("apply", folder / "event.json").code == 0
    assert run("import-tickets", folder / "harbour-tickets.csv", "--event", "harbour", "--apply").code == 0
    assert sorted(ticket.attendee.name for ticket in scan_tickets() if ticket.attendee) == sorted(names)
