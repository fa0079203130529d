"""The waitlist and the sent mails of a sold-out event, as its managers see them."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from chalicelib.addons.messages import jobs
from chalicelib.foundation import settings
from chalicelib.notifications import providers, ses_reports
from chalicelib.notifications.providers import MailRefused
from infra.local.schedules import scheduled_event
from tests import builders
from tests.addons.waitlist import lines
from tests.browser.managers import Manager
from tests.browser.tours.tour import Tour
from tests.notifications.fake_provider import FakeProvider

FLOOR = {"name": "Floor", "price_cents": 8950, "capacity": 1, "currency": "USD"}
BALCONY = {"name": "Balcony", "price_cents": 4500, "capacity": 2, "currency": "USD"}


def sell_out(manager: Manager) -> tuple[str, list[str]]:
    """An event of the manager's whose three tickets are sold. Returns the ids of the event and of the orders, the floor's first."""
    event_id = manager.create_event(tiers=[FLOOR, BALCONY])
    manager.publish(event_id)
    tiers = {tier["name"]: tier["id"] for tier in manager.api.get(f"/events/{event_id}").json["tiers"]}
    sold = ("Floor", "Balcony", "Balcony")
    bought = [builders.buy(manager.api, f"b{number}", event_id, tiers[name]) for number, name in enumerate(sold)]
    manager.time.advance(5)  # figures are no older than that
    return event_id, [str(reply.json["order"]["id"]) for reply in bought]


def send_mails(fault: MailRefused | None = None) -> None:
    """Let mails follow from what happened and be sent, each refused with `fault`."""
    builders.project_changes()
    with pytest.MonkeyPatch.context() as patch, settings.override(mail_from="Shop <tickets@shop.test>", shop_url="https://shop.test"):
        patch.setattr(providers, "find_provider", lambda: FakeProvider(lambda _: fault))
        jobs.send_messages(scheduled_event(), None)


def buy_with_address(manager: Manager, event_id: str, user: str) -> str:
    """Buy a ticket, with an address for mails. Returns the order's id."""
    tier_id = manager.api.get(f"/events/{event_id}").json["tiers"][0]["id"]
    bought = builders.buy(manager.api, user, event_id, tier_id, customer_email=f"{user}@home.test")
    return str(bought.json["order"]["id"])


def waitlist(manager: Manager) -> Iterator[str]:
    manager.sign_up()
    event_id, orders = sell_out(manager)
    manager.open(f"/events/{event_id}/waitlist")
    manager.see_heading("Nobody is waiting")
    yield "none"
    for user, quantity in (("ada", 2), ("bob", 1), ("eve", 1)):
        assert lines.join(manager.api, user, event_id, quantity).status == 201
        manager.time.advance(60)
    manager.page.reload()
    offers = manager.page.get_by_role("button", name="Offer tickets now")
    expect(offers).to_have_count(3)
    yield "waiting"
    offers.first.click()
    manager.see("We hold 2 tickets for this person until the offer ends")
    manager.press("Yes, offer them now")
    manager.see("There are fewer tickets left than this person asked for.")
    yield "refused"
    manager.press("No, go back")
    lines.give_back(manager.api, orders[0])
    offers.nth(1).click()
    manager.see("One person who joined earlier may have to wait longer.")
    manager.press("Yes, offer them now")
    manager.see("Tickets are on hold for bob until")
    expect(offers).to_have_count(2)
    yield "offered_by_hand"
    manager.page.get_by_label("Show").select_option("offered")
    manager.see("Offer ends")
    yield "with_an_offer"


def mails(manager: Manager) -> Iterator[str]:
    manager.sign_up()
    event_id = manager.create_event()
    manager.publish(event_id)
    manager.open(f"/events/{event_id}/messages")
    manager.see_heading("No emails")
    yield "none"
    buy_with_address(manager, event_id, "ada")
    send_mails()
    manager.time.advance(60)
    buy_with_address(manager, event_id, "bob")
    send_mails(MailRefused("recipient refused (550)"))
    manager.page.reload()
    manager.see("The mail server did not accept the recipient's address. Technical detail: recipient refused (550)")
    yield "list"
    manager.page.get_by_role("button", name="Resend").first.click()
    manager.see("once more, within a minute")
    yield "question"
    manager.press("Yes, resend it")
    manager.see("Waiting to be sent")
    expect(manager.page.get_by_role("button", name="Resend")).to_have_count(1)
    yield "queued"


def mails_with_problems(manager: Manager) -> Iterator[str]:
    manager.sign_in_as_admin("/manage/messages")
    manager.see_heading("No emails")
    yield "none"
    event_id = manager.create_event()
    manager.publish(event_id)
    buy_with_address(manager, event_id, "ada")
    send_mails(MailRefused("recipient refused (550)"))
    manager.page.reload()
    manager.see("The last attempt failed")
    yield "failed"
    manager.page.get_by_role("button", name="Resend").click()
    manager.press("Yes, resend it")
    manager.see("Will be resent within a minute")
    manager.see_heading("No emails")
    yield "sent_again"
    manager.fill("Email address", "gone@example.com")
    manager.press("Unblock")
    manager.see("This address already gets emails.")
    yield "not_suppressed"
    ses_reports.suppress("gone@example.com", "bounced", manager.time.now)
    manager.press("Unblock")
    manager.see("gone@example.com gets emails again.")
    assert not ses_reports.is_suppressed("gone@example.com")
    yield "released"


TOURS: list[Tour] = [waitlist, mails, mails_with_problems]
