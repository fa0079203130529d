"""The receipt and the tickets of an order, and the statement of an event, as PDF: what they say, and who may have them."""

import pytest

from chalicelib.accounts import profiles
from chalicelib.accounts.profiles import PromoterChange
from chalicelib.foundation import clock, settings
from chalicelib.tickets import qr
from tests import builders, invariants, pdfs
from tests.addons.documents.test_fonts import SCRIPTS

STARTS_AT = 1_790_000_000  # 2026-09-21T13:33:20Z
HOSTILE_NAMES = [
    "王小明",
    "שלום",
    "محمد",
    "🎉🎊",
    "\u202eevil\u202c",
    "a\x00b\x07",
    "x" * 500,
    "<b>&amp;</b>",
    "%s {0} {name}",
    "Ἀριστοτέλης",
    "Łukasz Ñandú",
]


@pytest.fixture(autouse=True)
def check_invariants(api, time):
    yield
    invariants.check(time.now)


@pytest.fixture
def shop(api, time):
    event_id = builders.create_event(api, "Noche de gala", venue="Town hall", starts_at=clock.iso(STARTS_AT))
    place = {"address": "Calle Ñ, Málaga", "timezone": "Europe/Madrid"}
    changed = api.patch(f"/events/{event_id}", json=place, token=builders.admin_token())
    assert changed.status == 200, changed.json
    return event_id, builders.create_tier(api, event_id, "Floor", currency="EUR")


def receipt(api, order_id, **caller):
    return api.get(f"/orders/{order_id}/receipt.pdf", **caller)


def ticket_pages(api, order_id, **caller):
    return api.get(f"/orders/{order_id}/tickets.pdf", **caller)


def text_of(reply):
    assert (reply.status, reply.headers["content-type"]) == (200, "application/pdf"), reply.json
    return " ".join(page.text for page in pdfs.read(reply.body))


def test_the_receipt_has_the_lines_as_they_were_sold(api, time, shop):
    event_id, tier_id = shop
    builders.create_promo_code(api, event_id, "EARLY")
    reply = builders.buy(api, "ada", event_id, tier_id, 3, promo_code="EARLY", customer_email="ada@example.com")
    order_id = reply.json["order"]["id"]
    changed = api.patch(f"/tiers/{tier_id}", json={"price_cents": 9900, "name": "Ground"}, token=builders.admin_token())
    assert changed.status == 200, changed.json
    text = text_of(receipt(api, order_id, user="ada"))
    for part in (
        f"Number {reply.json['order']['number']}",
        "Date Monday, 1 June 2026, 2:00 PM CEST",
        "Seller Fairgate 127.0.0.1",
        "Buyer ada@example.com",
        "Noche de gala Monday, 21 September 2026, 4:13 PM CEST Town hall, Calle Ñ, Málaga",
        "3 × Floor 50.00 EUR 150.00 EUR",
        "Promo code EARLY -15.00 EUR",
        "Total 135.00 EUR",
        "This was a demo payment: no money moved.",
    ):
        assert part in text, part
    assert "Refund" not in text
    assert "Ground" not in text


def test_the_receipt_counts_refunds(api, time, shop):
    order_id = builders.create_order(api, shop, 3)
    first, _, _ = builders.ticket_ids(order_id, 1, 2, 3)
    assert builders.refund(api, order_id, tickets=[first]).status == 201
    text = text_of(receipt(api, order_id, user="ada"))
    assert "Refund on Monday, 1 June 2026: completed -50.00 EUR Balance 100.00 EUR" in text
    assert builders.refund(api, order_id, key="rest").status == 201
    assert "Balance 0.00 EUR" in text_of(receipt(api, order_id, user="ada"))


def test_documents_have_the_names_of_the_readers_language(api, time, shop):
    for path, names in ((f"/events/{shop[0]}", {"de": "Galaabend"}), (f"/tiers/{shop[1]}", {"de": "Parkett"})):
        assert api.patch(path, json={"names": names}, token=builders.admin_token()).status == 200
    order_id = builders.create_order(api, shop, 1)
    for document in (receipt, ticket_pages):
        german, spanish = (text_of(document(api, order_id, user="ada", query={"language": language})) for language in ("de", "es"))
        assert ("Galaabend" in german, "Parkett" in german, "Floor" in german) == (True, True, False)
        assert ("Noche de gala" in spanish, "Floor" in spanish, "Parkett" in spanish) == (True, True, False)


def test_a_kept_fee_appears_in_the_receipt(api, time, shop):
    order_id = builders.create_order(api, shop, 1)
    with settings.override(refund_fee_percent=10):
        assert builders.refund(api, order_id, reason="requested_by_customer").status == 201
    text = text_of(receipt(api, order_id, user="ada"))
    assert "a fee of 5.00 EUR was deducted -45.00 EUR Balance 5.00 EUR" in text


