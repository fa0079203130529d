"""The limit of emails that anybody can request for any address, for the whole stage. Confirmed addresses get their emails above it."""

import pytest

from chalicelib.accounts import service as accounts
from chalicelib.accounts.model import Account
from chalicelib.edge import rate_limits
from chalicelib.foundation import deadline, log, memory, settings
from chalicelib.notifications import service as notifications
from chalicelib.notifications.providers import ProviderBusy
from chalicelib.notifications.service import MailDraft
from tests import builders
from tests.accounts.conftest import mailbox  # noqa: F401
from tests.simulation import faults
from tests.waiting_room.sale import create_sale

BUYER = "ada@example.com"
SEND = notifications.send


@pytest.fixture
def waited(monkeypatch) -> list[float]:
    """The seconds that the replies waited."""
    seconds: list[float] = []
    monkeypatch.setattr(deadline.time, "sleep", seconds.append)
    return seconds


@pytest.fixture(autouse=True)
def _limited(_settings, time, waited):
    with settings.override(rate_limits="on", limit_requested_mail="2/3600"):
        yield


def from_another_network(number, **fields):
    """Options of a request from another address, which another instance receives."""
    rate_limits._local_counters.forget()
    return {"source_ip": f"198.51.100.{number}", **fields}


def reach_limit(api):
    for number in (1, 2):
        assert api.post("/lost-tickets", json={"email": f"made-up-{number}@example.com"}, **from_another_network(number)).status == 200


def buy(api, email, price_cents=500, user="guest-1"):
    shop = builders.create_shop(api, price_cents=price_cents)
    with settings.override(rate_limits="off"):
        assert builders.buy(api, user, *shop, customer_email=email).status == 201


def create_account(user_id, email, verified_at):
    accounts.create_account(
        Account(user_id=user_id, email=email, roles=("user",), created_at=1, verified_at=verified_at), "seven grey owls"
    )


REQUESTS = {
    "find_tickets": lambda api, email, options: api.post("/lost-tickets", json={"email": email}, **options),
    "reset_password": lambda api, email, options: api.post("/auth/password/forgot", json={"email": email}, **options),
    "verify_email": lambda api, email, options: api.post("/auth/email/resend", json={"email": email}, **options),
    "register": lambda api, email, options: api.post("/auth/register", json={"email": email, "password": "nine green herons"}, **options),
}


@pytest.mark.parametrize("kind", REQUESTS)
def test_many_networks_together_cause_few_emails_to_made_up_addresses(api, time, mailbox, kind):  # noqa: F811
    counted = log.total("mails_withheld")
    replies = [REQUESTS[kind](api, f"made-up-{number}@example.com", from_another_network(number)) for number in range(1, 7)]
    assert {reply.status for reply in replies} == {201 if kind == "register" else 200}
    assert len(mailbox.mails) == 2
    assert log.total("mails_withheld") == counted + 4
    time.advance(1800)
    REQUESTS[kind](api, "made-up-7@example.com", from_another_network(7))
    assert [mail.to for mail in mailbox.mails][2:] == ["made-up-7@example.com"]


def test_all_kinds_of_requested_emails_share_the_limit(api, mailbox):  # noqa: F811
    for number, request in enumerate(REQUESTS.values()):
        request(api, f"made-up-{number}@example.com", from_another_network(number))
    assert len(mailbox.mails) == 2


def test_buyers_who_have_paid_get_their_link_above_the_limit(api, mailbox):  # noqa: F811
    buy(api, "Ada@example.com")
    reach_limit(api)
    for number in range(3):
        assert api.post("/lost-tickets", json={"email": BUYER}, **from_another_network(10 + number)).status == 200
    assert mailbox.kinds(BUYER) == ["find_tickets"] * 3


