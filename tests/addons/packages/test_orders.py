"""Buying a package in one call."""

import threading
from collections import Counter

import pytest

from chalicelib.foundation import settings
from tests import builders, invariants
from tests.addons.packages.requests import call, create_event, create_option, create_package
from tests.simulation.call_log import record_calls


@pytest.fixture
def table(api, time) -> tuple[str, str]:
    event = create_event(api)
    return event, create_package(api, event)["id"]


def buy(api, table, user="ada", key="key", **fields):
    body = {"package_id": table[1], "quantity": 1} | fields
    return api.post(f"/events/{table[0]}/tickets/purchase", json=body, user=user, headers={"Idempotency-Key": key})


def order_of(api, bought, user="ada"):
    return api.get(f"/orders/{bought.json['order_id']}", user=user).json


def seats_of(api, bought, cursor=None):
    return api.get(f"/orders/{bought.json['order_id']}/seats{f'?cursor={cursor}' if cursor else ''}", user="ada").json


def test_a_simulated_payment_pays_at_once(api, time, table):
    bought = buy(api, table, quantity=2, simulate="success")
    assert bought.status == 201, bought.json
    shown = bought.json
    seats = shown.pop("assigned_tickets")
    assert shown == {
        "id": shown["order_id"],
        "order_id": shown["order_id"],
        "package_id": table[1],
        "quantity": 2,
        "base_price": 2400.0,
        "discount_amount": 0.0,
        "total_price": 2400.0,
        "included_fee_cents": 0,
        "currency": "USD",
        "payment_status": "paid",
        "payment": {"provider": "simulated", "status": "captured"},
        "expires_at": None,
        "next_cursor": None,
    }
    order = order_of(api, bought)
    assert order["order"]["status"] == "paid"
    assert [(seat["id"], seat["code"]) for seat in seats] == [
        (f"{ticket['id']}.{number}", ticket["code"]) for ticket in order["tickets"] for number in range(1, 9)
    ]
    assert [{name: value for name, value in seat.items() if name != "code"} for seat in seats] == seats_of(api, bought)["seats"]
    assert api.get(f"/tickets/{seats[0]['ticket_id']}", user="ada").json["admits"] == 8
    assert call(api, "GET", *table).json["sold_count"] == 2
    invariants.check(time.now)


def test_a_package_that_costs_nothing_is_paid_at_once(api, time, table):
    free = create_package(api, table[0], name="Free", price=0)["id"]
    bought = buy(api, (table[0], free)).json
    assert (bought["payment_status"], bought["total_price"], bought["payment"]["provider"]) == ("paid", 0.0, "free")
    assert len(bought["assigned_tickets"]) == 8


def test_a_hundred_seats_are_listed_with_a_link_to_the_others(api, time, table):
    hall = create_package(api, table[0], name="Hall", price=0, seats_per_package=80)["id"]
    bought = buy(api, (table[0], hall), quantity=2)
    first, rest = bought.json["assigned_tickets"], seats_of(api, bought, bought.json["next_cursor"])
    assert (len(first), len(rest["seats"]), rest["next_cursor"]) == (100, 60, None)
    assert len({seat["id"] for seat in [*first, *rest["seats"]]}) == 160


def test_any_other_payment_is_pending_and_the_package_is_held(api, time, table):
    pending = buy(api, table)
    expected = {"payment_status": "pending", "payment": {"provider": "simulated", "status": "open"}, "assigned_tickets": []}
    assert pending.json.items() >= expected.items()
    assert pending.json["expires_at"] is not None
    assert call(api, "GET", *table).json["reserved_count"] == 1
    assert len(builders.confirm(api, "ada", pending.json["id"]).json["tickets"]) == 1
    again = buy(api, table)
    assert (again.status, again.json["payment_status"]) == (200, "pending"), "the reply is that of the first request"
    invariants.check(time.now)


def test_a_declined_payment_gives_the_package_back(api, time, table):
    failed = buy(api, table, simulate="fail")
    assert (failed.json["payment_status"], failed.json["assigned_tickets"]) == ("failed", [])
    shown = call(api, "GET", *table).json
    assert (shown["reserved_count"], shown["available"]) == (0, 10)
    assert buy(api, table, key="other", simulate="success").json["payment_status"] == "paid"
    invariants.check(time.now)


def test_an_external_payment_is_pending_and_cannot_be_simulated(shop):
    event = create_event(shop.api)
    table = event, create_package(shop.api, event)["id"]
    with record_calls() as log:
        refused = buy(shop.api, table, simulate="success")
    assert (refused.status, refused.json["error"], refused.json["path"]) == (400, "simulation_refused", "$.simulate")
    assert not any(table.endswith(("-inventory", "-purchases")) for entry in log.entries for table in entry.tables)
    pending = buy(shop.api, table).json
    assert (pending["payment_status"], pending["payment"]["provider"]) == ("pending", "stripe")
    assert pending["payment"]["client_secret"]


