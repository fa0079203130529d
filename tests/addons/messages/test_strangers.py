"""What the outbox sends to addresses that strangers may have typed, and how much of it."""

from typing import Any

import pytest

from chalicelib.accounts import service as accounts
from chalicelib.accounts.model import Account
from chalicelib.addons.messages import event_notices
from chalicelib.foundation import clock, settings
from chalicelib.notifications.providers import MailFailed
from chalicelib.purchases import queries
from tests import builders, pdfs
from tests.addons.waitlist import lines
from tests.client import Client
from tests.promoters.test_suspension import sign_up_promoter

SPAM = "Call 555 0100 now"
EVENT = {"name": SPAM, "venue": SPAM, "starts_at": "2026-08-01T20:00:00Z", "waiting_room": {"enabled": False}}
VICTIM = "victim@example.com"

pytestmark = pytest.mark.usefixtures("time")


@pytest.fixture(autouse=True)
def _limits_on(_settings):
    with settings.override(rate_limits="on", limit_reserve="999/60", limit_checkout="999/60", limit_confirm="999/60"):
        yield


def publish(api: Client, price_cents: int = 0, *, is_verified: bool = False, capacity: int = 200) -> tuple[str, str]:
    """An event with spam as its name. Returns the event's and the tier's ids."""
    token = builders.token("mal", "promoter")
    event_id = api.post("/events", json=EVENT, token=token).json["id"]
    tier = {"name": SPAM, "price_cents": price_cents, "capacity": capacity}
    tier_id = api.post(f"/events/{event_id}/tiers", json=tier, token=token).json["id"]
    assert api.post(f"/events/{event_id}/publish", token=token).status == 200
    profile = {"name": "Mal", "verified": is_verified}
    assert api.put("/promoters/mal", json=profile, token=builders.admin_token()).status == 200
    return event_id, tier_id


def order(api: Client, shop: tuple[str, str], number: int, email: str = VICTIM) -> Any:
    payment = {"attendees": [{"name": SPAM}], "customer_email": email}
    reply = builders.buy(api, f"bot-{number}", *shop, 1, **payment)
    assert reply.status in (200, 201), reply.json
    return reply.json["order"]


def whole_text(mail) -> str:
    return str(mail["Subject"]) + "".join(part.get_content() for part in mail.walk() if part.get_content_maintype() == "text")


def test_free_orders_at_an_unverified_promoter_send_one_short_mail_a_day_to_an_address(api, post, time):
    shop = publish(api)
    for number in range(6):
        order(api, shop, number)
    [mail] = post.deliver()
    assert mail["To"] == VICTIM
    assert SPAM not in whole_text(mail)
    assert [part.get_content_type() for part in mail.walk() if part.get_content_maintype() != "multipart"] == ["text/plain", "text/html"]
    time.advance(3600)
    order(api, shop, 10, VICTIM.upper())
    assert len(post.deliver()) == 1
    time.advance(86_400)
    order(api, shop, 11)
    assert len(post.deliver()) == 2


def test_the_short_mail_opens_the_order(api, post):
    order(api, publish(api), 1)
    [mail] = post.deliver()
    token = whole_text(mail).partition("find-tickets#token=")[2].split()[0]
    opened = api.post("/lost-tickets/open", json={"token": token})
    assert len(opened.json["tickets"]) == 1


@pytest.mark.parametrize(("price_cents", "is_verified"), [(500, False), (0, True)])
def test_paid_orders_and_verified_promoters_send_the_tickets(api, post, price_cents, is_verified):
    shop = publish(api, price_cents, is_verified=is_verified)
    for number in range(3):
        order(api, shop, number)
    mails = post.deliver()
    assert [mail["Subject"] for mail in mails] == [f"Your tickets for {SPAM}"] * 3


@pytest.mark.parametrize("verified_at", [None, 1])
def test_buyers_get_the_tickets_only_at_their_own_verified_address(api, post, verified_at):
    roles = ("user",)
    accounts.create_account(
        Account(user_id="ada", email=VICTIM, roles=roles, created_at=1, verified_at=verified_at), "correct horse battery"
    )
    assert builders.buy(api, "ada", *publish(api), 1).status == 201
    [mail] = post.deliver()
    assert (SPAM in whole_text(mail)) == (verified_at is not None)


