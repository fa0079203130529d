"""Orders are found by what people know about them, but not by data of an erased person."""

import json
import threading
from contextlib import suppress

import pytest
from msgspec.structs import replace

import app
from chalicelib.accounts import service as accounts
from chalicelib.addons.reports import order_search, projection, store
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import log
from chalicelib.purchases import queries
from chalicelib.purchases.store import CheckoutDetailsRow
from chalicelib.tickets.model import Guest
from tests import builders, invariants
from tests.accounts.conftest import PASSWORD, mailbox, sign_up  # noqa: F401
from tests.addons.reports.conftest import change_records, kept_figures, recounted_figures
from tests.simulation import faults

ULID_TIME = "01JZQ4T8M3"
PEOPLE = {"ada": ["Ada Lovelace", "José Núñez"], "bob": ["Adam Smith", "Ada Byron"], "eve": []}


def order(api, shop, user, names=(), email=None, token=None):
    """Buy a ticket for each name, or one. Returns the id of the order."""
    as_user = {"token": token} if token else {"user": user}
    item = {"tier_id": shop[1], "quantity": len(names) or 1}
    reserved = api.post(f"/events/{shop[0]}/reservations", json=item, **as_user).json["id"]
    body = {"reservation_id": reserved, "attendees": [{"name": name} for name in names]}
    body |= {"customer_email": email} if email else {}
    assert api.post("/checkout/sessions", json=body, headers={"Idempotency-Key": reserved}, **as_user).status == 201
    paid = api.post("/checkout/confirm", json={"checkout_id": reserved, "simulate": "success"}, **as_user)
    assert paid.status == 201, paid.json
    return reserved


def find(api, event_id, text, token=None, **query):
    reply = api.get("/orders", query={"event_id": event_id, "search": text, **query}, token=token or builders.admin_token())
    assert reply.status == 200, reply.json
    return [found["id"] for found in reply.json["orders"]]


def indexed(generation=store.FIRST_WIDE):
    """All that is in the index, without the order of it."""
    items = dynamo.client().scan(TableName=store.ReportRow.name())["Items"]
    return {
        (item["key"]["S"], json.dumps(item["terms"], sort_keys=True))
        for item in items
        if item["lane"]["S"].startswith(f"{generation}#") and "terms" in item
    }


def indexed_people():
    """What the index has about people."""
    return {row for row in indexed() if "name#" in "".join(row) or "email#" in "".join(row)}


@pytest.fixture
def shop(api, poller, time):
    return builders.create_shop(api, capacity=100)


@pytest.fixture
def orders(api, shop, poller, time):
    found = {user: order(api, shop, user, names, f"{user}@Example.com") for user, names in PEOPLE.items()}
    poller.drain()
    yield found
    invariants.check(time.now)


@pytest.mark.parametrize(
    ("text", "users"),
    [
        ("lovelace", ["ada"]),
        ("LOVEL", ["ada"]),
        ("jose nunez", ["ada"]),
        ("Núñez, José", ["ada"]),
        ("byron ad", ["bob"]),
        ("ad", ["ada", "bob"]),
        ("Lovelace Núñez", []),
        ("ovelace", []),
        ("ada@example.COM", ["ada"]),
        ("EVE@EXAMPLE.COM", ["eve"]),
        ("ada@example.co", []),
        ("@", []),
        ("eve", ["eve"]),
        ("ada", ["ada", "bob"]),
        ("?!", []),
        ("a" * 200, []),
    ],
)
def test_an_order_is_found_by_names_the_address_and_the_id_of_its_buyer(api, shop, orders, text, users):
    assert sorted(find(api, shop[0], text)) == sorted(orders[user] for user in users)