def test_answers_are_checked_before_anything_is_held_and_kept(api, time, table):
    dinner = create_option(api, *table)["id"]
    with record_calls() as log:
        missing = buy(api, table, simulate="success")
    assert (missing.status, missing.json["error"], missing.json["path"]) == (400, "answers_required", "$.option_responses")
    assert [named["label"] for named in missing.json["missing"]] == ["Dinner"]
    assert not any(name.endswith(("-inventory", "-purchases")) for entry in log.entries for name in entry.tables)
    wrong = [{"option_id": dinner, "response_value": ["Steak"]}]
    refused = buy(api, table, option_responses=wrong)
    assert (refused.status, refused.json["path"]) == (400, "$.option_responses[0].response_value")
    assert [(named["label"], named["path"]) for named in refused.json["wrong"]] == [("Dinner", "$.option_responses[0].response_value")]
    unknown = [{"option_id": dinner, "response_value": "Fish"}, {"option_id": "diet", "response_value": "none"}]
    assert buy(api, table, option_responses=unknown).json["path"] == "$.option_responses[1].response_value"
    twice = [{"option_id": dinner, "response_value": "Fish"}] * 2
    assert buy(api, table, option_responses=twice).json["path"] == "$.option_responses[1].response_value"
    bought = buy(api, table, option_responses=twice[:1], simulate="success")
    assert [(answer["label"], answer["value"]) for answer in order_of(api, bought)["order"]["answers"]] == [("Dinner", ["Fish"])]


def test_choices_in_another_language_are_shown_accepted_and_kept_in_the_main_one(api, time, table):
    dinner = create_option(api, *table, other_choices={"es": ["Pescado", "Vegano"], "de": ["Fisch", "Vegan"]})["id"]
    shown = {language: api.get(f"/tiers/{table[1]}?language={language}").json["options"][0]["choices"] for language in ("en", "es", "de")}
    assert shown == {"en": ["Fish", "Vegan"], "es": ["Pescado", "Vegano"], "de": ["Fisch", "Vegan"]}
    for user, sent in (("ada", ["Vegano", "Fisch"]), ("bob", ["Fish", "Pescado", "Vegan"])):
        bought = buy(api, table, user, option_responses=[{"option_id": dinner, "response_value": sent}], simulate="success")
        assert [answer["value"] for answer in order_of(api, bought, user)["order"]["answers"]] == [["Fish", "Vegan"]]
    refused = buy(api, table, "eve", option_responses=[{"option_id": dinner, "response_value": ["Carne"]}])
    assert (refused.status, refused.json["path"]) == (400, "$.option_responses[0].response_value")


def test_an_answer_is_for_one_ticket_or_for_all(api, time, table):
    dish = create_option(api, *table, per="ticket")["id"]
    each = [{"option_id": dish, "response_value": "Fish", "ticket": 1}, {"option_id": dish, "response_value": "Vegan", "ticket": 2}]
    bought = buy(api, table, quantity=2, option_responses=each, simulate="success")
    assert [(answer["ticket"], answer["value"]) for answer in order_of(api, bought)["order"]["answers"]] == [(1, ["Fish"]), (2, ["Vegan"])]
    bought = buy(api, table, "bob", quantity=2, option_responses=[{"option_id": dish, "response_value": "Fish"}], simulate="success")
    answers = order_of(api, bought, "bob")["order"]["answers"]
    assert [(answer["ticket"], answer["value"]) for answer in answers] == [(1, ["Fish"]), (2, ["Fish"])]
    beyond = buy(api, table, "eve", option_responses=[{"option_id": dish, "response_value": "Fish", "ticket": 2}])
    assert (beyond.status, beyond.json["path"]) == (400, "$.option_responses[0].ticket")


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"quantity": 0}, "$.quantity"),
        ({"quantity": 51}, "$.quantity"),
        ({"package_id": ""}, "$.package_id"),
        ({"simulate": "maybe"}, "$.simulate"),
        ({"option_responses": {}}, "$.option_responses"),
        ({"discount": 5}, "$.discount"),
    ],
)
def test_an_invalid_purchase_is_refused_and_names_the_field(api, time, table, fields, at):
    refused = buy(api, table, **fields)
    assert (refused.status, refused.json["path"]) == (400, at)


def test_mistakes_in_the_answers_do_not_count_for_the_buyers_limit(api, time, table):
    option = create_option(api, *table)["id"]
    with settings.override(rate_limits="on"):
        for _ in range(8):
            assert buy(api, table, key="").json["error"] == "answers_required"
        answered = {"option_responses": [{"option_id": option, "response_value": "Vegan"}]}
        assert buy(api, table, key="", simulate="success", **answered).status == 201