def test_unpaid_checkouts_free_orders_and_received_tickets_confirm_no_address(api, mailbox):  # noqa: F811
    buy(api, "free@example.com", price_cents=0)
    shop = builders.create_shop(api, price_cents=500)
    with settings.override(rate_limits="off"):
        unpaid = builders.reserve(api, "guest-2", *shop).json["id"]
        assert builders.start_checkout(api, "guest-2", unpaid, customer_email="unpaid@example.com").status == 201
        order_id = builders.create_order(api, shop, 1, "guest-3")
        token = api.post(f"/tickets/{order_id}-1/transfer", user="guest-3").json["token"]
        assert api.post(f"/transfers/{token}/accept", json={"email": "given@example.com"}, user="guest-4").status == 201
    reach_limit(api)
    mailbox.mails.clear()
    for number, name in enumerate(("free", "unpaid", "given")):
        assert api.post("/lost-tickets", json={"email": f"{name}@example.com"}, **from_another_network(10 + number)).status == 200
    assert mailbox.mails == []


def test_verified_accounts_get_their_emails_above_the_limit(api, mailbox):  # noqa: F811
    create_account("ada", BUYER, verified_at=1)
    create_account("eve", "eve@example.com", verified_at=None)
    reach_limit(api)
    for email in (BUYER, "eve@example.com"):
        for number, request in enumerate(REQUESTS.values()):
            request(api, email, from_another_network(10 + number))
    assert mailbox.kinds(BUYER) == ["find_tickets", "reset_password", "already_verified", "already_registered"]
    assert mailbox.kinds("eve@example.com") == []


@pytest.mark.parametrize("kind", REQUESTS)
def test_neither_the_reply_nor_its_time_shows_whether_an_address_is_confirmed(api, mailbox, waited, kind):  # noqa: F811
    buy(api, BUYER)
    create_account("ada", "owner@example.com", verified_at=1)
    reach_limit(api)
    replies = [
        REQUESTS[kind](api, email, from_another_network(10 + number))
        for number, email in enumerate((BUYER, "owner@example.com", "x@example.com"))
    ]
    shown = [{name: value for name, value in reply.json.items() if name not in ("request_id", "email")} for reply in replies]
    assert shown[0] == shown[1] == shown[2]
    assert waited == [notifications.WITHHELD_SECONDS] * 3


def test_nothing_is_looked_up_and_nothing_waits_up_to_the_limit(api, mailbox, waited):  # noqa: F811
    with faults.record_calls() as calls:
        assert api.post("/lost-tickets", json={"email": BUYER}, **from_another_network(1)).status == 200
    assert {table for call in calls.entries for table in call.tables} == {"rate-limits", "accounts"}
    assert waited == []


def test_a_request_with_little_time_left_does_not_fail(api, mailbox, waited):  # noqa: F811
    reach_limit(api)
    with settings.override(request_seconds=1):
        assert api.post("/lost-tickets", json={"email": "x@example.com"}, **from_another_network(3)).status == 200
    assert all(seconds == 0 for seconds in waited)


@pytest.fixture
def busy(api, provider, mailbox, monkeypatch):  # noqa: F811
    """A provider that refuses emails for its rate."""
    monkeypatch.setattr(notifications, "send", SEND)
    create_account("ada", BUYER, verified_at=1)
    provider.fault = lambda _: ProviderBusy("TooManyRequestsException")
    return provider


@pytest.mark.parametrize("kind", REQUESTS)
def test_an_email_that_a_busy_provider_does_not_accept_is_to_be_requested_again_whatever_the_address(api, busy, waited, kind):
    with settings.override(limit_requested_mail="5000/3600"):
        replies = [REQUESTS[kind](api, email, from_another_network(number)) for number, email in enumerate((BUYER, "made-up@example.com"))]
    shown = [{name: value for name, value in reply.json.items() if name != "request_id"} for reply in replies]
    assert shown[0] == shown[1]
    assert (shown[0]["error"], shown[0]["retry_after_seconds"], replies[0].status) == ("service_unavailable", 60, 503)
    assert busy.calls == 6, "two addresses, three times each"
    assert all(low <= seconds <= high for seconds, (low, high) in zip(waited, [(0.75, 1.25), (1.5, 2.5)] * 2, strict=True))


def test_a_code_that_a_busy_provider_does_not_accept_is_to_be_requested_again(api, time, busy):
    event_id, _ = create_sale(api, time, entry="verified_address")
    reply = api.post(f"/events/{event_id}/waiting-room/code", json={"email": BUYER}, user="ada")
    assert (reply.status, reply.json["error"], reply.headers["Retry-After"]) == (503, "service_unavailable", "60")