def test_no_address_gets_more_than_its_limit_and_what_is_left_waits(api, post, time):
    shop = publish(api, is_verified=True)
    with settings.override(limit_recipient="3/86400"):
        for number in range(5):
            order(api, shop, number)
        assert len(post.deliver()) == 3
        assert len(post.deliver()) == 3
        time.advance(86_400)
        assert len(post.deliver()) == 5


def test_a_promoter_sends_no_more_than_the_limit_to_all_addresses(api, post, time):
    shop = publish(api)
    with settings.override(limit_unverified_mail="4/86400"):
        for number in range(9):
            order(api, shop, number, f"victim-{number}@example.com")
        assert len(post.deliver()) == 4
        time.advance(21_600)
        assert len(post.deliver()) == 5
        time.advance(86_400)
        assert len(post.deliver()) == 9


def test_a_mail_that_the_provider_did_not_take_is_counted_once(api, post, time):
    order(api, publish(api), 1)
    post.provider.fault = lambda call: MailFailed("busy") if call == 1 else None
    assert post.deliver() == []
    time.advance(3600)
    assert len(post.deliver()) == 1


def test_invitations_have_no_text_of_an_unverified_promoter(api, post):
    event_id, _ = publish(api)
    by = {"token": builders.token("mal", "promoter")}
    for path in ("a@example.com", "b@example.com"):
        assert api.post(f"/events/{event_id}/members", json={"email": path, "role": "staff"}, **by).status == 201
    for mail in post.provider.parsed():
        assert SPAM not in whole_text(mail)
        assert "an event at" in mail["Subject"]


@pytest.mark.parametrize("is_verified", [False, True])
def test_the_invitation_to_a_seat_has_no_text_of_an_unverified_promoter(api, post, is_verified):
    order(api, publish(api, 500, is_verified=is_verified), 1, "bot@example.com")
    [ticket] = api.get("/tickets", user="bot-1").json["tickets"]
    invited = api.put(f"/seats/{ticket['id']}.1/guest", json={"name": "Bob", "email": VICTIM}, user="bot-1")
    assert (invited.status, invited.json["guest"]["email"]) == (200, VICTIM)
    [mail] = [mail for mail in post.provider.parsed() if mail["To"] == VICTIM]
    assert (SPAM in whole_text(mail)) == is_verified
    assert "#token=" in whole_text(mail)


def create_owner(user_id: str, email: str) -> None:
    account = Account(user_id=user_id, email=email, roles=("user",), created_at=1, verified_at=1)
    accounts.create_account(account, "correct horse battery")


def test_strangers_cannot_hold_up_paid_orders_and_the_owner_of_an_address(api, post):
    free, paid = publish(api, is_verified=True), publish(api, 500, is_verified=True)
    create_owner("ada", VICTIM)
    with settings.override(limit_recipient="2/86400"):
        for number in range(5):
            order(api, free, number)
        assert len(post.deliver()) == 2
        assert builders.buy(api, "ada", *free, 1).status == 201
        order(api, paid, 10)
        assert len(post.deliver()) == 4


def test_a_free_order_elsewhere_does_not_drop_the_short_mail_about_an_order(api, post):
    order(api, publish(api), 1)
    order(api, publish(api), 2)
    assert len(post.deliver()) == 2


def test_a_second_short_mail_about_an_event_is_sent_a_day_later_and_others_are_dropped(api, post, time):
    shop = publish(api)
    for number in range(6):
        order(api, shop, number)
    for day in range(4):
        assert len(post.deliver()) == min(day + 1, 3)
        time.advance(86_400)


def test_mails_that_wait_for_their_address_do_not_use_up_the_promoters_limit(api, post, time):
    shop = publish(api)
    with settings.override(limit_recipient="1/86400", limit_unverified_mail="3/86400"):
        order(api, shop, 1)
        order(api, publish(api), 2)
        assert len(post.deliver()) == 1
        for _ in range(4):
            time.advance(3600)
            post.send()
        for number in (3, 4):
            order(api, shop, number, f"other-{number}@example.com")
        assert len(post.deliver()) == 3


def test_paid_orders_do_not_use_up_the_promoters_limit(api, post):
    shop = publish(api, 500, is_verified=True)
    with settings.override(limit_promoter_mail="1/86400"):
        for number in range(3):
            order(api, shop, number, f"buyer-{number}@example.com")
        assert len(post.deliver()) == 3


