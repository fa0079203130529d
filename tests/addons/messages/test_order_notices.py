"""The mails that follow when something happens: once, to the right address, in the language of the buyer."""

import io
import random
import re
from unittest import mock

import icalendar
import pytest
import qrcode
import zxingcpp
from PIL import Image

from chalicelib.accounts import members
from chalicelib.accounts import service as accounts
from chalicelib.accounts.model import Account
from chalicelib.addons.messages.composition import OFFERS
from chalicelib.addons.outgoing_webhooks import endpoints
from chalicelib.addons.waitlist import allocator
from chalicelib.addons.waitlist import service as waitlist
from chalicelib.addons.waitlist import store as waitlists
from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.catalog import event_states
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import PromoterAccount
from chalicelib.changes import jobs as followers
from chalicelib.changes.model import EventResumed
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, settings
from chalicelib.notifications import outbox
from chalicelib.notifications.store import list_event_notifications
from chalicelib.purchases import store as purchases
from chalicelib.tickets.store import TicketRow
from tests import builders, engines, invariants
from tests.addons.waitlist import ballots, lines
from tests.addons.wallets import fakes
from tests.bootstrap.conftest import event, ticket
from tests.purchases import bank_transfers
from tests.purchases.reservations.test_access_codes import create_code

SPANISH = {"Accept-Language": "es-MX,es;q=0.9,en;q=0.5"}


def create_account(user_id, time, *roles):
    email = f"{user_id}@example.com"
    account = Account(user_id=user_id, email=email, roles=roles or ("user",), created_at=time.now, verified_at=time.now)
    accounts.create_account(account, "seven grey owls")


def buy(api, shop, quantity=1, user="ada", headers=None, **fields):
    """Buy tickets, with an address for mails. Returns the order's id."""
    reservation = builders.reserve(api, user, *shop, quantity).json["id"]
    body = {"reservation_id": reservation, "customer_email": f"{user}@home.test"} | fields
    checkout = api.post("/checkout/sessions", json=body, user=user, headers={"Idempotency-Key": reservation} | (headers or {}))
    assert checkout.status == 201, checkout.json
    return builders.confirm(api, user, reservation).json["order"]["id"]


def records(feature):
    local = engines.local_engine()
    return local.stream_records(local.stream_arns()[dynamo.table_name(feature)], "", 1_000_000)


def html_of(mail):
    return mail.get_body(("html",)).get_content()


def images_of(mail):
    """Content id -> bytes of the images that are shown in the mail."""
    return {part["Content-ID"].strip("<>"): part.get_content() for part in mail.walk() if part.get_content_type() == "image/png"}


def test_the_buyer_gets_the_tickets_with_codes_that_a_scanner_reads(post, api, time):
    event_id = builders.create_event(api, "Night <of> Jazz")
    changed = api.patch(
        f"/events/{event_id}", json={"timezone": "America/Denver", "city": "Boulder", "doors_minutes": 90}, token=builders.admin_token()
    )
    assert changed.status == 200, changed.json
    shop = event_id, builders.create_tier(api, event_id)
    order_id = buy(api, shop, 2, attendees=[{"name": "Ada <b>"}, {"name": "Bob"}])
    [mail] = post.deliver()
    assert (mail["To"], mail["From"]) == ("ada@home.test", "Shop <tickets@shop.test>")
    assert mail["Subject"] == "Your tickets for Night <of> Jazz"
    images = images_of(mail)
    assert all(f'src="cid:{content_id}"' in html_of(mail) for content_id in images)
    texts = [zxingcpp.read_barcode(Image.open(io.BytesIO(content))).text for content in images.values()]
    shown = api.get(f"/orders/{order_id}", user="ada").json["tickets"]
    assert [text.split(":")[2] for text in texts] == [ticket["code"] for ticket in shown]
    assert texts == [f"FG1:{ticket['id']}:{ticket['code']}:{ticket['qr_sig']}" for ticket in shown]
    assert "Ada &lt;b&gt;" in html_of(mail)
    assert "2026, 6:00 AM MDT" in mail.get_body(("plain",)).get_content()
    assert "Doors: 4:30 AM MDT" in mail.get_body(("plain",)).get_content()
    assert f"Order: NOJ-{order_id[-8:-4]}-{order_id[-4:]}" in mail.get_body(("plain",)).get_content()
    [calendar] = [part for part in mail.iter_attachments() if part.get_content_type() == "text/calendar"]
    [pages] = [part for part in mail.iter_attachments() if part.get_content_type() == "application/pdf"]
    assert (pages.get_filename(), pages.get_content()[:5]) == ("tickets.pdf", b"%PDF-")
    [event] = icalendar.Calendar.from_ical(calendar.get_content()).walk("VEVENT")
    assert str(event["SUMMARY"]) == "Night <of> Jazz"
    invariants.check(time.now)


def test_the_invoice_comes_with_the_tickets_and_the_credit_note_with_the_refund(post, api, time):
    """Also after a file took the event from its promoter."""

    def apply_file(**metadata):
        tree = {"version": "1", "events": {"fest": event("fest", metadata=metadata)}, "ticket_types": {"gold": ticket("gold")}}
        rollout.apply(validate_tree(tree), "ada", time.now)

    seller = {"name": "Nora Ltd", "address": "1 Harbor Street", "tax_id": "PT501234567"}
    profile = {"name": "Nora", "verified": True, "invoices": seller}
    assert api.put("/promoters/nora", json=profile, token=builders.admin_token()).status == 200
    apply_file(promoter_id="nora")
    order_id = buy(api, ("fest", "gold"), 2)
    assert _pages(post.deliver()[-1]) == {"tickets.pdf", "S2026-000001.pdf"}
    first, second = builders.ticket_ids(order_id, 1, 2)
    builders.refund(api, order_id, tickets=[first])
    assert _pages(post.deliver()[-1]) == {"C2026-000001.pdf"}
    apply_file()
    builders.refund(api, order_id, tickets=[second], key="second")
    assert _pages(post.deliver()[-1]) == {"C2026-000002.pdf"}


def _pages(mail):
    return {part.get_filename() for part in mail.iter_attachments() if part.get_content_type() == "application/pdf"}