def test_a_code_can_be_requested_until_the_provider_accepts_it(api, time, busy):
    """Each instance may be new to the mailbox."""
    event_id, _ = create_sale(api, time, entry="verified_address")

    def ask():
        time.advance(60)
        memory.forget_everything()
        with settings.override(limit_requested_mail="5000/3600"):
            return api.post(f"/events/{event_id}/waiting-room/code", json={"email": BUYER}, user="ada").status

    assert [ask() for _ in range(20)] == [503] * 20
    busy.fault = lambda _: None
    assert (ask(), len(busy.mails)) == (200, 1)


def test_a_provider_that_is_busy_for_a_moment_gets_the_email_a_second_later(api, busy):
    busy.fault = lambda call: ProviderBusy("TooManyRequestsException") if call == 1 else None
    assert api.post("/lost-tickets", json={"email": BUYER}).status == 200
    assert len(busy.mails) == 1


def test_a_busy_provider_reveals_no_confirmed_address_above_the_limit(api, busy, waited):
    busy.fault = lambda call: ProviderBusy("TooManyRequestsException") if call > 2 else None
    reach_limit(api)
    replies = [REQUESTS["find_tickets"](api, email, from_another_network(9 + len(email))) for email in (BUYER, "made-up@example.com")]
    assert [reply.status for reply in replies] == [200, 200]
    assert waited == [notifications.WITHHELD_SECONDS] * 2


def test_a_notice_about_a_change_does_not_fail_because_the_provider_is_busy(busy):
    assert not notifications.send(MailDraft("password_changed", BUYER, "en", {"url": "https://shop.test/x"}))
    assert busy.calls == 3


def test_a_request_with_little_time_left_does_not_wait_for_a_busy_provider(api, busy, waited):
    with settings.override(request_seconds=6):
        assert api.post("/lost-tickets", json={"email": BUYER}).status == 503
    assert (busy.calls, waited) == (1, [])


def test_invitations_to_work_at_events_share_the_limit(api, mailbox):  # noqa: F811
    event_id = builders.create_event(api)
    create_account("ada", BUYER, verified_at=1)
    reach_limit(api)
    mailbox.mails.clear()
    for number, email in enumerate((BUYER, "made-up@example.com")):
        body = {"email": email, "role": "staff"}
        options = from_another_network(10 + number, token=builders.admin_token())
        assert api.post(f"/events/{event_id}/members", json=body, **options).status == 201
    assert [mail.to for mail in mailbox.mails] == [BUYER]


@pytest.mark.parametrize("price_cents", [0, 500])
def test_guests_of_free_tickets_are_invited_once_the_limit_allows_it(api, time, mailbox, price_cents):  # noqa: F811
    create_account("bob", "bob@example.com", verified_at=1)  # `invited_at` must not reveal this
    event_id = builders.create_event(api)
    shop = (event_id, builders.create_tier(api, event_id, price_cents=price_cents, admits=2))
    with settings.override(rate_limits="off"):
        order_id = builders.create_order(api, shop, 1)
    reach_limit(api)
    mailbox.mails.clear()
    guest = {"name": "Bob", "email": "bob@example.com"}
    reply = api.put(f"/seats/{order_id}-1.2/guest", json=guest, user="ada", **from_another_network(9))
    assert (reply.status, reply.json["guest"]["invited_at"] is not None) == (200, price_cents > 0)
    assert len(mailbox.mails) == (price_cents > 0)
    time.advance(1800)
    again = api.post(f"/seats/{order_id}-1.2/invitation", user="ada", **from_another_network(10))
    assert again.json["guest"]["invited_at"] is not None
    assert len(mailbox.mails) == (price_cents > 0) + 1


def test_emails_are_sent_while_the_counters_are_unavailable(api, mailbox):  # noqa: F811
    reach_limit(api)
    rate_limits._local_counters.forget()
    with faults.fail_from(1, faults.throttled, table="rate-limits"):
        assert api.post("/lost-tickets", json={"email": "x@example.com"}).status == 200
    assert mailbox.kinds("x@example.com") == ["find_tickets"]


