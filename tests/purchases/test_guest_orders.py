"""A guest with tickets stays known until 30 days after the event, and everything of the guest can move to an account, whole and once."""

from itertools import count

import pytest
from msgspec.structs import replace

import app
from chalicelib.accounts.sessions import REFRESH_SECONDS
from chalicelib.audit import service as audit
from chalicelib.foundation import clock, settings
from chalicelib.purchases import guest_orders, queries
from chalicelib.purchases import store as purchases
from chalicelib.purchases.guest_orders import KEPT_SECONDS
from infra.local.event_sources import create_poller
from tests import builders, engines, invariants
from tests.accounts.conftest import OTHER_PASSWORD, log_in, mailbox, refresh, register, sign_up  # noqa: F401
from tests.simulation import faults
from tests.simulation.moments import Moment
from tests.waiting_room import sale

DAY = 86_400
BROWSER = {"X-Session": "cookie"}


class Guest:
    """A guest, who buys with a token and has a session."""

    def __init__(self, api):
        self.api, tokens = api, api.post("/auth/guest").json
        self.id, self.token, self.refresh_token = tokens["user"]["id"], tokens["access_token"], tokens["refresh_token"]

    def tickets(self):
        return ticket_ids(self.api, token=self.token)


def ticket_ids(api, **caller):
    return sorted(ticket["id"] for ticket in api.get("/me/tickets", **caller).json["tickets"])


def move(api, account, guest, **options):
    body = {"refresh_token": guest.refresh_token, **options}
    reply = api.post("/auth/guest/orders", json=body, token=account["access_token"])
    assert reply.status == 200, reply.json
    return reply.json["orders"], reply.json["tickets"]


@pytest.fixture
def guest(api, time):
    return Guest(api)


@pytest.fixture
def account(api, time):
    return sign_up(api)


# ------------------------------------------------------------------ how long a guest's session lasts
@pytest.fixture
def follow(threaded_store):
    """Follow the changes that the stream has by now."""
    poller = create_poller(app.app, engines.local_engine(), window_seconds=0)
    return poller.drain


@pytest.fixture
def ends_at(api, time, event_and_tier):
    return time.now + 30 * DAY  # when the event starts: it has no known end


def test_a_guest_who_bought_stays_known_until_30_days_after_the_event(api, time, follow, guest, event_and_tier, ends_at):
    builders.buy(api, guest.id, *event_and_tier)
    follow()
    time.set(ends_at + KEPT_SECONDS - 1)
    reply = refresh(api, guest.refresh_token)
    assert (reply.status, reply.json["user"]["id"], reply.json["refresh_expires_in"]) == (200, guest.id, REFRESH_SECONDS)


def test_a_session_that_is_kept_ends_30_days_after_the_event(api, time, follow, guest, event_and_tier, ends_at):
    builders.buy(api, guest.id, *event_and_tier)
    follow()
    again = refresh(api, guest.refresh_token).json  # an early visit shortens nothing
    assert again["refresh_expires_in"] == ends_at + KEPT_SECONDS - time.now
    time.set(ends_at + KEPT_SECONDS)
    assert refresh(api, again["refresh_token"]).json["error"] == "session_over"


def test_a_guest_who_accepted_a_ticket_stays_known(api, time, follow, guest, event_and_tier, ends_at):
    order_id = builders.create_order(api, event_and_tier, 1)
    token = api.post(f"/tickets/{order_id}-1/transfer", user="ada").json["token"]
    assert api.post(f"/transfers/{token}/accept", token=guest.token).status == 201
    follow()
    time.set(ends_at + KEPT_SECONDS - 1)
    assert refresh(api, guest.refresh_token).status == 200


def test_a_later_date_counts_from_the_guests_next_look_at_the_tickets(api, time, follow, guest, event_and_tier, ends_at):
    builders.buy(api, guest.id, *event_and_tier)
    follow()
    later = {"starts_at": clock.iso(ends_at + 100 * DAY), "ends_at": clock.iso(ends_at + 101 * DAY)}
    assert api.patch(f"/events/{event_and_tier[0]}", json=later, token=builders.admin_token()).status == 200
    assert guest.tickets()
    time.set(ends_at + 101 * DAY + KEPT_SECONDS - 1)
    assert refresh(api, guest.refresh_token).status == 200


def test_guests_without_tickets_and_accounts_stay_seven_days(api, time, follow, guest, account, event_and_tier):
    builders.reserve(api, guest.id, *event_and_tier)
    builders.buy(api, account["user"]["id"], *event_and_tier)
    follow()
    guest.tickets()
    time.advance(REFRESH_SECONDS)
    assert [refresh(api, token).status for token in (guest.refresh_token, account["refresh_token"])] == [401, 401]
    builders.run_sweep()


