"""A drop is watched and steered while buyers buy."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from tests import builders, invariants
from tests.browser.async_checks import wait_until
from tests.browser.drops import Drop
from tests.browser.managers import Manager

NOTE_WHAT_IS_WRITTEN = """
window.written = [];
const fillText = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
  written.push(text);
  return fillText.call(this, text, ...place);
};
"""


@pytest.fixture
def manager(new_buyer, api, time):
    manager = Manager(new_buyer(viewport={"width": 1280, "height": 800}).page, api, time)
    manager.sign_up()
    return manager


def figure(manager, name):
    """What a figure says."""
    card = manager.page.locator(".figure-card").filter(has=manager.page.get_by_text(name, exact=True))
    return card.locator(".figure-value")


def test_a_ballot_has_a_draw_and_no_turns(manager):
    drop = Drop(manager, ballot=True)
    drop.join(3)
    manager.time.advance(2)
    manager.open(f"/events/{drop.event_id}/live")
    expect(figure(manager, "In the draw")).to_have_text("3")
    for text in ("In line", "Let in", "People per wave"):
        expect(manager.page.get_by_text(text, exact=True)).to_have_count(0)
    manager.press("Pause the sale")
    expect(manager.page.get_by_role("dialog")).to_contain_text("People who have an offer can still pay.")


def test_a_drop_is_watched_paused_and_resumed_while_buyers_buy(manager):
    drop = Drop(manager)
    drop.join(20)
    manager.time.advance(2)
    manager.open(f"/events/{drop.event_id}/live")
    expect(figure(manager, "In line")).to_have_text("20")
    beside = manager.page.locator(".side-event .status")
    expect(beside).to_have_text("Opens soon")
    drop.open()
    assert len(drop.buy(3)) == 3
    builders.project_changes()
    manager.look_again()
    expect(figure(manager, "Sold")).to_have_text("6")
    expect(figure(manager, "Let in")).to_have_text("4")
    expect(figure(manager, "Revenue")).to_have_text("$537")
    expect(beside).to_have_text("On sale")
    expect(manager.page.locator(".page-head .status")).to_have_text("On sale")

    manager.press("Pause the sale")
    expect(manager.page.get_by_role("dialog")).to_contain_text("People in line keep their places")
    expect(manager.page.get_by_role("button", name="Go back")).to_be_focused()
    manager.page.keyboard.press("Enter")  # the way back comes first
    expect(manager.page.get_by_role("dialog")).to_have_count(0)
    assert drop.refused() != "event_paused", "a question that was not answered has done something"
    manager.press("Pause the sale")
    manager.press("Pause now")
    manager.see("The sale is paused.")
    expect(manager.page.locator(".page-head .status")).to_have_text("Paused")
    expect(beside).to_have_text("Paused")
    assert drop.refused() == "event_paused"
    manager.time.advance(60)
    manager.look_again()
    expect(figure(manager, "Let in")).to_have_text("4")

    manager.press("Undo")
    manager.press("Resume now")
    manager.see("The sale has resumed.")
    manager.time.advance(10)
    manager.look_again()
    expect(figure(manager, "Let in")).to_have_text("8")
    assert len(drop.buy(2)) == 2
    manager.time.advance(2)
    manager.look_again()
    expect(figure(manager, "Sold")).to_have_text("10")
    expect(figure(manager, "Sold out in")).to_have_text(re.compile(r"^\d+:\d\d"))

    manager.fill("How many people", "5")
    manager.press("Let them in")
    manager.press("Let in now")
    manager.see("Let in between the waves: 5 people.")
    manager.time.advance(2)
    manager.look_again()
    expect(figure(manager, "Let in")).to_have_text("13")

    manager.fill("People per wave", "1")
    manager.press("Change the rate")
    manager.press("Change now")
    manager.see("Each wave now lets in 1 person, every 10 seconds.")
    manager.see_in_spanish("Ahora cada tanda deja entrar a 1 persona, cada 10 segundos.")
    manager.press("Undo")
    manager.see("From the next wave on, each wave lets in 4 people, every 10 seconds.")
    manager.press("Change now")
    manager.see("Each wave now lets in 4 people, every 10 seconds.")
    invariants.check(manager.time.now)


def test_the_other_pages_of_an_event_show_the_state_of_its_sale(manager):
    drop = Drop(manager)
    drop.join(20)
    manager.time.advance(2)
    manager.open(f"/events/{drop.event_id}/live")
    beside, head = (manager.page.locator(f"{place} .status") for place in (".side-event", ".page-head"))
    expect(beside).to_have_text("Opens soon")
    drop.open()
    assert len(drop.buy(3)) == 3
    manager.time.advance(2)
    manager.go("Overview")
    expect(head).to_have_text("On sale")
    row = manager.page.get_by_role("row", name="Front rows")
    expect(row.get_by_role("cell").first).to_have_text("6")

    manager.go("Live sale")
    manager.press("Pause the sale")
    manager.press("Pause now")
    expect(beside).to_have_text("Paused")
    manager.go("Overview")
    expect(head).to_have_text("Paused")
    manager.go("Details")
    expect(manager.page.locator(".preview .status")).to_have_text("Paused")
    manager.go("Events")
    expect(manager.page.locator(".row-card .status")).to_have_text("Paused")
    manager.open(f"/events/{drop.event_id}/live")
    manager.press("Resume the sale")
    manager.press("Resume now")
    expect(beside).to_have_text("On sale")


def test_a_hidden_page_is_silent_and_a_lost_network_is_shown(manager):
    drop = Drop(manager)
    asked: list[str] = []
    manager.page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/live") else None)
    manager.open(f"/events/{drop.event_id}/live")
    manager.see_heading("Live sale")
    with manager.page.expect_response("**/live"):
        manager.page.clock.run_for(2000)
    manager.hide()
    before = len(asked)
    manager.page.clock.run_for(20_000)
    assert len(asked) == before
    with manager.page.expect_response("**/live"):
        manager.show()
    manager.lose_network()
    manager.see("No connection since")
    manager.find_network()
    expect(manager.page.get_by_text("No connection since")).to_have_count(0)


def test_charts_that_have_seen_one_moment_show_the_time_around_it(manager):
    drop = Drop(manager)
    drop.join(3)
    manager.time.advance(2)
    manager.page.add_init_script(NOTE_WHAT_IS_WRITTEN)
    manager.open(f"/events/{drop.event_id}/live")
    wait_until(manager.page, "() => written.some((text) => /^\\d+:\\d\\d/.test(text))")
    assert [text for text in manager.page.evaluate("written") if "Jan" in text] == []


def test_figures_and_charts_have_the_times_of_the_event(new_buyer, api, time):
    manager = Manager(new_buyer(viewport={"width": 1280, "height": 800}, timezone_id="Asia/Tokyo").page, api, time)
    manager.sign_up()
    drop = Drop(manager)
    drop.join(3)
    time.advance(2)
    manager.page.add_init_script(NOTE_WHAT_IS_WRITTEN)
    manager.open(f"/events/{drop.event_id}/live")
    local = datetime.fromtimestamp(time.now, ZoneInfo("America/Denver"))
    expect(manager.page.get_by_text("As of")).to_contain_text(re.compile(rf"{local:%-I:%M}:\d\d\s{local:%p} {local:%Z}"))
    wait_until(manager.page, "() => written.some((text) => /^\\d+:\\d\\d/.test(text))")
    marks = {text.partition(":")[0] for text in manager.page.evaluate("written") if re.match(r"\d+:\d\d", text)}
    assert marks <= {f"{local + timedelta(minutes=minutes):%-I}" for minutes in (-30, 0, 30)}, marks


def test_a_draft_is_not_shown_as_on_sale_and_has_no_controls(manager):
    manager.open(f"/events/{manager.create_event(tiers=())}/live")
    manager.see("This event is a draft: nothing is on sale")
    expect(manager.page.locator(".page-head .status")).to_have_text("Draft")
    expect(figure(manager, "Sold out in")).to_have_text("–")
    manager.see("No tickets yet.")
    expect(manager.page.get_by_role("button", name="Pause the sale")).to_have_count(0)