@pytest.mark.parametrize(
    ("address", "factor", "expected"),
    [
        ("198.51.100.7", 10, 10),
        ("198.51.100.7", 40, 40),
        ("2001:db8:1:1::{:x}", 10, 10),
        ("2001:db8:1:{:x}::1", 10, 20),
    ],
)
def test_one_network_gets_only_a_share_of_the_requested_emails(api, mailbox, address, factor, expected):  # noqa: F811
    with settings.override(limit_requested_mail="200/3600", address_factor=factor):
        for number in range(130):
            email = f"made-up-{number}@example.com"
            last = api.post("/lost-tickets", json={"email": email}, source_ip=address.format(number))
        assert len(mailbox.mails) == expected
        assert (last.status, last.json["by"]) == (429, "address")
        assert api.post("/lost-tickets", json={"email": BUYER}, source_ip="203.0.113.7").status == 200
    assert mailbox.kinds(BUYER) == ["find_tickets"]


def test_the_last_fifth_of_the_limit_is_for_networks_with_few_requests(api, time, mailbox):  # noqa: F811
    with settings.override(limit_requested_mail="200/3600"):

        def request(address, number):
            before = len(mailbox.mails)
            assert api.post("/lost-tickets", json={"email": f"{address}-{number}@example.com"}, source_ip=address).status == 200
            return len(mailbox.mails) - before

        sent = [sum(request(f"198.51.100.{network}", number) for number in range(10)) for network in range(20)]
        assert sent == [10] * 16 + [1] * 4, "above the limit, one each"
        assert [request("203.0.113.1", number) for number in range(3)] == [1, 0, 0]
        assert sum(request(f"192.0.2.{network}", 0) for network in range(60)) == 40 - 4 - 1, "the limit includes the reserve"
        assert len(mailbox.mails) == 200
        time.advance(3600)
        assert request("203.0.113.2", 0) == 1


@pytest.mark.parametrize("address", ["ada@example.com", "ada.l+{}@gmail.com", "ada+{}@tickets.example"])
def test_a_mailbox_gets_a_few_requested_emails_a_day_whoever_requests_them(api, time, mailbox, address):  # noqa: F811
    withheld = log.total("mails_withheld")
    with settings.override(limit_requested_mail="5000/3600"):
        for number in range(24):
            for kind, request in enumerate(REQUESTS.values()):
                request(api, address.format(f"{number}-{kind}"), {"source_ip": f"198.51.100.{number}"})
            time.advance(3600)
    assert 70 <= len(mailbox.mails) < 80
    assert log.total("mails_withheld") == withheld, "which would raise an alarm"


@pytest.mark.parametrize(
    ("address", "expected"),
    [("198.51.100.7", 8), ("2001:db8:1:1::{:x}", 8), ("2001:db8:1:{:x}::1", 16), ("2001:db8:{:x}::1", 20)],
)
def test_one_network_gets_only_a_share_of_the_emails_to_a_mailbox(api, mailbox, address, expected):  # noqa: F811
    with settings.override(limit_requested_mail="5000/3600", limit_mail="99/900"):
        for number in range(30):
            reply = api.post("/lost-tickets", json={"email": BUYER}, source_ip=address.format(number))
            assert reply.status == 200
        assert len(mailbox.mails) == expected
        for number in range(50):
            assert api.post("/lost-tickets", json={"email": BUYER}, source_ip=f"203.0.113.{number}").status == 200
    assert len(mailbox.mails) == 40


@pytest.mark.parametrize("owner", ["2001:db8:1:2::7", "2001:db8:2::7"])
def test_a_network_above_its_share_uses_up_no_share_of_its_neighbors_on_any_instance(api, mailbox, owner):  # noqa: F811
    with settings.override(limit_requested_mail="5000/3600", limit_mail="99/900"):
        for _ in range(30):
            REQUESTS["find_tickets"](api, BUYER, from_another_network(0) | {"source_ip": "2001:db8:1:1::7"})
        assert len(mailbox.mails) == 8
        REQUESTS["find_tickets"](api, BUYER, {"source_ip": owner})
    assert len(mailbox.mails) == 9