def test_an_order_is_found_by_its_number_a_ticket_or_a_printed_code(api, shop, orders):
    [first, second] = queries.load_tickets(queries.get_order(orders["ada"]))
    for text in (
        orders["ada"],
        orders["ada"].lower(),
        second.id,
        f" {second.id} ",
        first.code,
        first.code.lower().replace("-", ""),
        second.code,
    ):
        assert find(api, shop[0], text) == [orders["ada"]], text
    assert find(api, shop[0], "00000-00000-00000-00000") == []


def test_an_order_is_found_by_the_number_that_people_read_aloud(api, shop, orders, poller):
    number = api.get(f"/orders/{orders['ada']}", user="ada").json["order"]["number"]
    prefix, first, second = number.split("-")
    assert first + second == orders["ada"][-8:]
    misread = f"{first}{second}".replace("0", "o").replace("1", "l").lower()
    for text in (number, number.lower(), f" {prefix} {first} {second} ", f"{first}-{second}", f"XY-{misread}"):
        assert find(api, shop[0], text) == [orders["ada"]], text
    assert find(api, shop[0], f"{prefix}-0000-0000") == []
    reserved = builders.reserve(api, "zoe", *shop).json["id"]
    builders.start_checkout(api, "zoe", reserved)
    builders.confirm(api, "zoe", reserved, simulate="fail")
    poller.drain()
    assert find(api, shop[0], reserved[-8:]) == [reserved], "a failed payment"


def test_two_orders_with_the_same_number_are_both_found(api, shop, orders, poller):
    twin = f"{ULID_TIME}{orders['ada'][10:]}"
    before = store.load_index(store.FIRST_WIDE, shop[0], [twin]).get(twin, {})
    store.change_indexes(store.FIRST_WIDE, [(shop[0], twin, before, order_search.order_terms(twin, None, None, []))])
    assert sorted(order_search.find_order_ids(shop[0], twin[-8:], 20, None)[0]) == sorted([twin, orders["ada"]])


def test_orders_of_another_event_are_not_found(api, shop, orders, poller):
    other = builders.create_shop(api, capacity=10)
    theirs = order(api, other, "ada", ["Ada Lovelace"], "ada@example.com")
    poller.drain()
    [ticket] = queries.load_tickets(queries.get_order(theirs))
    for text in ("lovelace", "ada@example.com", "ada"):
        assert find(api, other[0], text) == [theirs]
    for text in (orders["ada"], queries.load_tickets(queries.get_order(orders["ada"]))[0].code):
        assert find(api, other[0], text) == []
    assert find(api, shop[0], ticket.code) == []


def test_only_managers_search_the_orders_of_an_event(api, shop, orders):
    query = {"event_id": shop[0], "search": "ada"}
    for token in (builders.staff_token(shop[0]), builders.token("pia", "promoter"), builders.token()):
        assert api.get("/orders", query=query, token=token).status == 403
    assert find(api, shop[0], "lovelace", token=builders.auth.issue_token("cleo", {"user"}, events={shop[0]: "coordinator"}))
    alone = api.get("/orders", query={"search": "ada"}, user="ada")
    assert (alone.status, alone.json["path"]) == (400, "search")


def test_a_search_is_filtered_by_state_and_comes_page_by_page(api, shop, orders, poller, monkeypatch):
    monkeypatch.setattr(store, "PAGE_ROWS", 2 * store.LANES["terms"])
    more = [order(api, shop, f"user-{number}", [f"Ada {chr(97 + number)}ski", "Adabert Ada"]) for number in range(6)]
    poller.drain()
    found, query = [], {"limit": 2}
    while query.get("cursor", "") is not None:
        page = api.get("/orders", query={"event_id": shop[0], "search": "ada", **query}, token=builders.admin_token()).json
        found += [entry["id"] for entry in page["orders"]]
        query["cursor"] = page["next_cursor"]
    assert sorted(found) == sorted([*more, orders["ada"], orders["bob"]]), "each once"
    assert builders.refund(api, orders["ada"]).status == 201
    assert find(api, shop[0], "lovelace", status="refunded") == [orders["ada"]]
    assert find(api, shop[0], "lovelace", status="paid") == []
    assert find(api, shop[0], "lovelace", status="failed") == []


