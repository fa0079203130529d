"""The attendees of an event over HTTP: who they are, filters and search, pages, CSV, the audit log, and the cost."""

import csv
import io

import pytest

from chalicelib.addons.reports import attendees, audit_views, store
from chalicelib.edge import cursors
from chalicelib.foundation import clock
from chalicelib.purchases import erasure
from chalicelib.tickets.store import load_tickets
from tests import builders, invariants
from tests.accounts.conftest import mailbox, sign_up  # noqa: F401
from tests.addons.packages.requests import create_event, create_option, create_package, promoter
from tests.simulation import faults

GUESTS = 3


@pytest.fixture
def gala(api, time, poller):
    """An event with single tickets that ask for a dish, and tables for three that ask each guest for a drink."""
    event = create_event(api)
    single = create_package(api, event, name="Single", price=10, seats_per_package=1, quantity_limit=100)["id"]
    table = create_package(api, event, name="Table", price=10, seats_per_package=GUESTS)["id"]
    dish = create_option(api, event, single, label="Dish", choices=["Fish", "Vegan"], per="ticket", is_required=False)["id"]
    drink = create_option(api, event, table, label="Drink", option_type="text_input", choices=[], per="guest", is_required=False)["id"]
    yield event, single, table, dish, drink
    invariants.check(time.now)


@pytest.fixture
def buy(api, gala, poller):
    def buy(user, tier_id, quantity=1, **fields):
        reply = builders.buy(api, user, gala[0], tier_id, quantity, **fields)
        assert reply.status == 201, reply.json
        poller.drain()
        return reply.json["order"]["id"]

    return buy


def get(api, gala, token="", **query):
    reply = api.get(f"/events/{gala[0]}/attendees", query=query, token=token or promoter())
    assert reply.status == 200, reply.json
    return reply


def people(api, gala, **query):
    """All people that the query lists, page by page."""
    found = []
    while True:
        page = get(api, gala, **query).json
        found += page["attendees"]
        if page["next_cursor"] is None:
            return found
        query["cursor"] = page["next_cursor"]


def seats(api, gala, **query):
    return [f"{person['ticket_id']}.{person['seat']}" for person in people(api, gala, **query)]


def admit(api, event_id, ticket_id, **fields):
    reply = api.post(f"/tickets/{ticket_id}/validate", json=fields, token=promoter())
    assert reply.status == 200, reply.json


def test_a_ticket_of_a_newer_version_does_not_hide_the_other_people(api, gala, buy):
    order = buy("ada", gala[1], 2)
    with builders.unreadable_ticket(f"{order}-1"):
        assert [person["ticket_id"] for person in people(api, gala)] == [f"{order}-2"]
        answers = api.get(f"/admin/events/{gala[0]}/tickets/answers", token=promoter())
        assert answers.status == 200, answers.json


def test_each_person_has_a_name_an_address_a_ticket_and_answers(api, gala, buy, mailbox):  # noqa: F811
    _, single, table, dish, drink = gala
    ada = sign_up(api, "ada@example.com", first_name="Ada", last_name="Lovelace")["user"]["id"]
    attending = [{"name": "José Núñez", "email": "jose@example.com", "responses": {dish: ["Vegan"]}}, {"name": "Kim"}]
    order = buy("guest-7", single, 2, attendees=attending, customer_email="guest@example.com")
    tables = buy(ada, table)
    body = {"name": "Bob", "email": "bob@example.com", "answers": {drink: "Tea"}}
    assert api.put(f"/seats/{tables}-1.2/guest", json=body, user=ada).status == 200
    number = api.get(f"/orders/{order}", user="guest-7").json["order"]["number"]
    first, second, third, jose, kim = people(api, gala)
    assert jose == {
        "ticket_id": f"{order}-1",
        "seat": 1,
        "number": "GAL-0001",
        "name": "José Núñez",
        "email": "jose@example.com",
        "owner_name": "José Núñez",
        "tier_id": single,
        "tier_name": "Single",
        "order_id": order,
        "order_number": number,
        "state": "valid",
        "came_in": False,
        "came_in_at": None,
        "gate": None,
        "answers": [{"label": "Dish", "answer": "Vegan"}],
    }
    assert (kim["name"], kim["email"], kim["answers"]) == ("Kim", "guest@example.com", [])
    assert [(person["name"], person["owner_name"], person["email"]) for person in (first, second, third)] == [
        (None, "Ada Lovelace", "ada@example.com"),
        ("Bob", "Ada Lovelace", "bob@example.com"),
        (None, "Ada Lovelace", "ada@example.com"),
    ]
    assert second["answers"] == [{"label": "Drink", "answer": "Tea"}]