def test_documents_show_the_taxes_that_are_left(api, time, shop):
    tax = {"tax": {"percent": "8.875"}}
    assert api.patch(f"/tiers/{shop[1]}", json=tax, token=builders.admin_token()).status == 200
    order_id = builders.create_order(api, shop, 3)
    assert "Total 150.00 EUR Includes 8.875% tax 12.23 EUR" in text_of(receipt(api, order_id, user="ada"))
    builders.refund(api, order_id, tickets=builders.ticket_ids(order_id, 1))
    assert "Balance 100.00 EUR Includes 8.875% tax 8.15 EUR" in text_of(receipt(api, order_id, user="ada"))
    text = text_of(statement(api, shop[0], token=builders.admin_token()))
    assert "Remaining 100.00 EUR Includes 8.875% tax, on sales of 100.00 EUR 8.15 EUR" in text
    in_spanish = text_of(receipt(api, order_id, user="ada", query={"language": "es"}))
    assert "Incluye impuestos (8,875 %) 8,15 EUR" in in_spanish


def test_a_receipt_says_why_there_is_no_tax(api, time, shop):
    tax = {"tax": {"percent": "0", "exempt_because": "Exempt, section 4"}}
    assert api.patch(f"/tiers/{shop[1]}", json=tax, token=builders.admin_token()).status == 200
    assert "No tax: Exempt, section 4 0.00 EUR" in text_of(receipt(api, builders.create_order(api, shop), user="ada"))


def test_the_seller_is_the_promoter_once_verified(api, time):
    builders.create_promoted_shop("nora")
    order_id = builders.create_order(api, ("fest", "fest-pass"), 1)
    change = PromoterChange("Nora", "Nora's Nights", "", "https://nora.example", "hi@nora.example", "", False)
    profiles.save_promoter("nora", change, "root", clock.now(), by_admin=True)
    assert "Seller Fairgate" in text_of(receipt(api, order_id, user="ada"))
    api.put("/promoters/nora", json={"name": "Nora", "company": "Nora's Nights", "verified": True}, token=builders.admin_token())
    assert "Seller Nora's Nights" in text_of(receipt(api, order_id, user="ada"))


@pytest.mark.parametrize(
    ("caller", "status"),
    [("eve", 404), ("nora", 200), ("root", 200), ("olaf", 404)],
)
def test_managers_may_have_the_receipt_but_not_the_tickets(api, time, caller, status):
    builders.create_promoted_shop("nora")
    order_id = builders.create_order(api, ("fest", "fest-pass"), 1)
    token = {
        "eve": builders.token("eve"),
        "nora": builders.token("nora", "promoter"),
        "root": builders.admin_token(),
        "olaf": builders.token("olaf", "promoter"),
    }[caller]
    assert receipt(api, order_id, token=token).status == status
    assert ticket_pages(api, order_id, token=token).status == 404


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"doors_minutes": 60}, "Doors 3:13 PM CEST Town hall"),
        ({"ends_at": clock.iso(STARTS_AT + 7200)}, "Ends 6:13 PM CEST Town hall"),
        (
            {"doors_minutes": 30, "ends_at": clock.iso(STARTS_AT + 86_400)},
            "Doors 3:43 PM CEST · Ends Tuesday, 22 September 2026, 4:13 PM CEST Town hall",
        ),
    ],
)
def test_a_ticket_says_when_the_doors_open_and_when_the_event_ends(api, time, shop, fields, line):
    assert api.patch(f"/events/{shop[0]}", json=fields, token=builders.admin_token()).status == 200
    assert line in text_of(ticket_pages(api, builders.create_order(api, shop), user="ada"))


def test_each_ticket_has_a_page_with_its_code(api, time, shop):
    order_id = builders.create_order(api, shop, 2)
    tickets = api.get("/tickets", user="ada").json["tickets"]
    pages = pdfs.read(ticket_pages(api, order_id, user="ada").body)
    assert [page.codes for page in pages] == [[f"{qr.PREFIX}:{ticket['id']}:{ticket['code']}:{ticket['qr_sig']}"] for ticket in tickets]
    for number, (page, ticket) in enumerate(zip(pages, tickets, strict=True), start=1):
        assert page.text.startswith("Fairgate Noche de gala Monday, 21 September 2026, 4:13 PM CEST Town hall, Calle Ñ, Málaga Floor")
        assert f"Ticket {number} of 2 Code {ticket['code']}" in page.text
        assert f"Order {tickets[0]['order_number']}" in page.text


