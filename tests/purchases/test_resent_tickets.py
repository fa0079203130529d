"""Staff send the tickets of an order again, to its address or to a corrected one."""

import pytest

from chalicelib.accounts import service as accounts
from chalicelib.accounts.model import Account
from chalicelib.audit import service as audit
from chalicelib.edge import auth
from chalicelib.foundation import settings
from chalicelib.purchases import store
from tests import builders, invariants
from tests.accounts.conftest import mailbox  # noqa: F401
from tests.addons.messages.conftest import post  # noqa: F401
from tests.purchases.test_lost_tickets import ask, buy, find, follow
from tests.simulation.interference import interfere_before

WRONG, RIGHT = "ada@exmaple.com", "ada@example.com"


@pytest.fixture
def event(api, time):
    return builders.create_shop(api, capacity=50)


def send(api, order_id, email, **who):
    return api.put(f"/admin/orders/{order_id}/email", json={"email": email}, **(who or {"token": builders.admin_token()}))


def create_account(user_id, email, time):
    accounts.create_account(Account(user_id=user_id, email=email, roles=("user",), created_at=time.now), "seven grey owls")


def test_a_corrected_address_gets_the_tickets(post, api, event, time):  # noqa: F811
    order_id = buy(api, event, "guest-1", WRONG, 2)
    assert [mail["To"] for mail in post.deliver()] == [WRONG]
    reply = send(api, order_id, RIGHT)
    assert (reply.status, reply.json["order"]["buyer"]["email"], reply.json["order"]["has_account"]) == (200, RIGHT, False)
    first, second = post.deliver()
    assert (second["To"], second["Subject"]) == (RIGHT, first["Subject"])
    assert second["Message-ID"] != first["Message-ID"]  # a mail program may hide an email that has the id of an earlier one
    code = api.get(f"/orders/{order_id}", user="guest-1").json["tickets"][0]["code"]
    assert code in second.get_body(("plain",)).get_content()
    invariants.check(time.now)


def test_the_former_address_hears_of_the_change_but_not_of_the_new_address(api, event, mailbox):  # noqa: F811
    order_id = buy(api, event, "guest-1", WRONG)
    number = send(api, order_id, RIGHT).json["order"]["number"]
    [notice] = mailbox.mails
    assert (notice.to, notice.subject) == (WRONG, f"The email address for your order {number} has changed")
    assert RIGHT not in notice.text + notice.html
    send(api, order_id, RIGHT.upper())  # the same mailbox
    assert len(mailbox.mails) == 1


def test_a_former_address_hears_of_a_few_changes_only(api, event, mailbox):  # noqa: F811
    """A buyer can type a stranger's address in many orders, and staff correct them all."""
    orders = [buy(api, event, f"guest-{number}", WRONG) for number in range(4)]
    with settings.override(rate_limits="on", limit_mail="2/900"):
        for number, order_id in enumerate(orders):
            assert send(api, order_id, f"ada-{number}@example.com").status == 200
    assert [mail.to for mail in mailbox.mails] == [WRONG] * 2


def test_the_former_address_hears_of_it_in_the_language_of_the_order(api, event, mailbox):  # noqa: F811
    order_id = builders.reserve(api, "guest-1", *event).json["id"]
    body = {"reservation_id": order_id, "customer_email": WRONG}
    api.post("/checkout/sessions", json=body, user="guest-1", headers={"Idempotency-Key": order_id, "Accept-Language": "es"})
    builders.confirm(api, "guest-1", order_id)
    number = send(api, order_id, RIGHT).json["order"]["number"]
    assert [mail.subject for mail in mailbox.mails] == [f"Ha cambiado el correo electrónico de tu pedido {number}"]


def test_only_the_new_address_finds_the_tickets(api, event, mailbox):  # noqa: F811
    order_id = buy(api, event, "guest-1", WRONG)
    other_id = buy(api, event, "guest-2", WRONG)
    ask(api, WRONG)
    earlier = mailbox.token("find_tickets")
    assert send(api, order_id, RIGHT).status == 200
    assert [found["ticket"]["id"] for found in follow(api, earlier).json["tickets"]] == [f"{other_id}-1"]
    assert find(api, mailbox, RIGHT) == [f"{order_id}-1"]