def test_people_who_came_in_are_counted_by_seat(api, gala, buy, time):
    event, single, table, *_ = gala
    order = buy("ada", table)
    other = buy("bob", single)
    assert api.put(f"/seats/{order}-1.1/guest", json={"name": "Bob"}, user="ada").status == 200
    time.advance(30 * 86_400 - 3600)
    admit(api, event, f"{order}-1", count=1, gate="North")
    assert seats(api, gala, came_in=True) == [f"{order}-1.2"], "the seat without a guest"
    [arrived] = people(api, gala, came_in=True)
    assert (arrived["came_in_at"], arrived["gate"]) == (clock.iso(time.now), "North")
    [guest] = load_tickets([f"{order}-1"])[0].guests
    assert api.post("/checkin", json={"code": guest.code}, token=promoter()).status == 200
    assert seats(api, gala, came_in=True) == [f"{order}-1.1", f"{order}-1.2"]
    assert seats(api, gala, came_in=False) == [f"{other}-1.1", f"{order}-1.3"]


def test_guests_who_are_never_in_together_have_all_come_in(api, gala, buy, time):
    event, _, table, *_ = gala
    assert api.patch(f"/events/{event}", json={"allows_reentry": True}, token=promoter()).status == 200
    order = buy("ada", table)
    for seat in (1, 2):
        assert api.put(f"/seats/{order}-1.{seat}/guest", json={"name": f"Guest {seat}"}, user="ada").status == 200
    time.advance(30 * 86_400 - 3600)
    first, second = (guest.code for guest in load_tickets([f"{order}-1"])[0].guests)
    for code, direction in ((first, "in"), (first, "out"), (second, "in"), (second, "out"), (first, "in")):
        assert api.post("/checkin", json={"code": code, "direction": direction}, token=promoter()).status == 200
    assert seats(api, gala, came_in=True) == [f"{order}-1.1", f"{order}-1.2"]
    assert [checkin.seat for checkin in load_tickets([f"{order}-1"])[0].first_entries] == [1, 2]


def test_people_are_filtered_by_ticket_type_and_state(api, gala, buy):
    _, single, table, *_ = gala
    order = buy("ada", single, 2)
    tables = buy("bob", table)
    assert builders.refund(api, order, tickets=[f"{order}-1"]).status == 201
    assert seats(api, gala) == [*(f"{tables}-1.{seat}" for seat in (1, 2, 3)), f"{order}-2.1"]
    assert seats(api, gala, tier_id=single) == [f"{order}-2.1"]
    assert seats(api, gala, state="void") == [f"{order}-1.1"]
    assert seats(api, gala, state="frozen") == []
    assert seats(api, gala, state="valid", tier_id=single) == [f"{order}-2.1"]


def test_a_search_finds_people_or_the_whole_order_of_a_buyer(api, gala, buy):
    _, single, table, *_ = gala
    order = buy("ada", single, 2, attendees=[{"name": "José Núñez"}, {"name": "Kim Deal"}], customer_email="ada@example.com")
    tables = buy("bob", table, customer_email="bob@example.com")
    number = api.get(f"/orders/{tables}", user="bob").json["order"]["number"]
    whole = [f"{tables}-1.{seat}" for seat in (1, 2, 3)]
    expected = {"jose nun": [f"{order}-1.1"], "deal": [f"{order}-2.1"], "ADA@example.com": [f"{order}-1.1", f"{order}-2.1"]}
    expected |= {number: whole, "bob@example.com": whole, f"{order}-2": [f"{order}-2.1"], "grace": []}
    for text, found in expected.items():
        assert seats(api, gala, search=text) == found, text
    assert seats(api, gala, search="deal", came_in=True) == []


@pytest.mark.slow
@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("query", [{}, {"came_in": False}, {"state": "valid"}])
def test_pages_list_everybody_once_while_people_come_in(api, gala, buy, time, limit, query, monkeypatch):
    monkeypatch.setattr(attendees, "MAX_ORDERS", 2)
    event, single, table, *_ = gala
    bought = [buy(f"user-{number}", (single, table)[number % 2], 1 + number % 3) for number in range(5)]
    everybody = seats(api, gala, **query)
    assert len(everybody) == len(set(everybody)) == 1 + 2 * 3 + 3 + 3 + 2
    assert [text[:26] for text in everybody] == sorted((text[:26] for text in everybody), reverse=True)
    time.advance(30 * 86_400 - 3600)
    first = get(api, gala, limit=limit, **query).json
    admit(api, event, f"{bought[-1]}-1")
    assert len(first["attendees"]) <= limit
    rest = seats(api, gala, limit=limit, cursor=first["next_cursor"], **query) if first["next_cursor"] else []
    listed = [f"{person['ticket_id']}.{person['seat']}" for person in first["attendees"]] + rest
    assert [seat for seat in listed if seat != f"{bought[-1]}-1.1"] == [seat for seat in everybody if seat != f"{bought[-1]}-1.1"]


def test_a_page_is_small_however_long_the_answers_are(api, gala, buy, monkeypatch):
    """Lambda returns at most 6 MB, so the answers of a few guests could make the whole list fail."""
    for user in ("ada", "bob"):
        order_id = buy(user, gala[2], 2)
        for seat in range(1, GUESTS + 1):
            body = {"name": "Kim", "answers": {gala[4]: "\u0001" * 500}}
            assert api.put(f"/seats/{order_id}-1.{seat}/guest", json=body, user=user).status == 200
    everybody = people(api, gala)
    assert len(everybody) == 4 * GUESTS
    monkeypatch.setattr(cursors, "MAX_PAGE_BYTES", 8000)
    assert people(api, gala, limit=1000) == everybody
    first = get(api, gala, limit=1000)
    assert (len(first.body) < 10_000, first.json["attendees"] == everybody[:2]) == (True, True)