def test_guessed_promo_codes_count_for_the_buyers_limit(api, time, table):
    with settings.override(rate_limits="on"):
        statuses = [buy(api, table, key="", promo_code=f"GUESS{number}").status for number in range(8)]
    assert statuses == [400] * 5 + [429] * 3


def test_the_tickets_go_to_the_address_of_the_request(api, time, table):
    bought = buy(api, table, simulate="success", customer_email="gala@example.com")
    assert order_of(api, bought)["order"]["customer_email"] == "gala@example.com"


@pytest.mark.parametrize(("limit", "packages"), [(1, "1 package"), (2, "2 packages")])
def test_refusals_speak_of_packages(api, time, table, limit, packages):
    call(api, "PATCH", *table, json={"limit_per_order": limit})
    refused = buy(api, table, quantity=3).json
    assert (refused["message"], refused["path"]) == (f"You can buy at most {packages} of this kind at once.", "$.quantity")
    assert refused["package_id"] == table[1]


def test_without_a_key_an_identical_request_within_a_minute_returns_the_same_order(api, time, table):
    first, again = buy(api, table, key="", simulate="success"), buy(api, table, key="", simulate="success")
    assert (first.status, again.status, again.json["order_id"]) == (201, 200, first.json["order_id"])
    others = [
        buy(api, table, "bob", key="", simulate="success"),
        buy(api, table, key="", simulate="success", quantity=2),
        buy(api, table, key="given", simulate="success"),
    ]
    assert {other.status for other in others} == {201}
    assert len({bought.json["order_id"] for bought in (first, *others)}) == 4
    time.advance(59)
    assert buy(api, table, key="", simulate="success").json["order_id"] == first.json["order_id"]
    time.advance(1)
    later = buy(api, table, key="", simulate="success")
    assert (later.status, later.json["order_id"] != first.json["order_id"]) == (201, True)
    invariants.check(time.now)


@pytest.mark.parametrize("end", ["cancel", "refund"])
def test_without_a_key_an_order_that_has_ended_is_not_returned_again(api, time, table, end):
    given = {"simulate": "success"} if end == "refund" else {}
    ended = buy(api, table, key="", **given).json["order_id"]
    reply = builders.refund(api, ended) if end == "refund" else api.post(f"/orders/{ended}/cancel", user="ada")
    assert reply.status in (200, 201)
    again, same = buy(api, table, key="", **given), buy(api, table, key="", **given)
    assert (again.status, again.json["order_id"] == ended) == (201, False)
    assert same.json["order_id"] == again.json["order_id"]
    invariants.check(time.now)


def test_it_needs_a_package_of_the_event(api, time, table):
    other = create_event(api)
    assert buy(api, (other, table[1])).status == 404
    call(api, "POST", *table, "disable")
    assert buy(api, table).json["error"] == "tier_not_on_sale"


def test_many_simultaneous_buyers_get_exactly_the_packages_left(threaded_store, api, time):
    event = create_event(api)
    table = event, create_package(api, event, quantity_limit=5)["id"]
    barrier, statuses = threading.Barrier(12), []

    def try_to_buy(number):
        barrier.wait()
        statuses.append(buy(api, table, f"user-{number}", simulate="success").status)

    threads = [threading.Thread(target=try_to_buy, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(statuses) == {201: 5, 409: 7}
    assert call(api, "GET", *table).json["sold_count"] == 5
    invariants.check(time.now)


def test_a_repeated_purchase_buys_nothing_more(api, time, table):
    first, again = (buy(api, table, simulate="success") for _ in range(2))
    assert (first.status, again.status) == (201, 200)
    assert first.json["assigned_tickets"] == again.json["assigned_tickets"]
    assert "idempotent" in again.json["message"]
    assert call(api, "GET", *table).json["sold_count"] == 1


def test_a_promo_code_takes_its_discount_off(api, time, table):
    path = f"/admin/events/{table[0]}/promo-codes"
    for code, percent in (("TENOFF", 10), ("ALLOFF", 100)):
        fields = {"code": code, "discount_type": "percentage", "discount_value": percent}
        assert api.post(path, json=fields, token=builders.admin_token()).status == 201
    bought = buy(api, table, quantity=2, promo_code="tenoff", simulate="success").json
    assert (bought["base_price"], bought["discount_amount"], bought["total_price"]) == (2400.0, 240.0, 2160.0)
    free = buy(api, table, "bob", promo_code="ALLOFF").json
    assert (free["payment_status"], free["total_price"], free["payment"]["provider"]) == ("paid", 0.0, "free")
    refused = buy(api, table, "eve", promo_code="NOTHING")
    assert refused.status in (400, 409)
    assert call(api, "GET", *table).json["reserved_count"] == 0
    invariants.check(time.now)