def test_each_ticket_begins_with_a_band_in_the_color_of_the_shop(api, time, shop):
    red, white = (0xB3, 0x2B, 0x19), (0xFF, 0xFF, 0xFF)  # as in web/src/styles/tokens.css
    order_id = builders.create_order(api, shop, 2)
    with settings.override(mail_from="Noche <noche@example.com>"):
        content = ticket_pages(api, order_id, user="ada").body
    assert all(page.text.startswith("Noche Noche de gala") for page in pdfs.read(content))
    assert pdfs.row_colors(content, 3) == [{red}] * 2
    assert all({red, white} < colors for colors in pdfs.row_colors(content, 17)), "the shop's name is white on the band"
    assert pdfs.row_colors(content, 36) == [{white}] * 2
    assert pdfs.row_colors(receipt(api, order_id, user="ada").body, 3) == [{white}]


def test_a_ticket_for_many_lists_its_seats_and_guests_on_one_page(api, time, shop):
    event_id, _ = shop
    table_id = builders.create_tier(api, event_id, "Table", admits=100, currency="EUR")
    order_id = builders.create_order(api, (event_id, table_id), 1)
    for seat in (1, 100):
        assert api.put(f"/seats/{order_id}-1.{seat}/guest", json={"name": f"Guest {seat}"}, user="ada").status == 200
    [page] = pdfs.read(ticket_pages(api, order_id, user="ada").body)
    assert "Admits 100 people" in page.text
    assert all(f"Seat {seat}" in page.text for seat in range(1, 101))
    assert "Seat 1 Guest 1 " in page.text
    assert "Seat 100 Guest 100" in page.text
    assert len(page.codes) == 1


def test_a_ticket_that_was_given_away_is_in_the_file_of_its_new_owner(api, time, shop):
    order_id = builders.create_order(api, shop, 2)
    first, second = builders.ticket_ids(order_id, 1, 2)
    token = api.post(f"/tickets/{first}/transfer", user="ada").json["token"]
    assert api.post(f"/transfers/{token}/accept", user="bob").status == 201
    for user, ticket_id in (("ada", second), ("bob", first)):
        [page] = pdfs.read(ticket_pages(api, order_id, user=user).body)
        assert page.codes[0].startswith(f"{qr.PREFIX}:{ticket_id}:")
    assert receipt(api, order_id, user="bob").status == 404


def test_tickets_that_were_taken_back_have_no_page(api, time, shop):
    order_id = builders.create_order(api, shop, 2)
    first, second = builders.ticket_ids(order_id, 1, 2)
    builders.refund(api, order_id, tickets=[first])
    [page] = pdfs.read(ticket_pages(api, order_id, user="ada").body)
    assert page.codes[0].startswith(f"{qr.PREFIX}:{second}:")
    builders.refund(api, order_id, key="rest")
    reply = ticket_pages(api, order_id, user="ada")
    assert (reply.status, reply.json["error"]) == (409, "no_valid_tickets")


def test_an_order_that_is_not_paid_has_no_documents(api, time, shop):
    order_id = builders.reserve(api, "ada", *shop).json["id"]
    for document in (receipt, ticket_pages):
        reply = document(api, order_id, user="ada")
        assert (reply.status, reply.json["error"]) == (409, "order_not_paid")
        reply = document(api, "01KT1GW6G0CSGJG40SX0TZ8YQY", user="ada")
        assert (reply.status, reply.json["error"]) == (404, "order_not_found")


def test_documents_are_in_the_language_that_was_asked_for(api, time, shop):
    order_id = builders.create_order(api, shop, 1)
    spanish = api.get(f"/orders/{order_id}/receipt.pdf?language=es", user="ada", headers={"Accept-Language": "en"})
    text = text_of(spanish)
    assert "Recibo" in text
    assert "1 × Floor 50,00 EUR 50,00 EUR" in text
    assert "lunes, 21 de septiembre de 2026, 16:13 CEST" in text
    by_header = api.get(f"/orders/{order_id}/tickets.pdf", user="ada", headers={"Accept-Language": "xx, es-MX;q=0.8, en;q=0.5"})
    assert "Entrada 1 de 1" in text_of(by_header)
    reply = api.get(f"/orders/{order_id}/receipt.pdf?language=xx", user="ada")
    assert (reply.status, reply.json["path"]) == (400, "language")


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_no_name_breaks_a_document(api, time, name):
    event_id = builders.create_event(api, name[:200].strip("\x00"))
    tier_id = builders.create_tier(api, event_id, name[:100])
    order_id = builders.create_order(api, (event_id, tier_id), 1)
    is_refused = any(sign in name for sign in "\u202e\x00")
    assert api.patch(f"/tickets/{order_id}-1", json={"attendee": {"name": name}}, user="ada").status == (400 if is_refused else 200)
    assert "Receipt" in text_of(receipt(api, order_id, user="ada"))
    [page] = pdfs.read(ticket_pages(api, order_id, user="ada").body)
    assert len(page.codes) == 1
    if name in (*HOSTILE_NAMES[:4], *HOSTILE_NAMES[-4:]):
        assert name in page.text.replace("?", "")