def test_a_stranger_in_one_network_keeps_no_email_from_the_owner(api, time, mailbox):  # noqa: F811
    received = []
    with settings.override(limit_requested_mail="5000/3600"):
        for hour in range(24):
            for _ in range(6):
                for request in REQUESTS.values():
                    request(api, BUYER, {"source_ip": "198.51.100.9"})
            count = len(mailbox.mails)
            if hour % 4 == 0:
                name = list(REQUESTS)[hour // 4 % 4]
                reply = REQUESTS[name](api, BUYER, from_another_network(7))
                assert reply.status in (200, 201), "the stranger does not use up the owner's limit"
                received.append(len(mailbox.mails) - count)
            time.advance(3600)
    assert received == [1] * 6
    assert len(mailbox.mails) < 8 + 8 + 6


def test_one_subscriber_cannot_stop_the_other_customers_of_a_carrier(api, time, mailbox):  # noqa: F811
    networks = iter(range(1, 0x8000))
    with settings.override(limit_requested_mail="400/3600"):

        def request_until_refused():
            network = next(networks)
            for number in range(100):
                options = {"json": {"email": f"{network}-{number}@example.com"}, "source_ip": f"2001:db8:{network:x}::1"}
                if api.post("/lost-tickets", **options).status == 429:
                    return number
            raise AssertionError("no limit")

        assert [request_until_refused() for _ in range(12)] == [20] * 10 + [2] * 2, "above half of the limit, a tenth of a share each"
        rate_limits._local_counters.forget()
        for number in range(50):
            options = {"source_ip": f"2001:db8:{0x8000 + number:x}::1"}
            assert api.post("/lost-tickets", json={"email": f"fan-{number}@example.com"}, **options).status == 200
        assert len(mailbox.mails) == 10 * 20 + 2 * 2 + 50
        options = {"source_ip": "2001:db8:1::1"}
        refused = api.post("/lost-tickets", json={"email": BUYER}, **options)
        assert (refused.status, refused.json["by"]) == (429, "address")
        time.advance(refused.json["retry_after_seconds"])
        assert api.post("/lost-tickets", json={"email": BUYER}, **options).status == 200


@pytest.mark.parametrize("kind", REQUESTS)
def test_above_the_limit_of_a_mailbox_neither_reply_nor_time_shows_who_has_an_account(api, mailbox, waited, kind):  # noqa: F811
    create_account("ada", BUYER, verified_at=1)
    emails = (BUYER, "made-up@example.com")
    with settings.override(limit_requested_mail="5000/3600", limit_recipient="2/86400"):
        for email in emails:
            assert api.post("/lost-tickets", json={"email": email}, **from_another_network(1)).status == 200
        assert waited == []
        replies = [[REQUESTS[kind](api, email, from_another_network(number)) for number in (1, 2, 3)] for email in emails]
    shown = [
        [{name: value for name, value in reply.json.items() if name not in ("request_id", "email")} for reply in of_address]
        for of_address in replies
    ]
    assert shown[0] == shown[1]
    assert waited == [notifications.WITHHELD_SECONDS] * 4, "above the share of the network, and above the limit"
    assert len(mailbox.mails) == 4


def test_invitations_of_guests_count_for_their_mailbox(api, mailbox):  # noqa: F811
    event_id = builders.create_event(api)
    with settings.override(rate_limits="off"):
        order_id = builders.create_order(api, (event_id, builders.create_tier(api, event_id, price_cents=500, admits=9)), 1)
    with settings.override(limit_recipient="15/86400", limit_requested_mail="5000/3600"):
        invited = [
            api.put(f"/seats/{order_id}-1.{seat}/guest", json={"name": "Bob", "email": f"bob+{seat}@gmail.com"}, user="ada").json
            for seat in range(2, 7)
        ]
    assert [seat["guest"]["invited_at"] is not None for seat in invited] == [True] * 3 + [False] * 2
    assert len(mailbox.mails) == 3