def test_the_email_names_the_fee_in_the_price(post, api):
    event_id = builders.create_event(api)
    body = {"name": "Seats", "price_cents": 2500, "capacity": 10, "included_fee": {"percent": "10"}}
    tier_id = api.post(f"/events/{event_id}/tiers", json=body, token=builders.admin_token()).json["id"]
    buy(api, (event_id, tier_id), 2)
    buy(api, (event_id, tier_id), user="bob", headers=SPANISH)
    buy(api, builders.create_shop(api), user="cleo")
    texts = [mail.get_body(("plain",)).get_content() for mail in sorted(post.deliver(), key=lambda mail: mail["To"])]
    assert re.search(r"Paid: .*50\.00.*\n.*Includes fees: .*5\.00", texts[0])
    assert re.search(r"Incluye gastos de gestión: .*2,50", texts[1])
    assert "Includes fees" not in texts[2]


def test_the_symbol_of_a_code_is_drawn_once_for_the_image_and_the_pdf(post, api):
    buy(api, builders.create_shop(api), 2)
    with mock.patch.object(qrcode, "QRCode", wraps=qrcode.QRCode) as symbols:
        [mail] = post.deliver()
    assert len(images_of(mail)) == symbols.call_count == 2


def test_the_email_names_the_seller_who_also_gets_the_replies(post, api, time):
    shop = builders.create_promoted_shop("nora")
    profile = {"name": "Nora", "email": "hi@nora.test", "policies": "Refunds until\nthe day before.", "verified": True}
    assert api.put("/promoters/nora", json=profile, token=builders.admin_token()).status == 200
    buy(api, shop)
    buy(api, builders.create_shop(api), user="bob")
    of_nora, of_the_shop = sorted(post.deliver(), key=lambda mail: mail["To"])
    text = of_nora.get_body(("plain",)).get_content()
    assert of_nora["Reply-To"] == "hi@nora.test"
    assert "Sold by: Nora, hi@nora.test" in text
    assert "Refunds and terms: Refunds until the day before." in text
    assert "Reply to this email, and Nora will answer." in text
    assert of_the_shop["Reply-To"] is None
    assert "Sold by: Shop, shop.test" in of_the_shop.get_body(("plain",)).get_content()
    assert "do not reply" in of_the_shop.get_body(("plain",)).get_content()


@pytest.mark.parametrize("hidden", ["=0D=0ABcc:_eve=40example.com=0D=0A=0D=0AYour_account_is_locked", "=E2=80=AEdekcol", "Locked"])
def test_an_encoded_word_in_a_name_is_text_and_no_part_of_the_email(post, api, time, hidden):
    """Python's email package decodes what RFC 2047 calls an encoded word, even in a text that a program assigns."""
    name = f"Jazz =?utf-8?q?{hidden}?="
    event_id = builders.create_event(api, name)
    buy(api, (event_id, builders.create_tier(api, event_id)))
    [mail] = post.deliver()
    [sent] = post.provider.mails
    assert mail["Subject"] == f"Your tickets for {name.replace('=?', '= ?')}"
    assert (mail["To"], mail["Bcc"], sent.to) == ("ada@home.test", None, "ada@home.test")
    assert name in mail.get_body(("plain",)).get_content()


def test_an_encoded_word_in_an_address_adds_neither_a_line_nor_a_person(post, api, time):
    shop = builders.create_promoted_shop("nora")
    profile = {"name": "Nora", "email": "=?utf-8?q?eve=40example.com=2C?=@nora.test", "verified": True}
    assert api.put("/promoters/nora", json=profile, token=builders.admin_token()).status == 200
    address = "=?utf-8?q?a=0D=0ABcc?=@home.test"
    buy(api, shop, customer_email=address)
    [mail] = post.deliver()
    [sent] = post.provider.mails
    assert sent.to == address
    assert mail["Bcc"] is None
    assert b"eve@example.com" not in sent.raw


def test_changes_repeated_or_reordered_are_announced_once(post, api, time):
    shop = builders.create_shop(api)
    for user in ("ada", "bob"):
        order_id = buy(api, shop, 2, user)
        builders.refund(api, order_id, tickets=[f"{order_id}-1"])
    found = [*records("purchases"), *records("tickets")]
    chance = random.Random(11)
    for _ in range(3):
        chance.shuffle(found)
        for record in found:
            followers.follow_changes({"Records": [record]}, None)
    post.deliver()
    post.deliver()
    assert post.kinds == ["order_confirmed", "order_confirmed", "order_refunded", "order_refunded"]
    assert len(set(post.provider.ids)) == 4


def test_a_mail_is_in_the_language_that_the_buyer_preferred(post, api, time):
    shop = builders.create_shop(api)
    buy(api, shop, headers=SPANISH)
    buy(api, shop, user="bob", headers={"Accept-Language": "xx, *;q=0.5"})
    subjects = {mail["To"]: mail["Subject"] for mail in post.deliver()}
    assert subjects == {"ada@home.test": "Tus entradas para Night", "bob@home.test": "Your tickets for Night"}


def test_a_mail_has_the_names_of_the_readers_language(post, api, time):
    shop = builders.create_shop(api)
    for path, names in ((f"/events/{shop[0]}", {"es": "Noche"}), (f"/tiers/{shop[1]}", {"es": "Pista"})):
        assert api.patch(path, json={"names": names}, token=builders.admin_token()).status == 200
    buy(api, shop, headers=SPANISH)
    buy(api, shop, user="bob")
    mails = {mail["To"]: mail for mail in post.deliver()}
    for user, name, tier, others in (("ada", "Noche", "Pista", "Floor"), ("bob", "Night", "Floor", "Pista")):
        mail = mails[f"{user}@home.test"]
        text = mail.get_body(("plain",)).get_content()
        assert mail["Subject"].endswith(f" {name}")
        assert (tier in text, others in text) == (True, False)
        [calendar] = [part.get_content() for part in mail.iter_attachments() if part.get_filename() == "event.ics"]
        assert f"SUMMARY:{name}" in (calendar if isinstance(calendar, str) else calendar.decode())


@pytest.mark.parametrize("is_set_up", [True, False])
def test_the_mail_mentions_wallets_if_the_shop_offers_any(post, api, time, is_set_up):
    with settings.override(**(fakes.apple_settings() if is_set_up else {})):
        buy(api, builders.create_shop(api), 1)
        [mail] = post.deliver()
    assert ("to add them to its wallet" in mail.get_body(("plain",)).get_content().replace("\n", " ")) == is_set_up


def test_without_an_order_address_the_mail_goes_to_the_account_if_any(post, api, time):
    shop = builders.create_shop(api)
    create_account("bob", time)
    buy(api, shop, user="bob", customer_email=None)
    nobody = buy(api, shop, user="eve", customer_email=None)
    assert [mail["To"] for mail in post.deliver()] == ["bob@example.com"]
    statuses = {found.subject_id: found.status for found in list_event_notifications(shop[0], 10, None)[0]}
    assert nobody not in statuses