@pytest.mark.parametrize("script", SCRIPTS)
def test_events_and_people_are_named_in_their_script(api, time, script):
    name = SCRIPTS[script]
    event_id = builders.create_event(api, name, venue=name, starts_at=clock.iso(STARTS_AT))
    tier_id = builders.create_tier(api, event_id, name)
    order_id = builders.buy(api, "ada", event_id, tier_id, attendees=[{"name": name}]).json["order"]["id"]
    assert text_of(ticket_pages(api, order_id, user="ada")).count(name) >= 4
    assert text_of(receipt(api, order_id, user="ada")).count(name) >= 2


def test_the_same_order_at_the_same_time_gives_the_same_file(api, time, shop):
    order_id = builders.create_order(api, shop, 2)
    for document in (receipt, ticket_pages):
        first, again = document(api, order_id, user="ada").body, document(api, order_id, user="ada").body
        assert first == again
        assert pdfs.facts(first)["CreationDate"] == "D:20260601120000+00'00'"
    time.now += 60
    assert pdfs.facts(receipt(api, order_id, user="ada").body)["CreationDate"] == "D:20260601120100+00'00'"


def test_a_document_is_kept_by_no_cache(api, time, shop):
    order_id = builders.create_order(api, shop, 1)
    reply = receipt(api, order_id, user="ada")
    assert reply.headers["cache-control"] == "private, no-store"
    assert reply.headers["content-disposition"] == f'inline; filename="receipt-{order_id}.pdf"'


def test_a_source_address_may_download_only_so_many_documents(api, time, shop):
    order_id = builders.create_order(api, shop, 1, user="ada")
    with settings.override(rate_limits="on", limit_transfer="1/60", address_factor=2):
        replies = [receipt(api, order_id, user="ada"), ticket_pages(api, order_id, user="ada"), receipt(api, order_id, user="ada")]
    assert [reply.status for reply in replies] == [200, 200, 429]


@pytest.mark.slow
def test_the_largest_order_fits_a_reply(api, time):
    event_id = builders.create_event(api)
    tier_id = builders.create_tier(api, event_id, capacity=50, admits=2)
    for path, limit in ((f"/events/{event_id}", {"purchase_limit": 50}), (f"/tiers/{tier_id}", {"per_user_limit": 50})):
        assert api.patch(path, json=limit, token=builders.admin_token()).status == 200
    order_id = builders.create_order(api, (event_id, tier_id), 50)
    content = ticket_pages(api, order_id, user="ada").body
    assert pdfs.count_pages(content) == 50
    assert len(content) < 1_000_000  # of Lambda's 6 MB


def statement(api, event_id, **caller):
    return api.get(f"/events/{event_id}/statement.pdf", **caller)


def test_the_statement_adds_up_the_sales_and_refunds_of_an_event(api, time, shop):
    builders.create_order(api, shop, 3)
    returned = builders.create_order(api, shop, 1, "bob")
    assert builders.refund(api, returned).status == 201
    text = text_of(statement(api, shop[0], token=builders.admin_token()))
    for part in ("Statement", "Noche de gala", "Simulated (the shop's account), EUR", "Sales 200.00 EUR", "Refunds -50.00 EUR"):
        assert part in text, part
    assert "Remaining 150.00 EUR" in text
    spanish = text_of(statement(api, shop[0], token=builders.admin_token(), query={"language": "es"}))
    assert "Importe restante 150,00 EUR" in spanish


def test_an_event_without_money_has_an_empty_statement(api, shop):
    assert "No money has come in" in text_of(statement(api, shop[0], token=builders.admin_token()))


def test_only_managers_get_the_statement(api, shop):
    assert statement(api, shop[0], user="ada").status == 403
    assert statement(api, shop[0], token=builders.token("eve", "promoter")).status == 403


def test_a_date_has_its_name_in_the_language_of_the_document(api, time, shop):
    event_id, _ = shop
    dates = [{"id": "one", "starts_at": clock.iso(STARTS_AT), "name": "Opening", "names": {"es": "Estreno"}}]
    dates.append({"id": "two", "starts_at": clock.iso(STARTS_AT + 86_400), "name": "Finale"})
    assert api.patch(f"/events/{event_id}", json={"dates": dates}, token=builders.admin_token()).status == 200
    order_id = builders.create_order(api, shop, 1)
    for document in (receipt, ticket_pages):
        for language, name in (("es", "Estreno"), ("de", "Opening")):
            text = text_of(document(api, order_id, user="ada", query={"language": language}))
            assert (name in text, "Finale" in text) == (True, True), text
