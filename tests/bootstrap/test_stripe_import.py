"""`fairgate import-stripe`: from the products of an account to a file that can be applied."""

import json

import pytest

from bootstrap.files import load_files
from chalicelib.bootstrap_file.validation import validate_files
from chalicelib.foundation import settings
from devtools.stripe.fake import FakeStripe

DETAILS = {"event": "Summer Fest", "date": "2026-09-01T20:00:00", "venue": "Old Harbour", "timezone": "Europe/Madrid", "capacity": "200"}


@pytest.fixture
def fake():
    with FakeStripe(port=0) as fake, settings.override(stripe_api_key=fake.api_key, stripe_api_base=fake.url):
        yield fake


def test_products_and_prices_become_events_and_ticket_types(run, fake, tmp_path):
    fake.add_price("price_1Floor", unit_amount=4500, currency="EUR", name="Floor", product={"metadata": DETAILS | {"stand": "left"}})
    fake.add_price(
        "price_2", unit_amount=9000, currency="EUR", name="VIP", nickname="VIP lounge", lookup_key="vip",
        product={"metadata": DETAILS | {"capacity": "20"}, "description": "With a view", "images": ["https://shop.test/vip.png"]},
    )  # fmt: skip
    file = tmp_path / "imported.json"
    result = run("import-stripe", "-o", file)
    assert (result.code, result.err) == (0, "")
    document = validate_files(load_files([file])).document
    [event] = document.events.values()
    assert (event.id, event.name, event.venue, event.date) == ("summer-fest", "Summer Fest", "Old Harbour", "2026-09-01T20:00:00")
    floor, vip = document.ticket_types["price_1Floor"], document.ticket_types["vip"]
    assert (floor.name, floor.price_cents, floor.currency, floor.max_quantity) == ("Floor", 4500, "EUR", 200)
    assert (vip.name, vip.max_quantity, vip.stripe_price_id) == ("VIP lounge", 20, {"test": "price_2"})
    assert json.loads(file.read_text())["events"]["summer-fest"]["metadata"] == {"stand": "left", "timezone": "Europe/Madrid"}


def test_a_price_in_kronur_loses_stripes_two_zeros(run, fake):
    fake.add_price("price_1", unit_amount=990_000, currency="isk", name="Gólf", product={"metadata": DETAILS})
    assert run("import-stripe").json["ticket_types"]["price_1"]["price_cents"] == 9900


def test_no_price_is_lost_if_names_make_the_same_id(run, fake):
    names = ("\u97f3\u697d\u796d", "\u6620\u753b\u796d", "Gala", "Gala!")  # two festivals in Japanese
    for number, name in enumerate(names):
        fake.add_price(f"price_{number}", unit_amount=500, currency="usd", name=name, lookup_key="vip " + "!" * number)
    document = run("import-stripe", "--date", "2027-01-01", "--venue", "Hall", "--capacity", "5").json
    assert sorted(event["name"] for event in document["events"].values()) == sorted(names)
    assert list(document["ticket_types"]) == ["vip", "price_1", "price_2", "price_3"]
    assert {document["events"][ticket["event_id"]]["name"] for ticket in document["ticket_types"].values()} == {*names}


def test_fields_unknown_to_stripe_are_listed_or_given(run, fake):
    fake.add_price("price_1", unit_amount=4500, currency="usd", name="Floor")
    result = run("import-stripe")
    assert result.code == 1
    assert json.loads(result.out)["ticket_types"]["price_1"]["name"] == "Floor"
    assert "$.events.floor.date: this required key is missing" in result.err
    assert "$.events.floor.venue: this required key is missing" in result.err
    assert "Fill them in" in result.err
    assert "$.ticket_types.price_1.max_quantity" in run("import-stripe", "--date", "2027-01-01", "--venue", "Hall").err
    given = run("import-stripe", "--date", "2027-01-01", "--venue", "Hall", "--capacity", "50")
    assert given.code == 0
    assert given.json["ticket_types"]["price_1"]["max_quantity"] == 50


def test_prices_that_cannot_be_tickets_are_left_out(run, fake):
    fake.add_price("price_1", unit_amount=500, currency="usd", name="Club", type="recurring", recurring={"interval": "month"})
    fake.add_price("price_2", unit_amount=None, currency="usd", name="Gift", billing_scheme="tiered")
    fake.add_price("price_3", unit_amount=500, currency="usd", name="Old", product={"active": False})
    fake.add_price("price_4", unit_amount=500, currency="usd", name="Gone", active=False)
    result = run("import-stripe")
    assert result.json["ticket_types"] == {}
    assert result.err.splitlines()[:3] == [
        "left out: price_1 (Club): it is a subscription",
        "left out: price_2 (Gift): it has no fixed amount in whole cents",
        "left out: price_3 (Old): its product is archived",
    ]


def test_all_pages_are_read(run, fake):
    for number in range(105):
        fake.add_price(f"price_{number}", unit_amount=500, currency="usd", name=f"Seat {number}", product={"metadata": DETAILS})
    assert len(run("import-stripe").json["ticket_types"]) == 105


def test_a_stripe_that_does_not_answer_is_one_clear_line(run):
    with settings.override(stripe_api_key="sk_test_any", stripe_api_base="http://127.0.0.1:9"):
        result = run("import-stripe")
    assert result.code == 1
    assert result.err == "Stripe does not respond at http://127.0.0.1:9. Check the network and try again.\n"


@pytest.mark.parametrize(("key", "code", "message"), [("", 2, "FAIRGATE_STRIPE_API_KEY"), ("sk_test_unknown", 1, "Check the key")])
def test_without_a_key_that_works_nothing_is_written(run, fake, tmp_path, key, code, message):
    with settings.override(stripe_api_key=key):
        result = run("import-stripe", "-o", tmp_path / "imported.json")
    assert result.code == code
    assert message in result.err
    assert list(tmp_path.iterdir()) == []