def test_a_session_that_the_guest_ended_stays_ended(api, time, follow, guest, event_and_tier):
    builders.buy(api, guest.id, *event_and_tier)
    assert api.post("/auth/logout", json={"refresh_token": guest.refresh_token}).status == 200
    follow()
    assert refresh(api, guest.refresh_token).status == 401


def test_a_guest_whose_address_is_not_verified_yet_keeps_the_session(api, time, guest, event_and_tier):
    builders.buy(api, guest.id, *event_and_tier)
    with settings.override(email_verification="required"):
        assert register(api, "mistyped@example.com", token=guest.token).status == 201
        again = refresh(api, guest.refresh_token).json
    assert again["user"]["roles"] == ["guest", "user"]
    assert len(ticket_ids(api, token=again["access_token"])) == 1


# ------------------------------------------------------------------ moving to an account
def test_everything_of_a_guest_moves_to_the_account(api, time, guest, account, event_and_tier):
    """Orders, refunded orders, a ticket given away, a ticket that came back, a received ticket, and an open reservation."""
    mine = account["user"]["id"]
    shop, other = event_and_tier, builders.create_shop(api, capacity=20)
    order_id, refunded = builders.create_order(api, shop, 3, user=guest.id), builders.create_order(api, shop, 1, user=guest.id)
    builders.refund(api, refunded)
    received = f"{builders.create_order(api, other, 1)}-1"
    for ticket, giver, receiver in (
        (f"{order_id}-2", guest.id, "bob"),
        (f"{order_id}-3", guest.id, "bob"),
        (f"{order_id}-3", "bob", guest.id),
        (received, "ada", guest.id),
    ):
        token = api.post(f"/tickets/{ticket}/transfer", user=giver).json["token"]
        assert api.post(f"/transfers/{token}/accept", user=receiver).status == 201
    held = builders.reserve(api, guest.id, *other, 2).json["id"]
    before = {name: api.get(f"/tickets/{name}", user=guest.id).json["code"] for name in (f"{order_id}-1", received)}

    assert move(api, account, guest, preview=True) == (3, 5)
    assert ticket_ids(api, user=guest.id) == sorted([f"{order_id}-1", f"{order_id}-3", received])
    assert move(api, account, guest) == (3, 5)
    invariants.check(time.now)
    assert ticket_ids(api, user=mine) == sorted([f"{order_id}-1", f"{order_id}-3", received])
    assert {name: api.get(f"/tickets/{name}", user=mine).json["code"] for name in before} == before  # printed codes still work
    assert ticket_ids(api, user="bob") == [f"{order_id}-2"]
    assert {one["id"] for one in api.get("/orders", user=mine).json["orders"]} == {order_id, refunded}
    assert builders.start_checkout(api, mine, held).status == 201
    assert builders.confirm(api, mine, held).status == 201
    assert guest.tickets() == []
    assert audit.list_entries(f"order#{order_id}")[-1].details == {"from": guest.id, "to": mine}
    assert {entry.action for entry in audit.list_entries(f"ticket#{received}")} == {"ticket.transferred", "ticket.moved"}


def test_the_guests_session_ends_with_the_move_and_a_repeated_move_does_nothing(api, time, guest, account, event_and_tier):
    order_id = builders.create_order(api, event_and_tier, 2, user=guest.id)
    assert move(api, account, guest) == (1, 2)
    assert refresh(api, guest.refresh_token).json["error"] == "session_over"
    assert move(api, account, guest) == (0, 0)
    assert ticket_ids(api, token=account["access_token"]) == builders.ticket_ids(order_id, 1, 2)


def test_above_the_limit_everything_moves_and_nothing_more_can_be_bought(api, time, guest, account, event_and_tier):
    mine, limit = account["user"]["id"], 4
    patched = api.patch(f"/events/{event_and_tier[0]}", json={"purchase_limit": limit}, token=builders.admin_token())
    assert patched.status == 200, patched.json
    held = builders.reserve(api, mine, *event_and_tier, limit - 1).json["id"]
    builders.create_order(api, event_and_tier, limit - 1, user=guest.id)
    assert move(api, account, guest) == (1, limit - 1)
    builders.start_checkout(api, mine, held)
    assert builders.confirm(api, mine, held).status == 201  # what was reserved before can still be paid
    invariants.check(time.now)
    assert len(ticket_ids(api, user=mine)) == 2 * (limit - 1) > limit
    assert builders.reserve(api, mine, *event_and_tier).json["error"] == "purchase_limit_exceeded"