def test_the_same_address_gets_the_tickets_again_but_a_repeated_request_sends_nothing(post, api, event, time):  # noqa: F811
    order_id = buy(api, event, "guest-1", RIGHT)
    time.advance(3600)
    assert [send(api, order_id, RIGHT).status for _ in range(2)] == [200, 200]
    assert len(post.deliver()) == 2
    time.advance(60)
    send(api, order_id, RIGHT)
    assert len(post.deliver()) == 3


def test_an_order_without_an_address_gets_one(post, api, event, mailbox):  # noqa: F811
    order_id = buy(api, event, "guest-1", None)
    assert post.deliver() == []
    assert send(api, order_id, RIGHT).status == 200
    assert [mail["To"] for mail in post.deliver()] == [RIGHT]


def test_the_details_of_the_checkout_stay(api, event):
    reservation_id = builders.reserve(api, "guest-1", *event).json["id"]
    builders.start_checkout(api, "guest-1", reservation_id, customer_email=WRONG, attendees=[{"name": "Ada"}], responses={"diet": "vegan"})
    builders.confirm(api, "guest-1", reservation_id)
    order = send(api, reservation_id, RIGHT).json["order"]
    assert (order["customer_email"], order["attendees"][0]["name"], order["responses"]) == (RIGHT, "Ada", {"diet": "vegan"})


def test_the_audit_log_says_who_changed_an_address_but_not_the_address(api, event, time):
    order_id = buy(api, event, "guest-1", WRONG)
    send(api, order_id, RIGHT)
    time.advance(60)
    send(api, order_id, RIGHT)
    entries = audit.list_entries(f"order#{order_id}")
    assert [(entry.action, entry.actor, entry.event_id) for entry in entries] == [
        ("order.resent", "root", event[0]),
        ("order.address_changed", "root", event[0]),
    ]
    assert "exa" not in str([(entry.details, entry.changes) for entry in entries])


def test_only_people_who_manage_the_event_send_tickets(api, event):
    order_id = buy(api, event, "guest-1", WRONG)
    staff = auth.issue_token("sam", {"user"}, events={event[0]: "staff"})
    stranger = auth.issue_token("paul", {"promoter"})
    coordinator = auth.issue_token("cleo", {"user"}, events={event[0]: "coordinator"})
    replies = [
        send(api, order_id, RIGHT, **who) for who in ({"user": "guest-1"}, {"token": staff}, {"token": stranger}, {"token": coordinator})
    ]
    assert [reply.status for reply in replies] == [403, 403, 404, 200], [reply.json for reply in replies]


def test_an_order_is_sent_again_five_times_a_day_whatever_the_address(api, event, time):
    order_id = buy(api, event, "guest-1", WRONG)
    assert [send(api, order_id, f"{number}@example.com").status for number in range(5)] == [200] * 5
    refused = send(api, order_id, RIGHT)
    assert (refused.status, refused.json["error"], refused.json["retry_after_seconds"]) == (429, "resent_too_often", 86_400)
    assert store.load_details(store.load(order_id)).customer_email == "4@example.com"
    time.advance(86_400)
    assert send(api, order_id, RIGHT).status == 200


def test_an_order_is_sent_again_twenty_times_in_total(api, event, time):
    order_id = buy(api, event, "guest-1", WRONG)
    for _ in range(4):
        assert [send(api, order_id, f"{number}@example.com").status for number in range(5)] == [200] * 5
        time.advance(86_400)
    refused = send(api, order_id, RIGHT)
    assert (refused.status, refused.json["error"], refused.json["reason"]) == (409, "tickets_not_sendable", "sent_too_often")