def test_a_guest_who_gave_no_address_gets_the_mail_at_the_one_typed_at_stripe(post, shop):
    session = shop.open_checkout("guest", page="hosted", success_url="https://shop.test/done")
    shop.pay(session)  # as ada@example.com
    assert shop.confirm(session, "guest").status == 201
    assert [(mail["To"], mail["Subject"]) for mail in post.deliver()] == [("ada@example.com", "Your tickets for Night")]
    shop.fake.deliver()


def test_a_refund_mail_has_the_amount_and_mentions_a_cancelled_event(post, api, time):
    shop = builders.create_shop(api)
    first = buy(api, shop, 2)
    buy(api, shop, 1, "bob")
    builders.refund(api, first, tickets=[f"{first}-1"], fee_cents=500)
    [refund] = [mail for mail in post.deliver() if mail["Subject"] == "Your refund for Night"]
    assert refund["To"] == "ada@home.test"
    assert "Refund: USD 45.00" in refund.get_body(("plain",)).get_content()
    buy(api, shop, 1, "eva", headers=SPANISH)
    body = {"reason": "storm", "reasons": {"es": "tormenta"}}
    assert api.post(f"/events/{shop[0]}/cancel", json=body, token=builders.admin_token()).status in (200, 202)
    builders.run_sweep()
    post.deliver()
    cancelled = [mail for mail in post.provider.parsed() if "Reason: storm" in mail.get_body(("plain",)).get_content()]
    assert sorted(mail["To"] for mail in cancelled) == ["ada@home.test", "bob@home.test"]
    assert {mail["Subject"] for mail in cancelled} == {"Cancelled: Night"}
    [spanish] = [mail for mail in post.provider.parsed() if "Motivo: tormenta" in mail.get_body(("plain",)).get_content()]
    assert spanish["To"] == "eva@home.test"


def test_the_mail_about_free_tickets_that_are_taken_back_speaks_of_no_refund(post, api, time):
    order_id = buy(api, builders.create_shop(api, price_cents=0), 3)
    builders.refund(api, order_id, tickets=[f"{order_id}-1"])
    builders.refund(api, order_id, key="the rest")
    about = [mail for mail in post.deliver() if "cancelled" in mail["Subject"]]
    assert sorted(mail["Subject"] for mail in about) == ["Your ticket for Night was cancelled", "Your tickets for Night were cancelled"]
    assert all("refund" not in mail.get_body(("plain",)).get_content().lower() for mail in about)


def test_a_ticket_that_was_refunded_before_the_mail_was_sent_is_not_in_it(post, api, time):
    shop = builders.create_shop(api)
    order_id = buy(api, shop, 2)
    builders.refund(api, order_id, tickets=[f"{order_id}-1"])
    mail = next(mail for mail in post.deliver() if mail["Subject"].startswith("Your tickets"))
    assert len(images_of(mail)) == 1
    second = buy(api, shop, 1, "bob")
    builders.refund(api, second)
    assert [mail["Subject"] for mail in post.deliver()[2:]] == ["Your refund for Night"]


def test_both_sides_get_mail_about_a_transfer_without_the_old_codes(post, api, time):
    shop = builders.create_shop(api)
    create_account("bob", time)
    create_account("ada", time)
    order_id = buy(api, shop)
    offer = api.post(f"/tickets/{order_id}-1/transfer", user="ada")
    assert offer.status in (200, 201), offer.json
    accepted = api.post(f"/transfers/{offer.json['token']}/accept", user="bob")
    assert accepted.status == 201, accepted.json
    mails = {mail["Subject"]: mail for mail in post.deliver()}
    assert post.kinds == ["ticket_given", "ticket_received"]  # the confirmation has no ticket of Ada's any more
    received = mails["You have received a ticket for Night"]
    code = api.get(f"/tickets/{order_id}-1", user="bob").json["code"]
    assert (received["To"], len(images_of(received))) == ("bob@example.com", 1)
    assert code in html_of(received)
    assert all(code not in html_of(mail) for subject, mail in mails.items() if subject.startswith("Your ticket"))
    builders.refund(api, order_id)
    assert post.deliver()[-1]["Subject"] in ("Your ticket for Night is no longer valid", "Your refund for Night")
    assert post.kinds == ["order_refunded", "ticket_given", "ticket_received", "ticket_voided"]


def test_a_guest_gets_an_accepted_ticket_at_the_given_address_with_pdf_and_calendar(post, api, time):
    shop = builders.create_shop(api)
    order_id = buy(api, shop, 2, attendees=[{"name": "Ada <b>"}])
    post.deliver()
    for ticket_id, body in ((f"{order_id}-2", {"json": {"email": "bob@new.test"}}), (f"{order_id}-1", {})):
        token = api.post(f"/tickets/{ticket_id}/transfer", user="ada").json["token"]
        assert api.post(f"/transfers/{token}/accept", user="guest-bob", headers=SPANISH, **body).status == 201
    received = [mail for mail in post.deliver() if mail["To"] == "bob@new.test"]
    assert [mail["Subject"] for mail in received] == ["Has recibido una entrada para Night"]  # none without an address
    text = received[0].get_body(("plain",)).get_content()
    assert "que alguien te ha transferido." in text
    assert all(part in text for part in ("Evento: Night", "Cuándo: ", " UTC", "Dónde: ", "* Floor", "Código: "))
    assert {part.get_content_type() for part in received[0].iter_attachments()} >= {"application/pdf", "text/calendar"}
    given = [mail["To"] for mail in post.provider.parsed() if mail["Subject"] == "Your ticket for Night has a new owner"]
    assert given == ["ada@home.test", "ada@home.test"]
    builders.refund(api, order_id)
    assert ("bob@new.test", "Tu entrada para Night ya no es válida") in [(mail["To"], mail["Subject"]) for mail in post.deliver()]


def test_the_mail_with_the_tickets_links_the_terms_that_the_buyer_accepted(post, api, time):
    shop, terms = builders.create_shop(api), "0123456789abcdef" * 2
    buy(api, shop, accepted_terms=terms)
    [mail] = post.deliver()
    assert f"Terms that you accepted: https://shop.test/legal/{terms}" in mail.get_body(("plain",)).get_content()