@pytest.mark.parametrize("is_verified", [False, True])
def test_sales_at_the_box_office_count_like_free_orders(api, post, is_verified):
    """The seller enters what was paid there, so a high price proves nothing."""
    event_id, tier_id = publish(api, 500, is_verified=is_verified)
    token = builders.token("mal", "promoter")
    held_back = {"holdbacks": [{"id": "counter", "reason": "box_office", "quantity": 50}]}
    assert api.patch(f"/tiers/{tier_id}", json=held_back, token=token).status == 200
    for number in range(5):
        sale = {
            "id": f"till-1/{number:04}",
            "tier_id": tier_id,
            "holdback_id": "counter",
            "quantity": 1,
            "price_cents": 500,
            "method": "cash",
        }
        sold = api.post(f"/events/{event_id}/box-office-orders", json=sale | {"name": SPAM, "email": VICTIM}, token=token)
        assert sold.status == 201, sold.json
    with settings.override(limit_recipient="3/86400"):
        mails = post.deliver()
    assert len(mails) == (3 if is_verified else 1)
    assert any(SPAM in whole_text(mail) for mail in mails) == is_verified
    assert not queries.has_paid_order(VICTIM)


def test_free_orders_at_the_shops_own_events_have_a_limit_too(api, post):
    event_id = builders.create_event(api)
    shop = event_id, builders.create_tier(api, event_id, price_cents=0)
    with settings.override(limit_promoter_mail="2/86400"):
        for number in range(4):
            order(api, shop, number, f"buyer-{number}@example.com")
        assert len(post.deliver()) == 2


def create_shop(api: Client, price_cents: int = 0) -> tuple[str, str]:
    """An event of the shop. Returns the event's and the tier's ids."""
    event_id = builders.create_event(api)
    return event_id, builders.create_tier(api, event_id, price_cents=price_cents)


def pdf_text(mail) -> str:
    [pages] = [part.get_content() for part in mail.walk() if part.get_content_type() == "application/pdf"]
    return " ".join(page.text for page in pdfs.read(pages))


@pytest.mark.parametrize("price_cents", [0, 500])
def test_a_mail_about_a_free_order_has_no_name_that_the_buyer_typed(api, post, price_cents):
    order(api, create_shop(api, price_cents), 1)
    [mail] = post.deliver()
    assert mail["Subject"] == "Your tickets for Night"
    assert (SPAM in whole_text(mail)) == (price_cents > 0)
    assert (SPAM in pdf_text(mail)) == (price_cents > 0)


@pytest.mark.parametrize("is_owner", [False, True])
def test_a_mail_about_a_received_ticket_names_the_giver_only_to_a_verified_address(api, post, is_owner):
    create_owner("mal", "mal@example.com")
    assert api.patch("/auth/me", json={"first_name": SPAM}, user="mal").status == 200
    if is_owner:
        create_owner("ada", VICTIM)
    assert builders.buy(api, "mal", *create_shop(api, 500), customer_email="mal@example.com").status == 201
    transfer_ticket(api, "mal", "ada", {} if is_owner else {"email": VICTIM})
    [mail] = [mail for mail in post.deliver() if mail["To"] == VICTIM]
    assert (SPAM in whole_text(mail)) == is_owner


def test_transfers_of_a_paid_ticket_send_no_text_of_an_unverified_promoter(api, post):
    assert builders.buy(api, "mal", *publish(api, 500), customer_email="mal@example.com").status == 201
    transfer_ticket(api, "mal", "bot", {"email": VICTIM})
    [mail] = [mail for mail in post.deliver() if mail["To"] == VICTIM]
    assert SPAM not in whole_text(mail)