def test_an_address_gets_few_mails_from_all_orders(api, event, time):
    orders = [buy(api, event, f"guest-{number}", WRONG) for number in range(3)]
    with settings.override(rate_limits="on", limit_mail="2/900"):
        replies = [send(api, order_id, RIGHT) for order_id in orders]
    assert [reply.status for reply in replies[:2]] == [200, 200]
    assert (replies[2].status, replies[2].json["error"]) == (429, "rate_limited")


@pytest.mark.parametrize("email", ["ada", "", "ada@", "a" * 250 + "@example.com"])
def test_an_address_is_checked_as_at_the_checkout(api, event, email):
    order_id = buy(api, event, "guest-1", WRONG)
    reply = send(api, order_id, email)
    assert (reply.status, reply.json["error"], reply.json["path"]) == (400, "invalid_input", "$.email")


def test_an_order_of_an_account_goes_to_the_order_or_the_account(post, api, event, time):  # noqa: F811
    order_id = buy(api, event, "ada", None)
    create_account("ada", RIGHT, time)
    refused = send(api, order_id, "eve@example.com")
    assert (refused.status, refused.json["error"], refused.json["path"]) == (409, "account_address_fixed", "$.email")
    reply = send(api, order_id, RIGHT)
    assert (reply.status, reply.json["order"]["has_account"]) == (200, True)
    assert [mail["To"] for mail in post.deliver()][1:] == [RIGHT]


def test_a_mistyped_order_of_an_account_follows_the_account(post, api, event, time):  # noqa: F811
    order_id = buy(api, event, "ada", WRONG)
    create_account("ada", RIGHT, time)
    assert send(api, order_id, WRONG).status == 200
    assert send(api, order_id, RIGHT.upper()).status == 200
    assert store.load_details(store.load(order_id)).email is None
    assert {mail["To"] for mail in post.deliver()} == {RIGHT}


def refuse(api, order_id):
    reply = send(api, order_id, RIGHT)
    return reply.status, reply.json["error"], reply.json.get("reason")


def test_orders_without_a_ticket_of_the_buyer_are_refused(api, event):
    unpaid = builders.reserve(api, "guest-1", *event).json["id"]
    assert refuse(api, unpaid) == (404, "order_not_found", None)
    builders.start_checkout(api, "guest-1", unpaid, customer_email=WRONG)
    assert refuse(api, unpaid) == (409, "tickets_not_sendable", "unpaid")
    refunded = buy(api, event, "guest-2", WRONG)
    builders.refund(api, refunded)
    assert refuse(api, refunded) == (409, "tickets_not_sendable", "refunded")
    given = buy(api, event, "guest-3", WRONG)
    token = api.post(f"/tickets/{given}-1/transfer", user="guest-3").json["token"]
    api.post(f"/transfers/{token}/accept", user="bob")
    assert refuse(api, given) == (409, "tickets_not_sendable", "given_away")


def test_an_erased_buyer_gets_no_address_again(api, event):
    order_id = buy(api, event, "guest-1", WRONG)
    assert api.delete("/auth/me", json={}, user="guest-1").status == 200
    assert refuse(api, order_id) == (409, "tickets_not_sendable", "erased")
    assert store.list_ids_of_address(RIGHT, 10) == []


@pytest.mark.parametrize("is_erasure_first", [True, False])
def test_an_erasure_at_the_same_time_leaves_no_address(api, event, is_erasure_first):
    for number in range(1, 30):
        user = f"guest-{number}"
        order_id = buy(api, event, user, WRONG)
        calls = [lambda user=user: api.delete("/auth/me", json={}, user=user), lambda order_id=order_id: send(api, order_id, RIGHT)]
        outer, inner = calls if is_erasure_first else reversed(calls)
        with interfere_before(number, inner) as interfered:
            outer()
        if not interfered:
            break
        order = store.load(order_id)
        assert (order.is_erased, store.load_details(order).email) == (True, None), number
    assert 8 < number < 29


def test_frozen_tickets_are_not_sent(shop):
    order_id = shop.buy("ada", 1, "pm_card_createDispute")
    shop.time.advance(10)
    shop.fake.deliver()
    assert refuse(shop.api, order_id) == (409, "tickets_not_sendable", "frozen")