def test_of_two_reservations_for_an_event_the_guests_moves_once_it_is_paid(api, time, follow, guest, account, event_and_tier):
    mine = account["user"]["id"]
    held = [builders.reserve(api, user, *event_and_tier).json["id"] for user in (guest.id, mine)]
    builders.start_checkout(api, guest.id, held[0])
    assert move(api, account, guest) == (0, 0)
    assert api.get(f"/events/{event_and_tier[0]}/reservations", user=mine).json["id"] == held[1]
    assert builders.confirm(api, guest.id, held[0]).status == 201  # in another tab, or at the provider
    follow()
    assert ticket_ids(api, user=mine) == [f"{held[0]}-1"]


@pytest.mark.parametrize("is_paid", [True, False])
def test_a_pass_buys_once_however_often_the_orders_move(api, time, is_paid):
    """The guest's access token is still valid for a few minutes after the move."""
    event_id, tier_id = sale.create_sale(api, time)
    guest = Guest(api)
    place = sale.join(api, event_id, guest.id)
    time.advance(sale.SECONDS_TO_OPENING)
    account = sign_up(api)
    held = sale.reserve(api, event_id, tier_id, guest.id, place).json["id"]
    builders.start_checkout(api, guest.id, held)
    if is_paid:
        assert builders.confirm(api, guest.id, held).status == 201
    assert move(api, account, guest) == (1, 1)
    again = sale.reserve(api, event_id, tier_id, guest.id, place)
    assert (again.status, again.json["error"]) == (403, "pass_used")
    if not is_paid:
        assert builders.confirm(api, account["user"]["id"], held).status == 201
    invariants.check(time.now)


@pytest.mark.parametrize("is_paid", [True, False])
def test_what_has_moved_still_counts_for_the_guest(api, time, guest, account, event_and_tier, is_paid):
    builders.create_promo_code(api, event_and_tier[0], max_uses_per_donor=1)
    held = builders.reserve(api, guest.id, *event_and_tier, 4).json["id"]
    builders.start_checkout(api, guest.id, held, promo_code="SAVE")
    if is_paid:
        assert builders.confirm(api, guest.id, held).status == 201
    assert move(api, account, guest) == (1, 4)
    assert builders.reserve(api, guest.id, *event_and_tier, 3).json["error"] == "purchase_limit_exceeded"
    again = builders.reserve(api, guest.id, *event_and_tier, 2).json["id"]
    assert builders.start_checkout(api, guest.id, again, promo_code="SAVE").json["error"] == "promo_code_limit_reached"
    invariants.check(time.now)


def test_a_promo_code_stays_used_after_a_move(api, time, guest, account, event_and_tier):
    builders.create_promo_code(api, event_and_tier[0], max_uses_per_donor=1)
    builders.buy(api, guest.id, *event_and_tier, promo_code="SAVE")
    move(api, account, guest)
    mine = account["user"]["id"]
    again = builders.reserve(api, mine, *event_and_tier).json["id"]
    assert builders.start_checkout(api, mine, again, promo_code="SAVE").status == 409


def test_later_orders_of_the_guests_id_stay_with_somebody_who_took_over_its_account(api, time, follow, mailbox):  # noqa: F811
    """A thief registers a stranger's address as a guest whose orders move to the thief. Later, the stranger chooses a password and buys."""
    shop, thief, guest = builders.create_shop(api), sign_up(api, "eve@example.com"), Guest(api)
    with settings.override(email_verification="required"):
        assert register(api, token=guest.token).status == 201
        assert move(api, thief, guest) == (0, 0)
        assert register(api).status == 201
        reset = {"token": mailbox.token("already_registered"), "password": OTHER_PASSWORD}
        assert api.post("/auth/password/reset", json=reset).status == 200
        stranger = log_in(api, password=OTHER_PASSWORD).json
    assert stranger["user"]["id"] == guest.id
    order_id = builders.create_order(api, shop, 2, user=guest.id)
    follow()
    assert ticket_ids(api, token=thief["access_token"]) == []
    assert ticket_ids(api, token=stranger["access_token"]) == builders.ticket_ids(order_id, 1, 2)


def test_later_orders_of_a_guest_with_a_mistyped_address_move(api, time, follow, guest, account, event_and_tier):
    mine = account["user"]["id"]
    held = [builders.reserve(api, user, *event_and_tier).json["id"] for user in (guest.id, mine)]
    builders.start_checkout(api, guest.id, held[0])
    with settings.override(email_verification="required"):
        assert register(api, "mistyped@example.com", token=guest.token).status == 201
        assert move(api, account, guest) == (0, 0)
        assert builders.confirm(api, guest.id, held[0]).status == 201
        follow()
    assert ticket_ids(api, user=mine) == [f"{held[0]}-1"]