@pytest.mark.parametrize("verified_at", [None, 1])
@pytest.mark.parametrize("price_cents", [0, 500])
def test_offers_at_an_unverified_promoter_name_the_event_only_to_a_verified_address(api, post, time, price_cents, verified_at):
    """An offer of a ticket with a price costs nothing, so its price limits nothing."""
    accounts.create_account(
        Account(user_id="bot", email=VICTIM, roles=("user",), created_at=1, verified_at=verified_at), "correct horse battery"
    )
    event_id, tier_id = publish(api, price_cents, capacity=1)
    sold = builders.buy(api, "ada", event_id, tier_id, 1).json["order"]["id"]
    time.advance(5)
    assert lines.join(api, "bot", event_id).status == 201
    lines.give_back(api, sold)
    lines.run_allocator()
    [mail] = [mail for mail in post.deliver() if mail["To"] == VICTIM]
    assert (SPAM in whole_text(mail)) == (verified_at is not None)
    assert ("/account" in whole_text(mail)) == (verified_at is None)
    assert mail["List-Unsubscribe"]
    if verified_at is None:
        assert mail["Subject"] == "We are holding tickets for you at Shop"
        assert "Until: " in whole_text(mail)
        api.delete(f"/waitlist/{lines.own(api, 'bot')[0]['id']}", user="bot")
        time.advance(86_400)
        assert len([mail for mail in post.deliver() if mail["To"] == VICTIM]) == 1


@pytest.mark.parametrize("is_verified", [False, True])
def test_notes_of_an_unverified_promoter_are_not_sent_even_to_buyers_who_paid(api, post, time, is_verified):
    shop = publish(api, 500, is_verified=is_verified)
    order(api, shop, 1)
    time.advance(60)
    change = {"venue": "The other hall", "change_note": "Pay the rest at mal.example"}
    assert api.patch(f"/events/{shop[0]}", json=change, token=builders.token("mal", "promoter")).status == 200
    post.follow()
    time.advance(event_notices.QUIET_SECONDS)
    [mail] = [mail for mail in post.deliver() if mail["Subject"].startswith("Changed: ")]
    assert "The other hall" in whole_text(mail)
    assert ("mal.example" in whole_text(mail)) == is_verified


def transfer_ticket(api: Client, giver: str, receiver: str, accepted: dict[str, str]) -> None:
    """Give the only ticket of a user to another user."""
    [ticket] = api.get("/tickets", user=giver).json["tickets"]
    token = api.post(f"/tickets/{ticket['id']}/transfer", user=giver).json["token"]
    assert api.post(f"/transfers/{token}/accept", json=accepted, user=receiver).status == 201


def test_a_ticket_that_goes_back_and_forth_stops_after_the_limit(api, post, time):
    """Each time causes two emails, which would use up the promoter's limit and keep other emails waiting."""
    create_owner("ada", "ada@example.com")
    create_owner("bob", "bob@example.com")
    assert builders.buy(api, "ada", *create_shop(api)).status == 201
    people = ["ada", "bob"]
    with settings.override(limit_recipient="4/86400"):
        for number in range(4):
            transfer_ticket(api, people[number % 2], people[(number + 1) % 2], {})
        [ticket] = api.get("/tickets", user="ada").json["tickets"]
        token = api.post(f"/tickets/{ticket['id']}/transfer", user="ada").json["token"]
        refused = api.post(f"/transfers/{token}/accept", user="bob")
        assert (refused.status, refused.json["error"]) == (429, "rate_limited")
        assert refused.json["retry_after_seconds"] == 21_600
        time.advance(21_600)
        assert [api.post(f"/transfers/{token}/accept", user="bob").status for _ in range(3)] == [201, 200, 200]


def test_the_email_about_a_paid_order_is_sent_again_only_up_to_the_limit(api, post, time):
    shop = publish(api, 500, is_verified=True)
    order(api, shop, 1)
    assert len(post.deliver()) == 1
    by = {"token": builders.token("mal", "promoter")}
    [message] = api.get("/admin/messages", query={"event_id": shop[0]}, **by).json["messages"]
    statuses = []
    with settings.override(limit_recipient="2/86400"):
        for _ in range(4):
            statuses.append(api.post(f"/admin/messages/{message['id']}/resend", **by).status)
            post.send()
    assert statuses == [200, 200, 429, 429]
    assert len(post.deliver()) == 3