def test_the_file_has_the_same_people_and_nothing_that_a_spreadsheet_computes(api, gala, buy):
    _, single, _, dish, _ = gala
    attending = [{"name": "=HYPERLINK(1)", "responses": {dish: ["Fish", "Vegan"]}}, {"name": "Kim"}]
    buy("ada", single, 2, attendees=attending)
    parts = [get(api, gala, format="csv", bom=True, limit=1)]
    link = parts[0].headers["Link"]
    cursor = link.partition("cursor=")[2].partition("&")[0].partition(">")[0]
    parts.append(get(api, gala, format="csv", bom=True, limit=1, cursor=cursor))
    assert "Link" not in parts[1].headers
    assert parts[0].headers["Content-Disposition"] == f'attachment; filename="{gala[0]}-attendees.csv"'
    text = b"".join(part.body for part in parts).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [(row["number"], row["name"], row["came_in"], row["answers"]) for row in rows] == [
        ("GAL-0001", "'=HYPERLINK(1)", "no", "Dish: Fish; Vegan"),
        ("GAL-0002", "Kim", "no", ""),
    ]


def test_whoever_reads_names_is_in_the_log_but_not_among_the_changes(api, gala, buy):
    event, single, *_ = gala
    token = builders.auth.issue_token("cleo", {"user"}, events={event: "coordinator"})
    assert get(api, gala, token).json["attendees"] == []
    buy("ada", single, 2, attendees=[{"name": "José"}, {"name": "Kim"}])
    get(api, gala, token, format="csv", search="jose")
    assert api.get("/orders", query={"event_id": event}, token=token).status == 200
    read = api.get(f"/events/{event}/audit", query={"action": audit_views.PEOPLE_READ}, token=promoter()).json["entries"]
    assert [(entry["actor"], entry["details"]) for entry in read] == [
        ("cleo", {"listed": "orders", "count": 1, "format": "json"}),
        ("cleo", {"listed": "attendees", "count": 1, "format": "csv"}),
    ]
    changes = api.get(f"/events/{event}/audit", token=promoter()).json["entries"]
    assert audit_views.PEOPLE_READ not in {entry["action"] for entry in changes}
    everything = api.get("/admin/audit", query={"event_id": event}, token=builders.admin_token()).json["entries"]
    assert audit_views.PEOPLE_READ in {entry["action"] for entry in everything}


def test_nothing_is_shown_if_the_reading_cannot_be_recorded(api, gala, buy):
    buy("ada", gala[1])
    with faults.fail_from(1, faults.timeout, table="audit") as fault:
        reply = api.get(f"/events/{gala[0]}/attendees", token=promoter())
    assert fault.was_triggered
    assert (reply.status, "attendees" in reply.json) == (503, False)


def test_only_managers_read_the_attendees(api, gala, buy):
    buy("ada", gala[1])
    for token in (builders.staff_token(gala[0]), builders.token("eve", "promoter"), builders.token("ada")):
        assert api.get(f"/events/{gala[0]}/attendees", token=token).status == 403
    assert api.get("/events/nowhere/attendees", token=builders.admin_token()).status == 404
    for query in ({"cursor": "?"}, {"limit": 1001}, {"state": "lost"}):
        reply = api.get(f"/events/{gala[0]}/attendees", query=query, token=promoter())
        assert (reply.status, reply.json["path"]) == (400, next(iter(query)))


def test_erased_buyers_leave_their_tickets_without_a_name(api, gala, buy):
    dish = gala[3]
    buy("ada", gala[1], attendees=[{"name": "Ada", "responses": {dish: ["Fish"]}}], customer_email="ada@example.com")
    erasure.erase_personal_details(erasure.find_personal_details("ada"))
    [person] = people(api, gala)
    assert (person["name"], person["email"], person["owner_name"], person["answers"]) == (None, None, None, [])


@pytest.mark.slow
def test_a_page_costs_the_same_however_many_orders_the_event_has(api, gala, buy):
    for number in range(3):
        buy(f"user-{number}", gala[1], 2)
    with faults.record_calls("few") as few:
        assert len(get(api, gala, limit=6).json["attendees"]) == 6
    for number in range(3, 30):
        buy(f"user-{number}", gala[1], 2)
    with faults.record_calls("many") as many:
        assert len(get(api, gala, limit=6).json["attendees"]) == 6
    assert sorted(many.names) == sorted(few.names)
    assert sorted(few.names) == [
        *["BatchGetItem"] * 3,  # orders, their tickets, the owners' accounts
        "GetItem",  # the generation of the reports
        *["Query"] * store.LANES["list"],  # the lanes with the orders
        "TransactWriteItems",  # the audit log
    ]