def test_only_the_guests_own_token_moves_something_and_only_to_an_account(api, time, guest, account, event_and_tier):
    builders.create_order(api, event_and_tier, 1, user=guest.id)
    other = sign_up(api, "eve@example.com")
    for token in ("x", f"{guest.refresh_token[:-1]}", other["refresh_token"]):
        reply = api.post("/auth/guest/orders", json={"refresh_token": token}, token=account["access_token"])
        assert reply.json == {"orders": 0, "tickets": 0}
    guest = Guest(api)
    builders.create_order(api, event_and_tier, 1, user=guest.id)
    for caller in ({"token": guest.token}, {"user": "ada"}):
        assert api.post("/auth/guest/orders", json={"refresh_token": guest.refresh_token}, **caller).json["error"] == "no_account"
    assert len(guest.tickets()) == 1


@pytest.mark.slow
@pytest.mark.not_on_moto
def test_a_move_that_crashed_is_finished_by_repeating_it(api, time, guest, account, event_and_tier):
    shop, mine = builders.create_shop(api), account["user"]["id"]
    bought = [builders.create_order(api, each, 2, user=guest.id) for each in (event_and_tier, shop)]
    received = f"{builders.create_order(api, shop, 1)}-1"
    token = api.post(f"/tickets/{received}/transfer", user="ada").json["token"]
    api.post(f"/transfers/{token}/accept", user=guest.id)
    moment = Moment(time)
    for number in count(1):
        moment.return_to()
        with faults.crash_after(number) as crash:
            api.post("/auth/guest/orders", json={"refresh_token": guest.refresh_token}, token=account["access_token"])
        both = ticket_ids(api, user=guest.id) + ticket_ids(api, user=mine)
        assert sorted(both) == sorted([*builders.ticket_ids(bought[0], 1, 2), *builders.ticket_ids(bought[1], 1, 2), received])
        if ticket_ids(api, user=guest.id):
            assert refresh(api, guest.refresh_token).status == 200  # what is left is not lost
            moment.return_to()
            with faults.crash_after(number):
                api.post("/auth/guest/orders", json={"refresh_token": guest.refresh_token}, token=account["access_token"])
        move(api, account, guest)
        invariants.check(time.now)
        assert len(ticket_ids(api, user=mine)) == 5
        if not crash.was_triggered:
            assert number > 6
            return


# ------------------------------------------------------------------ what goes on after a move
def test_a_transfer_under_way_is_accepted_after_a_move(api, time, guest, account, event_and_tier):
    order_id = builders.create_order(api, event_and_tier, 2, user=guest.id)
    token = api.post(f"/tickets/{order_id}-1/transfer", user=guest.id).json["token"]
    move(api, account, guest)
    assert api.post(f"/transfers/{token}/accept", user=account["user"]["id"]).json["error"] == "transfer_to_self"
    assert api.post(f"/transfers/{token}/accept", user="bob").status == 201
    assert ticket_ids(api, user=account["user"]["id"]) == [f"{order_id}-2"]


def test_a_moved_ticket_comes_in_and_is_refunded(api, time, guest, account, event_and_tier):
    event_id = event_and_tier[0]
    order_id = builders.create_order(api, event_and_tier, 2, user=guest.id)
    [first, _] = queries.load_tickets(purchases.load(order_id))
    move(api, account, guest)
    time.advance(30 * DAY - 3600)
    scan = {"code": first.code, "event_id": event_id}
    assert api.post("/checkin", json=scan, token=builders.staff_token(event_id)).status == 200
    assert builders.refund(api, order_id, tickets=[f"{order_id}-2"]).status == 201
    assert ticket_ids(api, user=account["user"]["id"]) == [f"{order_id}-1"]
    assert builders.reserve(api, account["user"]["id"], *event_and_tier).status == 201


def test_moved_orders_are_exported_and_erased_with_the_account(api, time, guest, account, event_and_tier):
    order_id = builders.buy(api, guest.id, *event_and_tier, attendees=[{"name": "Ada"}]).json["order"]["id"]
    move(api, account, guest)
    exported = api.get("/me/export", token=account["access_token"]).json
    assert ([one["id"] for one in exported["orders"]], exported["tickets"][0]["attendee"]) == ([order_id], {"name": "Ada"})
    assert api.delete("/auth/me", json={"password": "seven grey owls"}, token=account["access_token"]).status == 200
    [ticket] = queries.load_tickets(purchases.load(order_id))
    assert ticket.attendee is None