@pytest.mark.parametrize("cursor", ["W10", "WzFd", "WyJ4Il0", "WyJhIl0", "?"])
def test_a_cursor_of_nothing_is_refused_by_its_name(api, shop, cursor):
    reply = api.get("/orders", query={"event_id": shop[0], "search": "ada", "cursor": cursor}, token=builders.admin_token())
    assert (reply.status, reply.json["path"]) == (400, "cursor")


def test_a_new_name_replaces_the_old_one_and_a_transfer_takes_it_away(api, shop, orders, poller):
    first = f"{orders['ada']}-1"
    assert api.patch(f"/tickets/{first}", json={"attendee": {"name": "Grace Hopper"}}, user="ada").status == 200
    poller.drain()
    assert find(api, shop[0], "hopper") == [orders["ada"]]
    assert find(api, shop[0], "lovelace") == []
    accept = api.post(f"/tickets/{first}/transfer", user="ada").json["token"]
    assert api.post(f"/transfers/{accept}/accept", user="zoe").status == 201
    poller.drain()
    assert find(api, shop[0], "hopper") == []
    assert find(api, shop[0], "nunez") == [orders["ada"]]


def test_a_buyer_is_found_by_the_account_until_erased(api, shop, poller, time, mailbox):  # noqa: F811
    tokens = sign_up(api, email="kay@example.com", first_name="Kay", last_name="McNulty")
    bought = order(api, shop, "kay", ["Jean Bartik"], "other@example.com", token=tokens["access_token"])
    poller.drain()
    for text in ("kay mcn", "KAY@example.com", "bartik", "other@example.com"):
        assert find(api, shop[0], text) == [bought], text
    assert api.delete("/auth/me", json={"password": PASSWORD}, token=tokens["access_token"]).status == 200
    poller.drain()
    for text in ("kay", "mcnulty", "kay@example.com", "bartik", "other@example.com"):
        assert find(api, shop[0], text) == [], text
    assert indexed_people() == set()
    assert find(api, shop[0], bought) == [bought]


def test_the_account_is_indexed_no_more_although_it_is_deleted_last(api, shop, poller, time, mailbox, monkeypatch):  # noqa: F811
    tokens = sign_up(api, email="kay@example.com", first_name="Kay", last_name="McNulty")
    order(api, shop, "kay", token=tokens["access_token"])
    delete_account = accounts.delete_account

    def pass_changes_on_before(account, now):
        poller.drain()
        delete_account(account, now)

    monkeypatch.setattr(accounts, "delete_account", pass_changes_on_before)
    assert api.delete("/auth/me", json={"password": PASSWORD}, token=tokens["access_token"]).status == 200
    assert find(api, shop[0], "mcnulty") == find(api, shop[0], "kay@example.com") == []
    assert indexed_people() == set()


def test_a_change_that_comes_late_brings_nobody_back(api, shop, orders, poller):
    """The buyer is erased while a run has read the names and has not written yet."""
    purchase = queries.get_order(orders["ada"])
    real = order_search._terms

    def erased_meanwhile(found):
        terms = real(found)
        if not queries.get_order(purchase.id).is_erased:
            assert api.delete("/auth/me", json={}, user="ada").status == 200
            projection.index_orders(store.FIRST_WIDE, [(shop[0], purchase.id)])
        return terms

    before = store.load_index(store.FIRST_WIDE, shop[0], [purchase.id])[purchase.id]
    store.change_indexes(store.FIRST_WIDE, [(shop[0], purchase.id, before, {"name#old": ["old"]})])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order_search, "_terms", erased_meanwhile)
        projection.index_orders(store.FIRST_WIDE, [(shop[0], purchase.id)])
    assert not [key for key, _ in indexed_people() if key.endswith(purchase.id)]