def test_every_transfer_mail_is_in_the_language_of_its_reader(post, api, time):
    shop = builders.create_shop(api)
    for user in ("ada", "bob", "eve"):
        create_account(user, time)
    order_id = buy(api, shop, headers=SPANISH, customer_email=None)
    for giver, receiver, headers in (("ada", "bob", {"Accept-Language": "en"}), ("bob", "eve", SPANISH)):
        offer = api.post(f"/tickets/{order_id}-1/transfer", user=giver)
        assert api.post(f"/transfers/{offer.json['token']}/accept", user=receiver, headers=headers).status == 201
        post.deliver()
    builders.refund(api, order_id)
    found = {
        (notification.kind, notification.user_id): notification.language for notification in list_event_notifications(shop[0], 20, None)[0]
    }
    assert found == {
        ("order_confirmed", "ada"): "es",
        ("ticket_given", "ada"): "es",
        ("ticket_received", "bob"): "en",
        ("ticket_given", "bob"): "en",
        ("ticket_received", "eve"): "es",
    }
    assert {mail["Subject"] for mail in post.deliver() if mail["To"] == "eve@example.com"} >= {"Tu entrada para Night ya no es válida"}


def test_the_transfer_of_an_old_ticket_is_announced_in_english(post, api, time):
    shop = builders.create_shop(api)
    order_id = buy(api, shop, headers=SPANISH)
    dynamo.update_if(TicketRow(f"{order_id}-1"), [TicketRow.language.remove()], TicketRow.id.exists())
    offer = api.post(f"/tickets/{order_id}-1/transfer", user="ada")
    assert api.post(f"/transfers/{offer.json['token']}/accept", user="bob", headers=SPANISH).status == 201
    post.deliver()
    found = {notification.kind: notification.language for notification in list_event_notifications(shop[0], 20, None)[0]}
    assert found == {"order_confirmed": "es", "ticket_given": "en", "ticket_received": "es"}


@pytest.mark.parametrize(("hours", "announced"), [(23, ["order_confirmed"]), (25, [])])
def test_changes_are_announced_for_a_day(post, api, time, hours, announced):
    shop = builders.create_shop(api)
    buy(api, shop)
    found = records("purchases")
    for record in found:
        record["dynamodb"]["ApproximateCreationDateTime"] = time.now - hours * 3600
    followers.follow_changes({"Records": found}, None)
    assert [notification.kind for notification in list_event_notifications(shop[0], 10, None)[0]] == announced


@pytest.mark.parametrize("header", ["", ";;q=,", "es;q=0", "x" * 5000, "en;q=abc"])
def test_a_meaningless_header_names_no_language(post, api, time, header):
    shop = builders.create_shop(api)
    buy(api, shop, headers={"Accept-Language": header})
    assert [mail["Subject"] for mail in post.deliver()] == ["Your tickets for Night"]


def test_an_offer_of_the_waitlist_is_mailed_once_and_not_when_it_is_over(post, api, time):
    event_id, _, orders = lines.sold_out_shop(api, time)
    for user in ("ada", "bob"):
        create_account(user, time)
        assert lines.join(api, user, event_id).status == 201
    for order_id in orders:
        lines.give_back(api, order_id)
    lines.run_allocator()
    found = records("purchases")
    for _ in range(2):
        followers.follow_changes({"Records": found}, None)
    [declined] = lines.own(api, "bob")
    assert api.delete(f"/waitlist/{declined['id']}", user="bob").status in (200, 204)
    mails = [mail for mail in post.deliver() if "There are tickets for you" in mail["Subject"]]
    assert [mail["To"] for mail in mails] == ["ada@example.com"]
    text = mails[0].get_body(("plain",)).get_content()
    assert "Until: Tuesday, 2 June 2026" in text
    assert f"https://shop.test/events/{event_id}" in text


def offer_to(api, time, *users):
    """An event whose returned tickets are offered to these users, who have accounts. Returns its id."""
    event_id, _, orders = lines.sold_out_shop(api, time, sold=len(users))
    for user in users:
        create_account(user, time)
        assert lines.join(api, user, event_id).status == 201
    for order_id in orders:
        lines.give_back(api, order_id)
    lines.run_allocator()
    return event_id


def test_an_offer_is_mailed_in_the_language_of_its_entry(post, api, time):
    event_id, _, orders = lines.sold_out_shop(api, time)
    for user, headers in (("ada", SPANISH), ("bob", None)):
        create_account(user, time)
        assert lines.join(api, user, event_id, headers=headers).status == 201
    for order_id in orders:
        lines.give_back(api, order_id)
    lines.run_allocator()
    post.deliver()
    time.advance(22 * 3600)
    post.deliver()
    found = {
        (found.kind, found.user_id): found.language for found in list_event_notifications(event_id, 50, None)[0] if "offer" in found.kind
    }
    assert found == {(kind, user): language for kind in OFFERS for user, language in (("ada", "es"), ("bob", "en"))}


def reminders(post):
    return [mail for mail in post.deliver() if mail["Subject"].startswith("Your ticket offer expires soon")]


def test_an_offer_is_followed_by_one_reminder_before_its_end(post, api, time):
    offer_to(api, time, "ada")
    post.follow()
    report = post.send()
    assert (report["backlog"], report["oldest_seconds"]) == (0, 0)
    time.advance(21 * 3600 - 60)
    for record in records("purchases"):
        followers.follow_changes({"Records": [record]}, None)
    assert reminders(post) == []
    time.advance(60)
    [mail] = reminders(post)
    assert mail["To"] == "ada@example.com"
    assert "Until: Tuesday, 2 June 2026" in mail.get_body(("plain",)).get_content()
    time.advance(60)
    assert len(reminders(post)) == 1
    invariants.check(time.now)


def test_nobody_is_reminded_of_an_offer_that_was_paid_declined_or_is_over(post, api, time):
    event_id = offer_to(api, time, "ada", "bob", "eve")
    post.deliver()
    [accepted], [declined] = lines.own(api, "ada"), lines.own(api, "bob")
    checkout = builders.start_checkout(api, "ada", accepted["offer"]["id"])
    assert checkout.status == 201, checkout.json
    assert builders.confirm(api, "ada", accepted["offer"]["id"]).status == 201
    assert api.delete(f"/waitlist/{declined['id']}", user="bob").status in (200, 204)
    time.advance(25 * 3600)
    assert reminders(post) == []
    found = [found.status for found in list_event_notifications(event_id, 50, None)[0] if found.kind == "offer_expiring"]
    assert found == ["dropped"] * 3