def test_the_lists_of_managers_and_the_mails_follow_a_move(api, time, follow, guest, account, event_and_tier):
    """The order is found by the account's address, and the move itself is no transfer: it sends nothing to anybody."""
    order_id = builders.buy(api, guest.id, *event_and_tier, customer_email="guest@example.com").json["order"]["id"]
    follow()
    sent = len(_queued())
    move(api, account, guest)
    follow()
    assert len(_queued()) == sent
    for query in ({"search": "ada@example.com"}, {"user_id": account["user"]["id"]}):
        listed = api.get("/orders", query={"event_id": event_and_tier[0], **query}, token=builders.admin_token()).json
        assert [one["id"] for one in listed["orders"]] == [order_id]


def _queued():
    from chalicelib.notifications.store import NotificationRow

    return list(NotificationRow.scan())


# ------------------------------------------------------------------ in a browser
def cookie_of(reply):
    return {"Cookie": reply.cookie_header(), **BROWSER}


def test_a_browser_knows_its_guest_while_somebody_is_signed_in(api, time, event_and_tier):
    guest = api.post("/auth/guest", headers=BROWSER)
    assert "; Max-Age=34560000;" in guest.cookies[0]
    order_id = builders.create_order(api, event_and_tier, 1, user=guest.json["user"]["id"])
    register(api)
    login = {"email": "ada@example.com", "password": "seven grey owls"}
    signed_in = api.post("/auth/login", json=login, headers=cookie_of(guest))
    again = api.post("/auth/refresh", json={}, headers=cookie_of(signed_in))
    assert again.json["user"]["email"] == "ada@example.com"
    out = api.post("/auth/logout", json={}, headers=cookie_of(again))
    resumed = api.post("/auth/guest", json={}, headers=cookie_of(out))
    assert resumed.json["user"]["id"] == guest.json["user"]["id"]

    signed_in = api.post("/auth/login", json=login, headers=cookie_of(resumed))
    token = signed_in.json["access_token"]
    preview = api.post("/auth/guest/orders", json={"preview": True}, token=token, headers=cookie_of(signed_in))
    assert (preview.json, preview.cookies) == ({"orders": 1, "tickets": 1}, ())
    moved = api.post("/auth/guest/orders", json={}, token=token, headers=cookie_of(signed_in))
    assert moved.json == {"orders": 1, "tickets": 1}
    assert ticket_ids(api, token=token) == [f"{order_id}-1"]
    assert api.post("/auth/guest/orders", json={}, token=token, headers=cookie_of(moved)).json == {"orders": 0, "tickets": 0}
    assert api.post("/auth/refresh", json={}, headers=cookie_of(moved)).status == 200
    after = api.post("/auth/guest", json={}, headers=cookie_of(api.post("/auth/logout", json={}, headers=cookie_of(moved))))
    assert after.json["user"]["id"] != guest.json["user"]["id"]


def test_a_later_order_moves_alone_while_a_move_is_unfinished(api, time, follow, guest, account, event_and_tier):
    """The followers of changes move later orders, before everybody's emails. They must not finish a move of thousands of orders."""
    shop, mine = builders.create_shop(api), account["user"]["id"]
    earlier = [builders.create_order(api, event_and_tier, 1, user=guest.id) for _ in range(3)]
    follow()
    with faults.crash_after(4):
        api.post("/auth/guest/orders", json={"refresh_token": guest.refresh_token}, token=account["access_token"])
    later = builders.create_order(api, shop, 1, user=guest.id)
    given = f"{builders.create_order(api, shop, 1)}-1"
    token = api.post(f"/tickets/{given}/transfer", user="ada").json["token"]
    api.post(f"/transfers/{token}/accept", user=guest.id)
    moved, left = ticket_ids(api, user=mine), ticket_ids(api, user=guest.id)
    assert len(left) > 2
    follow()
    assert ticket_ids(api, user=mine) == sorted([*moved, f"{later}-1", given])
    assert ticket_ids(api, user=guest.id) == sorted({*left} - {f"{later}-1", given})
    move(api, account, guest)
    assert len(ticket_ids(api, user=mine)) == len(earlier) + 2
    invariants.check(time.now)


def test_late_orders_are_followed_only_while_a_guest_is_moved(time, api, guest, event_and_tier):
    order = queries.get_order(builders.create_order(api, event_and_tier, 1))
    owners = {"ada": order.event_id, "guest-unknown": order.event_id, guest.id: "no-event"}
    guest_orders.keep_guests([replace(order, user_id=owner, event_id=event_id) for owner, event_id in owners.items()], [])
    assert refresh(api, guest.refresh_token).json["refresh_expires_in"] == REFRESH_SECONDS