def test_the_emails_about_one_order_share_the_limit_for_sending_them_again(api, post, time):
    shop = publish(api, 500, is_verified=True)
    order_id = order(api, shop, 1)["id"]
    post.deliver()
    by = {"token": builders.token("mal", "promoter")}
    assert api.put(f"/admin/orders/{order_id}/email", json={"email": VICTIM.upper()}, **by).status == 200
    order(api, shop, 2)
    post.deliver()
    messages = api.get("/admin/messages", query={"event_id": shop[0]}, **by).json["messages"]
    own = [message["id"] for message in messages if message["subject_id"] == order_id]
    [other] = [message["id"] for message in messages if message["subject_id"] != order_id]
    with settings.override(limit_recipient="2/86400"):
        replies = [api.post(f"/admin/messages/{message_id}/resend", **by) for message_id in (own[0], own[1], own[0], other)]
        post.send()
        refused = api.post(f"/admin/messages/{own[0]}/resend", **by)
    assert [reply.status for reply in replies] == [200, 200, 409, 200]
    assert (refused.status, refused.json["error"]) == (429, "rate_limited")


@pytest.mark.parametrize(("is_verified", "count"), [(False, 10), (True, 13)])
def test_a_cheap_order_that_is_refunded_in_many_parts_sends_little_text_of_an_unverified_promoter(api, post, is_verified, count):
    with settings.override(event_purchase_limit=13, tier_purchase_limit=13):
        shop = publish(api, 2, is_verified=is_verified)
        order_id = builders.buy(api, "bot", *shop, 13, customer_email=VICTIM).json["order"]["id"]
    for number in range(1, 14):
        assert builders.refund(api, order_id, key=f"part-{number}", tickets=[f"{order_id}-{number}"]).status == 201
    mails = post.deliver()
    assert len([mail for mail in mails if SPAM in whole_text(mail)]) == count
    assert len(mails) == (count if is_verified else count + 1)  # one short email about the order in a day


@pytest.mark.parametrize("locked", [False, True])
def test_buyers_of_free_tickets_learn_of_a_change_unless_the_event_is_suspended(api, post, time, locked):
    promoter_id, by = sign_up_promoter(api)
    event_id = api.post("/events", json=EVENT, **by).json["id"]
    tier_id = api.post(f"/events/{event_id}/tiers", json={"name": SPAM, "price_cents": 0, "capacity": 10}, **by).json["id"]
    assert api.post(f"/events/{event_id}/publish", **by).status == 200
    assert builders.buy(api, "ada", event_id, tier_id, customer_email=VICTIM).status == 201
    assert api.patch(f"/admin/users/{promoter_id}", json={"locked": locked}, token=builders.admin_token()).status == 200
    post.deliver()
    time.advance(86_400)
    assert api.patch(f"/events/{event_id}", json={"venue": f"{SPAM}!"}, token=builders.admin_token()).status == 200
    post.follow()
    time.advance(event_notices.QUIET_SECONDS)
    post.send()
    mails = [mail for mail in post.deliver() if mail["To"] == VICTIM]
    subjects = ["Your order at Shop"] if locked else ["Your order at Shop", "An event in your order at Shop has changed"]
    assert [mail["Subject"] for mail in mails] == subjects
    assert SPAM not in "".join(map(whole_text, mails))


@pytest.mark.parametrize("is_verified", [False, True])
def test_tags_and_dots_do_not_make_another_recipient(api, post, is_verified):
    shop = publish(api, is_verified=is_verified)
    with settings.override(limit_recipient="3/86400"):
        for number in range(6):
            order(api, shop, number, f"vic.tim+{number}@gmail.com")
        assert len(post.deliver()) == (3 if is_verified else 1)


def publish_returnable(api: Client, time, shop: tuple[str, str] | None = None, **policy: Any) -> tuple[str, str]:
    """A paid event at which buyers may return tickets."""
    shop = shop or builders.create_shop(api, price_cents=5000)
    fields = {"returns": {"policy": "refund", **policy}, "starts_at": clock.iso(time.now + 30 * 86_400)}
    assert api.patch(f"/events/{shop[0]}", json=fields, token=builders.admin_token()).status == 200
    return shop


def test_orders_whose_whole_price_comes_back_cause_few_emails_to_strangers(api, post, time):
    shop = publish_returnable(api, time)
    with settings.override(limit_recipient="3/86400"):
        for number in range(4):
            found = order(api, shop, number)
            post.deliver()
            assert api.post(f"/orders/{found['id']}/return", json={}, user=f"bot-{number}").status == 200
        mails = post.deliver()
        assert [SPAM in whole_text(mail) for mail in mails] == [True, False, True, False, False]
        assert [mail["Subject"].startswith("Your tickets") for mail in mails] == [True, False, True, True, True], "three refunds wait"
        time.advance(86_400)
        assert len(post.deliver()) == 8