def test_unsubscribing_stops_the_reminder_and_keeps_the_offer(post, api, time):
    offer_to(api, time, "ada", "bob")
    mails = {mail["To"]: mail for mail in post.deliver() if mail["Subject"].startswith("There are tickets for you")}
    ada = mails["ada@example.com"]
    assert ada["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    url = ada["List-Unsubscribe"].strip("<>")
    assert url.startswith("https://shop.test/api/v1/unsubscribe?token=")
    token = url.partition("token=")[2]
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for _ in range(2):
        reply = api.request("POST", "/unsubscribe", query={"token": token}, body=b"List-Unsubscribe=One-Click", headers=form)
        assert reply.status == 200, reply.json
    for forged in (f"{token[:-1]}{'0' if token[-1] != '0' else '1'}", "x", f"{token.partition('.')[0]}.", "é.é"):
        reply = api.request("POST", "/unsubscribe", query={"token": forged})
        assert (reply.status, reply.json["error"]) == (404, "unsubscribe_link_invalid")
    [entry] = lines.own(api, "ada")
    assert entry["status"] == "offered"
    time.advance(22 * 3600)
    assert [mail["To"] for mail in reminders(post)] == ["bob@example.com"]
    assert {mail["Subject"] for mail in post.provider.parsed() if mail["List-Unsubscribe"]} == {
        "There are tickets for you: Night",
        "Your ticket offer expires soon: Night",
    }


def test_an_offer_is_mailed_before_the_emails_about_a_cancelled_event(post, api, time):
    """At 14 emails a second, 100,000 of them take two hours, and an offer near the end of the sale may last 15 minutes."""
    shop = builders.create_shop(api, capacity=20)
    for number in range(20):
        user = f"user-{number}"
        create_account(user, time)
        order_id = builders.create_order(api, shop, 1, user)
        builders.refund(api, order_id, key=order_id)
    post.follow()
    time.advance(60)
    offer_to(api, time, "ada")
    post.follow()
    with settings.override(mail_rate=1):
        post.send()
    kinds = [notification_id.partition(".")[0] for notification_id in post.provider.ids]
    assert kinds.index("waitlist_offer") < kinds.index("order_refunded")


def test_a_ballot_tells_winners_and_losers_once(post, api, time):
    event_id, _ = ballots.create_ballot(api, time, capacity=1)
    users = ["ada", "bob", "eve"]
    for user in users:
        create_account(user, time)
        ballots.register(api, event_id, user)
    winner, loser, leaver = ballots.draw(api, time, *users)
    [left] = lines.own(api, leaver)
    assert api.delete(f"/waitlist/{left['id']}", user=leaver).status == 200
    time.advance(60)
    lines.run_allocator()
    mails = {mail["To"]: mail for mail in post.deliver()}
    assert sorted(mails) == sorted(f"{user}@example.com" for user in (winner, loser))
    assert "You got tickets in the draw." in mails[f"{winner}@example.com"].get_body(("plain",)).get_content()
    lost = mails[f"{loser}@example.com"]
    assert lost["Subject"] == "You did not get tickets in the draw: Ballot"
    assert f"https://shop.test/events/{event_id}" in lost.get_body(("plain",)).get_content()
    found = list_event_notifications(event_id, 50, None)[0]
    assert sorted(notification.user_id for notification in found if notification.kind == "ballot_lost") == sorted((loser, leaver))


def test_nobody_has_lost_while_a_crash_holds_tickets(post, api, time, monkeypatch):
    event_id, _ = ballots.create_ballot(api, time, capacity=1)
    users = ["u0", "u1"]
    ballots.register(api, event_id, *users)
    ballots.make_draw(time)

    def crash(*_, **__):
        raise RuntimeError("crash")

    with monkeypatch.context() as patched:
        patched.setattr(purchases, "create", crash)
        lines.run_allocator()
    time.advance(30)  # the ticket is still on hold
    assert lines.run_allocator()["offered"] == 0
    assert list_event_notifications(event_id, 50, None)[0] == []
    time.advance(60)
    builders.run_sweep()
    assert lines.run_allocator()["offered"] == 1
    [told] = [found.user_id for found in list_event_notifications(event_id, 50, None)[0] if found.kind == "ballot_lost"]
    assert sorted(lines.own(api, user)[0]["status"] for user in users) == ["offered", "waiting"]
    assert lines.own(api, told)[0]["status"] == "waiting"


def test_losers_are_told_even_if_the_first_run_crashes(post, api, time, monkeypatch):
    event_id, _ = ballots.create_ballot(api, time, capacity=1)
    users = [f"u{number}" for number in range(4)]
    ballots.register(api, event_id, *users)
    ballots.make_draw(time)
    queued, queue = [], outbox.queue_notification

    def crash(notification):
        if len(queued) == 1:
            raise RuntimeError("crash")
        queued.append(queue(notification))

    with monkeypatch.context() as patched:
        patched.setattr(outbox, "queue_notification", crash)
        lines.run_allocator()
    time.advance(60)
    for _ in range(2):
        lines.run_allocator()
    told = [found.user_id for found in list_event_notifications(event_id, 50, None)[0] if found.kind == "ballot_lost"]
    winner = [user for user in users if lines.own(api, user)[0]["status"] == "offered"]
    assert sorted(told + winner) == users


def cancel(api, event_id):
    assert api.post(f"/events/{event_id}/cancel", json={}, token=builders.admin_token()).status == 200


def test_people_on_the_waitlist_of_a_cancelled_event_are_told_once(post, api, time):
    event_id, _, orders = lines.sold_out_shop(api, time, sold=1)
    for user, headers in (("ada", None), ("bob", SPANISH), ("eve", None), ("eli", None)):
        create_account(user, time)
        assert lines.join(api, user, event_id, headers=headers).status == 201
    lines.give_back(api, orders[0])
    lines.run_allocator()  # ada has an offer, and no longer waits
    [left] = lines.own(api, "eve")
    assert api.delete(f"/waitlist/{left['id']}", user="eve").status == 200
    cancel(api, event_id)
    for _ in range(3):
        post.follow()  # runs the allocator too, which must not delete the line before people are told
        time.advance(60)
        lines.run_allocator()
    [late] = lines.own(api, "eli")
    assert api.delete(f"/waitlist/{late['id']}", user="eli").status == 200
    mails = [mail for mail in post.deliver() if mail["To"] != "ada@example.com"]
    assert [(mail["To"], mail["Subject"]) for mail in mails] == [("bob@example.com", "Cancelado: Night")]
    text = mails[0].get_body(("plain",)).get_content()
    assert "ya no estás en la lista de espera" in text
    assert "tarjeta" not in text
    assert f"https://shop.test/events/{event_id}" in text


def test_people_registered_in_a_ballot_hear_that_the_event_was_cancelled(post, api, time):
    event_id, _ = ballots.create_ballot(api, time)
    create_account("ada", time)
    ballots.register(api, event_id, "ada")
    cancel(api, event_id)
    lines.run_allocator()
    [mail] = post.deliver()
    assert (mail["To"], mail["Subject"]) == ("ada@example.com", "Cancelled: Ballot")
    assert "Your registration for the draw has ended. " in " ".join(mail.get_body(("plain",)).get_content().split())


def test_people_who_waited_for_an_event_that_has_ended_are_not_told_of_its_cancellation(post, api, time):
    event_id, _, _ = lines.sold_out_shop(api, time)
    assert lines.join(api, "ada", event_id).status == 201
    time.now = catalog.load_current().events[event_id].last_sale_at + 1
    cancel(api, event_id)
    lines.run_allocator()
    assert not [each for each in list_event_notifications(event_id, 50, None)[0] if each.kind == "waitlist_cancelled"]


def test_people_are_told_of_a_cancellation_in_portions_and_once_despite_a_crash(api, time, monkeypatch):
    event_id, _, _ = lines.sold_out_shop(api, time)
    users = {f"u{number}" for number in range(40)}
    for user in users:
        assert lines.join(api, user, event_id).status == 201
    cancel(api, event_id)
    for _ in range(2):  # the follower of changes leaves the emails to the schedule, and the line too
        waitlist.follow([EventResumed(at=time.now, event_id=event_id)])
    monkeypatch.setattr(allocator, "MAX_NOTIFIED", 8)

    def told():
        return [each.user_id for each in list_event_notifications(event_id, 50, None)[0] if each.kind == "waitlist_cancelled"]

    def crash(*_):
        raise RuntimeError("crash")

    with monkeypatch.context() as patched:
        patched.setattr(waitlists, "save_notified_to", crash)
        lines.run_allocator()
    assert 0 < len(told()) <= 8
    for _ in range(20):
        before = len(told())
        time.advance(60)
        lines.run_allocator()
        assert len(told()) <= before + 8
    assert sorted(told()) == sorted(users)
    assert waitlists.find_line(event_id) is None


def test_an_offer_that_is_over_soon_has_no_reminder(post, api, time):
    with settings.override(waitlist_offer_seconds=3599):
        event_id = offer_to(api, time, "ada")
    post.deliver()
    assert [found.kind for found in list_event_notifications(event_id, 50, None)[0] if found.user_id == "ada"] == ["waitlist_offer"]


def test_a_promoter_gets_one_mail_about_a_webhook_that_was_switched_off(post, api, time):
    create_account("nora", time)
    event_id, _ = builders.create_shop(api)
    with settings.override(webhook_targets="local"):
        endpoint = endpoints.create_endpoint(
            "nora", "01KT0000000000000000000001", "http://127.0.0.1:9999/secret-path", "", [], "nora", time.now
        )
    for _ in range(2):
        endpoints.disable_endpoint(endpoint, "failing", event_id, time.now)
    [mail] = [mail for mail in post.deliver() if "turned off" in mail["Subject"]]
    assert (mail["To"], mail["Subject"]) == ("nora@example.com", "Your webhook at 127.0.0.1:9999 has been turned off")
    assert "https://shop.test/manage/webhooks" in html_of(mail)
    assert "for five days" in html_of(mail)
    assert "secret-path" not in mail.as_string()


@pytest.fixture
def restricted(post, api, time):
    """The sale of Nora's event is paused, because her payment account is restricted. The value is a function that changes the account."""
    create_account("nora", time)
    event_id, _ = builders.create_shop(api)
    assert api.patch(f"/events/{event_id}", json={"promoter_id": "nora"}, token=builders.admin_token()).status == 200
    account = PromoterAccount("nora", "acct_1", "active")
    event_states.change_account("nora", lambda _: account, "test", time.now)
    post.follow()

    def switch(*, takes_payments):
        event_states.record_account(account, takes_payments=takes_payments, actor="test", now=time.now)

    switch(takes_payments=False)
    return switch


def test_a_promoter_gets_one_mail_about_sales_that_pause_for_want_of_an_account(post, restricted):
    [mail] = post.deliver()
    assert (mail["To"], mail["Subject"]) == ("nora@example.com", "Your sales are paused: Stripe needs something from you")
    assert "https://shop.test/manage/profile" in html_of(mail)
    assert post.kinds == ["payments_paused"]


def test_no_mail_says_that_sales_are_paused_when_they_have_resumed(post, restricted):
    post.follow()
    restricted(takes_payments=True)
    assert post.deliver() == []


def test_a_pause_by_a_manager_sends_no_mail_about_the_account(post, api, restricted):
    restricted(takes_payments=True)
    post.follow()
    event_id = next(iter(catalog.load_current().events))
    assert api.post(f"/admin/events/{event_id}/pause", token=builders.admin_token()).status == 200
    assert post.deliver() == []


def test_tickets_of_the_box_office_are_mailed_if_there_is_an_address(post, api, time):
    shop = builders.create_shop(api)
    order_id = builders.sell_at_counter(api, shop, 2, email="ada@example.com")
    builders.sell_at_counter(api, shop, sale="till-1/sale-2")
    [mail] = post.deliver()
    assert mail["To"] == "ada@example.com"
    found = api.post("/lost-tickets/open", json={"token": re.search(r"#token=([^\s\"]+)", mail.get_body(("plain",)).get_content())[1]}).json
    assert [entry["ticket"]["id"] for entry in found["tickets"]] == [f"{order_id}-1", f"{order_id}-2"]
    invariants.check(time.now)


def test_tickets_that_were_sold_offline_are_mailed_when_the_sale_is_delivered(post, api, time):
    shop = builders.create_shop(api)
    late = {"quota_id": "till-1/quota-1", "sold_at": clock.iso(time.now)}
    time.advance(3600)
    builders.sell_at_counter(api, shop, email="ada@example.com", **late)
    assert [mail["To"] for mail in post.deliver()] == ["ada@example.com"]


def test_a_refund_at_the_counter_promises_no_money_from_a_bank(post, api):
    order_id = builders.sell_at_counter(api, builders.create_shop(api), email="ada@example.com")
    builders.refund(api, order_id)
    text = post.deliver()[-1].get_body(("plain",)).get_content()
    assert "paid back at the box office" in text
    assert "bank" not in text


def test_complimentary_tickets_are_mailed_and_their_revocation_too(post, api, time):
    shop = builders.create_shop(api)
    [order_id] = builders.issue_complimentary(api, shop, 2, headers=SPANISH)
    assert builders.issue_complimentary(api, shop, 2) == [order_id]
    [mail] = post.deliver()
    assert mail["To"] == "guest0@example.com"
    found = api.post("/lost-tickets/open", json={"token": re.search(r"#token=([^\s\"]+)", mail.get_body(("plain",)).get_content())[1]}).json
    assert [entry["ticket"]["id"] for entry in found["tickets"]] == [f"{order_id}-1", f"{order_id}-2"]
    builders.refund(api, order_id, reason="revoked")
    assert (len(post.deliver()), post.kinds) == (2, ["order_confirmed", "order_refunded"])
    invariants.check(time.now)


def create_shop_with_returns(api, time, promoter_id):
    """An event whose managers decide on returns, with one tier."""
    fields = {"name": "Night", "venue": "Hall", "starts_at": clock.iso(time.now + 30 * 86_400), "waiting_room": {"enabled": False}}
    returns = {"policy": "refund", "needs_approval": True}
    body = fields | {"returns": returns} | ({"promoter_id": promoter_id} if promoter_id else {})
    created = api.post("/events", json=body, token=builders.admin_token())
    assert created.status == 201, created.json
    event_id = created.json["id"]
    tier_id = builders.create_tier(api, event_id)
    assert api.post(f"/events/{event_id}/publish", token=builders.admin_token()).status == 200
    return event_id, tier_id


def test_managers_hear_once_a_day_of_an_order_whose_buyer_asks_to_return_tickets(post, api, time):
    create_account("nora", time, "user", "promoter")
    for user_id in ("cora", "sam"):
        create_account(user_id, time)
    event_id, _ = shop = create_shop_with_returns(api, time, "nora")
    for user_id, role in (("cora", "coordinator"), ("sam", "staff"), ("new", "coordinator")):
        builders.appoint(event_id, f"{user_id}@example.com", role, "nora", time.now)
    order_id = buy(api, shop, 3)
    ids = builders.ticket_ids(order_id, 1, 2, 3)
    post.deliver()
    for number in range(2):
        body = {"tickets": ids[number : number + 1], "reason": "ill"}
        assert api.post(f"/orders/{order_id}/return", json=body, user="ada").status == 200
        mails = post.deliver()[1:]
    assert sorted(mail["To"] for mail in mails) == ["cora@example.com", "nora@example.com"]
    assert {(mail["Subject"], mail["Reply-To"]) for mail in mails} == {("A buyer wants to return a ticket for Night", None)}
    assert f"https://shop.test/manage/events/{event_id}/orders/{order_id}" in html_of(mails[0])
    assert "Reason: Ill" in mails[0].get_body(("plain",)).get_content()
    members.remove(members.find_membership(event_id, "cora@example.com"), "nora", time.now)
    time.advance(86_400)
    assert api.post(f"/orders/{order_id}/return", json={"tickets": ids[2:]}, user="ada").status == 200
    [mail] = post.deliver()[3:]
    assert (mail["To"], mail["Subject"]) == ("nora@example.com", "A buyer wants to return 3 tickets for Night")


def test_nobody_is_asked_to_decide_on_a_return_that_was_withdrawn_or_by_a_promoter_who_is_locked(post, api, time):
    create_account("nora", time, "user", "promoter")
    order_id = buy(api, create_shop_with_returns(api, time, "nora"))
    assert api.post(f"/orders/{order_id}/return", json={}, user="ada").status == 200
    post.follow()
    assert api.delete(f"/orders/{order_id}/return-requests/1", user="ada").status == 200
    post.deliver()
    time.advance(86_400)
    assert api.post(f"/orders/{order_id}/return", json={}, user="ada").status == 200
    post.follow()
    assert api.patch("/admin/users/nora", json={"locked": True}, token=builders.admin_token()).status == 200
    time.advance(10)
    post.deliver()
    assert post.kinds == ["order_confirmed"]


def test_admins_hear_of_returns_of_the_shops_own_events(post, api, time):
    create_account("root", time, "user", "admin")
    order_id = buy(api, create_shop_with_returns(api, time, None))
    assert api.post(f"/orders/{order_id}/return", json={}, user="ada").status == 200
    assert sorted(mail["To"] for mail in post.deliver()) == ["ada@home.test", "root@example.com"]


def test_a_declined_return_is_answered_once(post, api, time):
    shop = builders.create_shop(api)
    returns = {"policy": "refund", "needs_approval": True}
    assert api.patch(f"/events/{shop[0]}", json={"returns": returns}, token=builders.admin_token()).status == 200
    time.advance(5)
    order_id = buy(api, shop, 2)
    assert api.post(f"/orders/{order_id}/return", json={}, user="ada").status == 200
    post.deliver()
    assert post.kinds == ["order_confirmed"]
    body = {"accept": False, "answer": "We cannot sell\nthem again."}
    for _ in range(2):
        assert api.post(f"/admin/orders/{order_id}/return-requests/1", json=body, token=builders.admin_token()).status == 200
    mail = post.deliver()[-1]
    assert mail["Subject"] == "Your return request for Night was declined"
    text = mail.get_body(("plain",)).get_content()
    assert all(part in text for part in ("asked to return 2 tickets", "We cannot sell", "them again."))
    post.deliver()
    assert post.kinds == ["order_confirmed", "return_declined"]


def test_a_seller_hears_of_the_sale_and_the_buyer_gets_the_tickets(post, api, time):
    shop = builders.create_shop(api)
    assert api.patch(f"/events/{shop[0]}", json={"returns": {"policy": "resale"}}, token=builders.admin_token()).status == 200
    time.advance(5)
    order_id = buy(api, shop, 1)
    assert api.post(f"/orders/{order_id}/resale", json={}, user="ada").status == 200
    post.deliver()
    assert post.kinds == ["order_confirmed"]
    item = {"tier_id": shop[1], "quantity": 1, "resale_price_cents": 5000}
    reserved = api.post(f"/events/{shop[0]}/reservations", json={"items": [item]}, user="bob").json["id"]
    assert builders.start_checkout(api, "bob", reserved, customer_email="bob@example.com").status == 201
    assert builders.confirm(api, "bob", reserved).status == 201
    sold, bought = sorted(post.deliver()[1:], key=lambda mail: mail["To"])
    assert (sold["To"], sold["Subject"]) == ("ada@home.test", "Your ticket for Night was sold")
    text = sold.get_body(("plain",)).get_content()
    assert all(part in text for part in ("offered for resale", "no longer valid", "50.00"))
    assert (bought["To"], post.kinds) == ("bob@example.com", ["order_confirmed", "order_confirmed", "order_refunded"])
    invariants.check(time.now)


def test_a_buyer_who_pays_by_transfer_is_told_how_and_reminded_until_the_money_arrives(post, api, time):
    shop = bank_transfers.create_shop(api)
    assert api.patch(f"/tiers/{shop[1]}", json={"included_fee": {"percent": "6"}}, token=builders.admin_token()).status == 200
    paid, late = (bank_transfers.order(api, shop, user, customer_email=f"{user}@home.test") for user in ("ada", "bob"))
    requests = {mail["To"]: mail for mail in post.deliver()}
    assert {mail["Subject"] for mail in requests.values()} == {"Please transfer the money for Night"}
    text = requests["bob@home.test"].get_body(("plain",)).get_content()
    for line in (
        "IBAN: PT50000201231234567890154",
        "Amount: USD 100.00",
        "Includes fees: USD 6.00",
        f"Reference: {bank_transfers.reference(late)}",
    ):
        assert line in text
    bank_transfers.record(api, shop, (bank_transfers.reference(paid), 10000))
    bank_transfers.record(api, shop, (bank_transfers.reference(late), 6000))
    *_, tickets = post.deliver()
    time.advance(5 * 86_400 - 60)
    assert len(post.deliver()) == 3
    assert (tickets["To"], tickets["Subject"]) == ("ada@home.test", "Your tickets for Night")
    time.advance(120)
    *earlier, reminder = post.deliver()
    assert (len(earlier), reminder["To"], reminder["Subject"]) == (3, "bob@home.test", "Your bank transfer for Night has not arrived yet")
    reminded = reminder.get_body(("plain",)).get_content()
    assert "Amount: USD 40.00" in reminded
    assert "Includes fees" not in reminded, "the fee is that of the whole price"


def test_a_buyer_is_told_when_the_tickets_of_a_transfer_are_released(post, api, time):
    shop = bank_transfers.create_shop(api)
    ended, _ = [bank_transfers.order(api, shop, user, customer_email=f"{user}@home.test") for user in ("ada", "bob")]
    post.deliver()
    path = f"/events/{shop[0]}/bank-transfers/{ended['id']}/cancel"
    assert api.post(path, **bank_transfers.manager()).status == 200
    *_, mail = post.deliver()
    assert (mail["To"], mail["Subject"]) == ("ada@home.test", "We have released your tickets for Night")
    text = mail.get_body(("plain",)).get_content()
    assert all(part in text for part in ("was cancelled", "Please do not transfer any money", bank_transfers.reference(ended)))
    sent = len(post.deliver())
    time.advance(7 * 86_400 + 1)
    builders.run_sweep()
    *_, mail = mails = post.deliver()
    assert (len(mails), mail["To"]) == (sent + 1, "bob@home.test"), "no reminder, because the tickets are gone"
    assert "did not arrive in time" in mail.get_body(("plain",)).get_content()
    invariants.check(time.now)


def test_a_buyer_whose_late_transfer_got_tickets_is_not_told_that_they_are_gone(post, api, time):
    shop = bank_transfers.create_shop(api)
    session = bank_transfers.order(api, shop, customer_email="ada@home.test")
    post.deliver()
    time.advance(7 * 86_400 + 1)
    builders.run_sweep()
    assert bank_transfers.record(api, shop, (bank_transfers.reference(session), 10000)) == [("recorded", "paid", 10000, [])]
    assert [mail["Subject"] for mail in post.deliver()[1:]] == ["Your tickets for Night"]


def test_a_buyer_with_two_days_to_pay_by_transfer_gets_no_reminder_at_once(post, api, time):
    shop = bank_transfers.create_shop(api)
    create_code(api, *shop, code="SOON", holdback_id="firms", bank_transfer_days=2)
    wanted = {"tier_id": shop[1], "quantity": 1, "promo_code": "SOON"}
    reserved = api.post(f"/events/{shop[0]}/reservations", json=wanted, user="ada").json["id"]
    assert builders.start_checkout(api, "ada", reserved, provider="bank_transfer", customer_email="ada@home.test").status == 201
    assert [mail["Subject"] for mail in post.deliver()] == ["Please transfer the money for Night"]


def test_a_buyer_who_has_sent_too_little_is_not_told_that_it_was_late(post, api, time):
    shop = bank_transfers.create_shop(api)
    session = bank_transfers.order(api, shop, customer_email="ada@home.test")
    bank_transfers.record(api, shop, (bank_transfers.reference(session), 6000))
    assert api.post(f"/orders/{session['id']}/cancel", user="ada").status == 200
    *_, returned = post.deliver()
    assert returned["Subject"] == "We are returning your payment for Night"
    assert "did not cover the full price" in returned.get_body(("plain",)).get_content()


def test_winners_with_a_card_get_their_tickets_and_an_offer_only_if_the_card_is_declined(post, api, time):
    event_id, _ = ballots.create_ballot(api, time, ballot_cards="required")
    for user, card in (("ada", "card-1"), ("bob", "declined-later")):
        create_account(user, time)
        ballots.register(api, event_id, user)
        entry_id = lines.own(api, user)[0]["id"]
        assert api.post(f"/waitlist/{entry_id}/card", json={"card": card, "max_cents": 5000}, user=user).status == 200
    ballots.draw(api, time, "ada", "bob")
    assert post.deliver() == []
    builders.run_sweep()
    mails = {mail["To"]: mail for mail in post.deliver()}
    assert mails["ada@example.com"]["Subject"] == "Your tickets for Ballot"
    assert "we charged the card that you saved" in html_of(mails["ada@example.com"])
    assert mails["bob@example.com"]["Subject"] == "There are tickets for you: Ballot"
    assert "We could not charge the card that you saved." in html_of(mails["bob@example.com"])
    assert f'/events/{event_id}"' in html_of(mails["bob@example.com"])  # the page on which the offer is paid
    assert len(mails) == len(post.deliver()) == 2
    assert lines.own(api, "ada")[0]["status"] == "accepted"
    invariants.check(time.now)