def test_many_runs_at_once_leave_the_index_as_one_does(api, shop, orders):
    wanted = indexed()
    pairs = [(shop[0], order_id) for order_id in orders.values()]
    before = store.load_index(store.FIRST_WIDE, shop[0], orders.values())
    old: store.Terms = {f"name#old{number}": ["old"] for number in range(200)}
    store.change_indexes(store.FIRST_WIDE, [(*order, before[order[1]], old) for order in pairs])

    def index():
        for _ in range(20):  # the stream passes on again what failed
            with suppress(dynamo.StoreUnavailable):
                projection.index_orders(store.FIRST_WIDE, pairs)
                return

    threads = [threading.Thread(target=index) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert indexed() == wanted


def test_a_rebuild_makes_the_same_index(api, shop, orders):
    before = indexed()
    report = projection.rebuild(lambda seconds: None)
    assert before == indexed(report.generation)
    assert find(api, shop[0], "lovelace") == [orders["ada"]]


def test_an_order_of_very_many_names_is_indexed_by_the_first_ones(api, shop, orders):
    [ticket, *_] = queries.load_tickets(queries.get_order(orders["ada"]))
    names = [f"Guest {seat} Kunigunde{seat:03}{seat:03} Wohlgemuth{seat:03}" for seat in range(1, 151)]
    guests = [Guest(seat=seat, code=ticket.code, qr_sig=ticket.qr_sig, name=name) for seat, name in enumerate(names, 1)]
    terms = order_search.order_terms(orders["ada"], None, None, [replace(ticket, guests=guests, attendee=None)])
    assert len(terms["name#guest"]) == order_search.MAX_NAMES
    before = store.load_index(store.FIRST_WIDE, shop[0], [orders["ada"]])[orders["ada"]]
    store.change_indexes(store.FIRST_WIDE, [(shop[0], orders["ada"], before, terms)])
    assert find(api, shop[0], "guest 99") == find(api, shop[0], "guest 9") == find(api, shop[0], "wohlgemuth099 kuni") == [orders["ada"]]
    assert find(api, shop[0], "wohlgemuth099 kunigunde098") == [], "words of two names"


LONG_ADDRESS = "\U00020000" * 250 + "@" + "\U00020000" * 3  # 254 letters of four bytes


def give_long_address(order_id, before):
    """Replace the address of an order in the table. Earlier versions accepted such addresses."""
    row = CheckoutDetailsRow.find(order_id)
    assert row.details.customer_email == before
    row.details = replace(row.details, customer_email=LONG_ADDRESS)
    row.save()


def long_name(number):
    """A name of 499 letters: 125 different words."""
    return " ".join(f"{word:03}" for word in range(number * 125, number * 125 + 125))


def test_very_long_names_and_addresses_hold_up_nobody(api, shop, poller, time):
    long = order(api, shop, "mallory", [long_name(number) for number in range(4)], "mallory@example.com")
    give_long_address(long, "mallory@example.com")
    honest = order(api, shop, "ada", ["Ada Lovelace"], "ada@example.com")
    assert app.app.handler_map["project_reports"]({"Records": change_records()}, None) == {"batchItemFailures": []}
    for rebuild in (lambda: None, lambda: projection.rebuild(lambda _: None)):
        rebuild()
        assert kept_figures(store.load_generations().current) == recounted_figures()
        assert find(api, shop[0], "lovelace") == find(api, shop[0], "ada@example.com") == [honest]
        assert find(api, shop[0], LONG_ADDRESS) == find(api, shop[0], "000 009") == find(api, shop[0], "375") == [long]
        assert find(api, shop[0], LONG_ADDRESS[1:]) == find(api, shop[0], "000 010") == [], "another address; the eleventh word"
    assert api.get(f"/events/{shop[0]}/attendees", query={"search": LONG_ADDRESS}, token=builders.admin_token()).status == 200


def test_names_are_indexed_until_they_take_too_much_space(api, shop, orders):
    [ticket, *_] = queries.load_tickets(queries.get_order(orders["ada"]))
    names = [" ".join(f"{chr(0x20000 + seat)}{word}".ljust(50, chr(0x20000)) for word in range(10)) for seat in range(100)]
    guests = [Guest(seat=seat, code=ticket.code, qr_sig=ticket.qr_sig, name=name) for seat, name in enumerate(names, 1)]
    terms = order_search.order_terms(orders["ada"], None, None, [replace(ticket, guests=guests)])
    assert order_search.MAX_NAME_BYTES / 2 < len(str(terms).encode()) < 2 * order_search.MAX_NAME_BYTES


def test_an_order_that_cannot_be_indexed_is_left_out_and_counted(api, shop, poller, time, monkeypatch):
    long = order(api, shop, "mallory", ["Mallory Long"], "mallory@example.com")
    give_long_address(long, "mallory@example.com")
    honest = order(api, shop, "ada", ["Ada Lovelace"], "ada@example.com")
    monkeypatch.setattr(order_search, "MAX_ADDRESS_BYTES", 2000)
    assert app.app.handler_map["project_reports"]({"Records": change_records()}, None) == {"batchItemFailures": []}
    assert find(api, shop[0], "lovelace") == [honest]
    assert find(api, shop[0], "long") == []
    assert find(api, shop[0], "mallory") == [long], "by the id of the buyer"
    counted = log.total("orders_not_indexed")
    assert counted
    assert projection.rebuild(lambda _: None).not_indexed == 1
    assert log.total("orders_not_indexed") == counted + 1
    monkeypatch.undo()
    assert projection.rebuild(lambda _: None).not_indexed == 0
    assert find(api, shop[0], "long") == [long]


def test_the_index_waits_while_the_store_is_unavailable(api, shop, poller, time):
    order(api, shop, "ada", ["Ada Lovelace"])
    records = change_records()
    with faults.fail_from(1, faults.throttled, operation="TransactWriteItems"), pytest.raises(Exception, match="Throttl"):
        app.app.handler_map["project_reports"]({"Records": records}, None)


def test_the_index_of_an_earlier_version_is_searched_and_replaced(api, shop, orders, poller, monkeypatch):
    """Earlier versions wrote all names of an order into the row of each word."""
    monkeypatch.setattr(store, "PAGE_ROWS", 2 * store.LANES["terms"])
    for order_id in orders.values():
        before = store.load_index(store.FIRST_WIDE, shop[0], [order_id])[order_id]
        names = list(dict.fromkeys(name for names in before.values() for name in names))
        old = {term: names if term.startswith("name#") else [] for term in before}
        store.change_indexes(store.FIRST_WIDE, [(shop[0], order_id, before, old)])
    found, query = [], {"limit": 1}
    while query.get("cursor", "") is not None:
        page = api.get("/orders", query={"event_id": shop[0], "search": "ada", **query}, token=builders.admin_token()).json
        found += [entry["id"] for entry in page["orders"]]
        query["cursor"] = page["next_cursor"]
    assert sorted(found) == sorted([orders["ada"], orders["bob"]]), "each once"
    assert find(api, shop[0], "lovelace") == [orders["ada"]]
    assert find(api, shop[0], "lovelace nunez") == []
    assert api.patch(f"/tickets/{orders['ada']}-1", json={"attendee": {"name": "Grace Hopper"}}, user="ada").status == 200
    poller.drain()
    assert find(api, shop[0], "hopper grace") == [orders["ada"]]
    assert find(api, shop[0], "lovelace") == []
    projection.index_orders(store.FIRST_WIDE, [(shop[0], order_id) for order_id in orders.values()])
    replaced = indexed()
    assert indexed(projection.rebuild(lambda _: None).generation) == replaced