def test_free_orders_do_not_delay_emails_about_returnable_orders(api, post, time):
    free, shop = publish(api, is_verified=True), publish_returnable(api, time)
    with settings.override(limit_recipient="2/86400"):
        for number in range(4):
            order(api, free, number)
        assert len(post.deliver()) == 2
        order(api, shop, 4)
        assert len(post.deliver()) == 3


def reach_limit_with_returns(api: Client, post: Any, shop: tuple[str, str]) -> None:
    """Use up a limit of two emails about orders that strangers return, and make two further ones wait."""
    for number in range(4):
        found = order(api, shop, number)
        assert api.post(f"/orders/{found['id']}/return", json={}, user=f"bot-{number}").status == 200
    assert len(post.deliver()) == 2


def test_returned_orders_of_strangers_do_not_delay_the_tickets_of_a_buyer(api, post, time):
    shop = publish_returnable(api, time, publish(api, 5000, is_verified=True))
    profile = {"name": "Mal", "verified": True, "invoices": {"name": "Mal", "address": "1 Harbor Street", "tax_id": "PT501234567"}}
    assert api.put("/promoters/mal", json=profile, token=builders.admin_token()).status == 200
    with settings.override(limit_recipient="2/86400"):
        reach_limit_with_returns(api, post, shop)
        post.provider.fault = lambda call: MailFailed("busy") if call == 3 else None
        bought = builders.buy(api, "ada", *shop, 1, attendees=[{"name": "Typed"}], customer_email=VICTIM).json
        assert len(post.deliver()) == 2
        time.advance(60)
        [mail] = post.deliver()[2:]
    assert bought["order"]["number"] in whole_text(mail)
    assert "Typed" not in whole_text(mail) + pdf_text(mail), "nor an invoice, which may name a company"


def test_above_the_limit_tickets_of_an_unverified_promoter_get_only_a_link(api, post, time):
    shop = publish_returnable(api, time, publish(api, 5000))
    with settings.override(limit_recipient="2/86400"):
        reach_limit_with_returns(api, post, shop)
        for number in (4, 5):
            order(api, shop, number)
        mails = post.deliver()[2:]
    for mail in mails:
        token = whole_text(mail).partition("find-tickets#token=")[2].split()[0]
        assert len(api.post("/lost-tickets/open", json={"token": token}).json["tickets"]) == 1
        assert SPAM not in whole_text(mail)
    assert len(mails) == 2


@pytest.mark.parametrize("price_cents", [0, 1])
def test_a_free_ticket_that_is_left_of_a_returned_order_causes_no_emails_above_the_limit(api, post, time, price_cents):
    event_id, tier_id = shop = publish_returnable(api, time)
    other = builders.create_tier(api, event_id, "Other", price_cents=price_cents)
    with settings.override(limit_recipient="2/86400"):
        reach_limit_with_returns(api, post, shop)
        reserved = builders.reserve_items(api, "bot", event_id, {tier_id: 1, other: 1})
        order_id = reserved.json["id"]
        assert builders.start_checkout(api, "bot", order_id, customer_email=VICTIM).status == 201
        assert builders.confirm(api, "bot", order_id).status == 201
        body = {"tickets": [f"{order_id}-1"]}
        assert api.post(f"/orders/{order_id}/return", json=body, user="bot").status == 200
        assert len(post.deliver()) == 2 + 2 * price_cents


@pytest.mark.parametrize("policy", [{"fee_cents": 100}, {"fee_percent": 10}])
def test_orders_that_keep_a_fee_are_not_limited(api, post, time, policy):
    shop = publish_returnable(api, time, **policy)
    with settings.override(limit_recipient="1/86400"):
        for number in range(3):
            order(api, shop, number)
        assert len(post.deliver()) == 3


def test_verified_buyers_get_all_emails_about_returnable_orders(api, post, time):
    account = Account(user_id="ada", email=VICTIM, roles=("user",), created_at=1, verified_at=1)
    accounts.create_account(account, "correct horse battery")
    shop = publish_returnable(api, time)
    with settings.override(limit_recipient="1/86400"):
        for _ in range(3):
            assert builders.buy(api, "ada", *shop, 1).status == 201
            time.advance(61)
        assert len(post.deliver()) == 3
