"""A long waitlist comes page by page; who manages the event offers tickets out of turn; what was done is in the history."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from tests import builders, invariants
from tests.addons.waitlist import lines
from tests.browser.managers import Manager
from tests.browser.tours.waiting import buy_with_address, sell_out, send_mails

PAGE = 50


@pytest.fixture
def manager(new_buyer, api, time):
    manager = Manager(new_buyer(viewport={"width": 1280, "height": 800}).page, api, time)
    manager.sign_up()
    return manager


def test_the_last_one_of_a_long_waitlist_gets_an_offer_out_of_turn(manager, api, time):
    event_id, orders = sell_out(manager)
    for number in range(PAGE + 1):
        assert lines.join(api, f"w{number}", event_id).status == 201
    lines.give_back(api, orders[0])
    manager.open(f"/events/{event_id}/waitlist")
    offers = manager.page.get_by_role("button", name="Offer tickets now")
    expect(offers).to_have_count(PAGE)
    manager.page.route("**/api/**", lambda route: route.abort())
    manager.press("Show more")
    manager.page.get_by_role("alert").wait_for()
    manager.page.unroute_all()
    manager.page.get_by_role("alert").get_by_role("button").click()
    expect(offers).to_have_count(PAGE + 1)
    expect(manager.page.get_by_role("alert")).to_have_count(0)
    expect(manager.page.get_by_role("button", name="Show more")).to_have_count(0)
    offers.last.click()
    manager.see(f"{PAGE} people who joined earlier may have to wait longer.")
    manager.press("Yes, offer them now")
    manager.see(f"Tickets are on hold for w{PAGE} until")
    manager.see_in_spanish(f"Entradas reservadas para w{PAGE} hasta el")
    [entry] = lines.own(api, f"w{PAGE}")
    assert entry["status"] == "offered"
    manager.go("History")
    manager.see("Tickets offered out of turn to someone on the waitlist")
    invariants.check(time.now)


def _number(manager, order_id):
    return manager.api.get(f"/admin/orders/{order_id}", token=manager.token).json["order"]["number"]


def test_orders_mails_and_history_have_the_events_time_zone_with_its_name(new_buyer, api, time):
    time.advance(6 * 3600)  # the next day in Tokyo
    manager = Manager(new_buyer(viewport={"width": 1280, "height": 800}, timezone_id="Asia/Tokyo").page, api, time)
    manager.sign_up()
    event_id = manager.create_event()
    manager.publish(event_id)
    order_id = buy_with_address(manager, event_id, "ada")
    send_mails()
    local = datetime.fromtimestamp(time.now, ZoneInfo("America/Denver"))
    manager.open(f"/events/{event_id}/orders")
    expect(manager.page.get_by_role("columnheader", name="(America/Denver)")).to_be_visible()
    expect(manager.page.get_by_role("row").filter(has_text=_number(manager, order_id))).to_contain_text(f"{local:%a, %b %-d}")
    for page in ("messages", "history"):
        manager.open(f"/events/{event_id}/{page}")
        expect(manager.page.locator(".rows li, .history li").first).to_contain_text(f"{local:%-I:%M} {local:%p} {local:%Z}")


def test_a_mail_that_is_sent_again_leads_to_its_order(manager, api):
    event_id = manager.create_event()
    manager.publish(event_id)
    order_id = buy_with_address(manager, event_id, "ada")
    send_mails()
    manager.open(f"/events/{event_id}/messages")
    manager.page.get_by_role("button", name="Resend").click()
    manager.press("Yes, resend it")
    manager.see("Waiting to be sent")
    [message] = api.get("/admin/messages", query={"event_id": event_id}, token=manager.token).json["messages"]
    assert message["status"] == "queued"
    manager.follow(_number(manager, order_id))
    manager.see_heading("Activity")
    manager.go("History")
    manager.see("Email resent")


def test_the_mail_about_an_offer_leads_to_the_waitlist(manager, api, time):
    event_id, orders = sell_out(manager)
    lines.join(api, "ada", event_id)
    lines.give_back(api, orders[0])
    lines.run_allocator()
    send_mails()
    manager.open(f"/events/{event_id}/messages")
    offer = manager.page.get_by_role("listitem").filter(has_text="Waitlist offer")
    offer.get_by_role("link").click()
    expect(manager.page.get_by_role("heading", name="Waitlist", level=1)).to_be_visible()
    invariants.check(time.now)


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
def test_managers_look_at_an_announcement_schedule_change_and_stop_it(new_buyer, api, time, size):
    manager = Manager(new_buyer(viewport={"width": size[0], "height": size[1]}).page, api, time)
    manager.sign_up()
    event_id = manager.create_event()
    manager.publish(event_id)
    promoter_id = api.get("/auth/me", token=manager.token).json["id"]
    assert api.put(f"/promoters/{promoter_id}", json={"name": "Nova", "verified": True}, token=builders.admin_token()).status == 200
    buy_with_address(manager, event_id, "ada")
    manager.open(f"/events/{event_id}/messages")
    manager.fill("Subject", "Doors open early")
    manager.fill("Message", "The doors open at six.\n<b>Bring</b> your ticket.")
    manager.page.get_by_label("To", exact=True).select_option("waiting")
    expect(manager.page.get_by_label("To people waiting for")).to_be_visible()
    expect(manager.page.get_by_label("At the door")).to_have_count(0)
    manager.press("Preview")
    manager.see("you are on the waitlist for this event")
    manager.page.get_by_label("To", exact=True).select_option("holders")
    manager.fill("Send at (optional)", "2026-06-20T10:00")
    manager.press("Preview")
    manager.see("> <b>Bring</b> your ticket.")
    manager.see_in_spanish("Escribir a quienes tienen entradas o a la lista de espera")
    assert manager.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    manager.press("Schedule")
    manager.press("Yes, send it")
    manager.see("Scheduled")
    manager.press("Change")
    manager.fill("Send at (optional)", "")
    manager.press("Preview")
    manager.press("Send")
    manager.press("Yes, send it")
    manager.see("Saved. The emails go out")
    send_mails()
    manager.open(f"/events/{event_id}/messages")
    manager.see("for 1 ticket")
    expect(manager.page.get_by_role("heading", name="Announcement", exact=True)).to_be_visible()
    manager.page.get_by_role("button", name="Stop: Doors open early").click()
    manager.press("Yes, stop it")
    manager.see("Stopped")
    invariants.check(time.now)
