"""The waiting room's page in a real browser: what it says and does while people wait, and how it ends."""

import json
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Route, expect

from chalicelib.addons.messages.model import TurnNotice
from chalicelib.addons.messages.store import EventNoticeRow, TurnNoticeRow
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, settings
from chalicelib.waiting_room import draw, room_cache
from chalicelib.waiting_room.store import GROUP_CLOSING_SECONDS, WaitingRoomRow
from devtools.beacon import sign
from infra import web
from tests import builders, invariants
from tests.accounts.conftest import Mailbox, mailbox  # noqa: F401
from tests.browser.async_checks import await_routes, wait_until
from tests.browser.buyers import Buyer
from tests.browser.keyboard import Keyboard
from tests.browser.managers import Manager
from tests.browser.page_checks import check
from tests.waiting_room.beacon import open_beacon
from tests.waiting_room.sale import make_earlier, reserve

ROOT = Path(__file__).parents[2]
OPENS_AFTER = 60
COUNT_TONES = """
window.tones = 0;
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...when) { window.tones += 1; return start.apply(this, when); };
"""


# A headless browser reaches no push service.
SUBSCRIBE = """
PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey }) => {
  if (!userVisibleOnly || applicationServerKey.length !== 87) throw new Error("cannot subscribe");
  return { toJSON: () => (%s) };
};
"""
SUBSCRIPTION = {
    "endpoint": "https://push.example.com/ada",
    # A public key of RFC 8291's example, and its secret.
    "keys": {
        "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    },
}


@pytest.fixture
def drop_id(api, time) -> str:
    """An event that opens in a minute; its waiting room admits one buyer every half minute. Its draw closes at the opening."""
    return _create_drop(api, time, OPENS_AFTER, wave_size=1)


@pytest.fixture
def listed_drop_id(api, time) -> str:
    """An event that opens in four minutes and lets everybody in at once. Its draw closes 90 seconds before, and has a list of entries."""
    return _create_drop(api, time, 240, wave_size=10)


def _create_drop(api, time, opens_after: int, wave_size: int, **options: str | bool) -> str:
    room = {"enabled": True, "wave_size": wave_size, "wave_seconds": 30} | options
    event_id = builders.create_event(api, "The Drop", on_sale_at=clock.iso(time.now + opens_after), waiting_room=room)
    builders.create_tier(api, event_id)
    return event_id


def _join_others(api, drop_id: str, count: int) -> None:
    for number in range(count):
        assert api.post(f"/events/{drop_id}/waiting-room/join", json={}, user=f"other-{number}").status in (200, 201)


def _pass(buyer, time, seconds: int) -> None:
    time.advance(seconds)
    buyer.page.clock.fast_forward(1000 * seconds)
    buyer.look_again()


def _read_code(box: Mailbox) -> str:
    return re.findall(r"\b[0-9]{6}\b", box.mails[-1].text)[0]


def test_a_code_by_email_gives_each_address_one_place_which_comes_back(new_buyer, api, time, mailbox: Mailbox):  # noqa: F811
    drop_id = _create_drop(api, time, OPENS_AFTER, wave_size=10, entry="verified_address")
    for number in range(2):  # with the second browser, the same person gets the same place
        buyer = new_buyer()
        buyer.page.goto(f"/events/{drop_id}/line")
        buyer.page.get_by_label("Email").fill("ada@example.com" if number == 0 else "ADA@example.com")
        buyer.press("Email me a code")
        buyer.see("Enter it within 15 minutes.")
        code = buyer.page.get_by_label("Six-digit code")
        if number == 0:
            code.fill("000000" if _read_code(mailbox) != "000000" else "000001")
            buyer.press("Join the waiting room")
            buyer.see("This is not the code in our last email.")
            buyer.problems.clear()  # the browser logs the refusal
        code.fill(f" {_read_code(mailbox)[:3]} {_read_code(mailbox)[3:]}")
        buyer.press("Join the waiting room")
        buyer.see("You are in.")
        buyer.see("1 person in the waiting room")
    assert len(mailbox.mails) == 2
    _pass(buyer, time, 2)
    buyer.page.goto(f"/events/{drop_id}/draw")
    buyer.see("One place for each confirmed email address")
    buyer.see("Joined with an email address that already had a place, and took over that place: 1")


def test_a_longer_turn_with_a_checkbox_before_joining_and_in_the_line(new_buyer, time, drop_id):
    buyer = new_buyer()
    buyer.page.goto(f"/events/{drop_id}/line")
    buyer.see("Your turn lasts 3 minutes.")
    more_time = buyer.page.get_by_label(re.compile("I need more time. Please make my turn last 9 minutes."))
    Keyboard(buyer.page).go_to(more_time)
    buyer.page.keyboard.press("Space")
    buyer.see("Your turn lasts 9 minutes.")
    buyer.press("Join the waiting room")
    buyer.see("You are in.")
    more_time.uncheck()
    buyer.see("Your turn lasts 3 minutes.")
    more_time.check()
    buyer.see("Your turn lasts 9 minutes.")
    _pass(buyer, time, OPENS_AFTER)
    buyer.see("It is your turn")
    expect(buyer.page.get_by_role("timer")).to_have_text(re.compile(r"^(9:00|8:\d\d)$"))
    expect(more_time).to_be_hidden()  # without the rest of a longer turn, the place could be lost


def _join_with_code(buyer: Buyer, box: Mailbox, email: str) -> None:
    buyer.page.get_by_label("Email").fill(email)
    buyer.press("Email me a code")
    buyer.see("Enter it within 15 minutes.")
    buyer.page.get_by_label("Six-digit code").fill(_read_code(box))
    buyer.press("Join the waiting room")
    buyer.see("You are in.")


def test_friends_share_a_place_with_a_link(new_buyer, api, time, mailbox: Mailbox):  # noqa: F811
    drop_id = _create_drop(api, time, 400, wave_size=10, entry="verified_address", groups=True)
    ada, bob, eve = new_buyer(), new_buyer(), new_buyer()
    ada.page.goto(f"/events/{drop_id}/line")
    _join_with_code(ada, mailbox, "ada@example.com")
    with ada.page.expect_response("**/waiting-room/group") as formed:
        Keyboard(ada.page).press("button", "Form a group")
    link = f"/events/{drop_id}/line#group={formed.value.json()['invitation']}"
    ada.see("Your group has 1 of 6 members.")
    check(ada.page, "waiting_room_of_a_group")
    bob.page.goto(link)
    bob.see("you share the group's place in line")
    _join_with_code(bob, mailbox, "bob@example.com")
    bob.see("You share this place with your group.")
    bob.see("1 person in the waiting room")
    eve.page.goto(f"/events/{drop_id}/line")
    _join_with_code(eve, mailbox, "eve@example.com")
    eve.page.goto(link)
    eve.page.reload()  # a new fragment alone loads nothing
    Keyboard(eve.page).press("button", "Join the group")
    eve.see("You share this place with your group.")
    Keyboard(eve.page).press("button", "Leave the group")
    eve.press("Join the waiting room")
    eve.see("You are in.")
    eve.see("Form a group")
    time.advance(400 - settings.current().draw_closing_seconds - GROUP_CLOSING_SECONDS)
    zoe = new_buyer()
    zoe.page.goto(link)
    zoe.see("This invitation comes too late")
    _join_with_code(zoe, mailbox, "zoe@example.com")


@pytest.mark.parametrize("is_earlier", [False, True])
def test_members_of_a_group_are_on_the_list(new_buyer, api, time, mailbox: Mailbox, is_earlier):  # noqa: F811
    """In a room of an earlier version, the list has their group instead."""
    drop_id = _create_drop(api, time, 400, wave_size=10, entry="verified_address", groups=True)
    ada, bob = new_buyer(), new_buyer()
    ada.page.goto(f"/events/{drop_id}/line")
    _join_with_code(ada, mailbox, "ada@example.com")
    if is_earlier:
        make_earlier(drop_id)
        time.advance(room_cache.MAX_AGE_SECONDS)
    with ada.page.expect_response("**/waiting-room/group") as formed:
        ada.press("Form a group")
    bob.page.goto(f"/events/{drop_id}/line#group={formed.value.json()['invitation']}")
    _join_with_code(bob, mailbox, "bob@example.com")
    bob.page.get_by_text("How the draw works, and how to check it").click()
    bob.page.get_by_text("Technical details").click()
    _pass(bob, time, 400 - settings.current().draw_closing_seconds + 1)
    bob.see("Your number is on the list. Your browser has checked the proof.")
    if is_earlier:
        bob.problems.clear()  # the browser logs that the list does not have the user


def test_a_place_for_an_access_code(new_buyer, api, time):
    drop_id = _create_drop(api, time, OPENS_AFTER, wave_size=10, entry="access_code")
    builders.create_promo_code(api, drop_id, "FANS-1", discount_value=0, admits_to_draw=True, max_total_uses=1)
    for is_first in (True, False):
        buyer = new_buyer()
        buyer.page.goto(f"/events/{drop_id}/line")
        code = buyer.page.get_by_label("Access code")
        if is_first:
            code.fill("WRONG")
            buyer.press("Join the waiting room")
            buyer.see("This code is not valid for this waiting room.")
            buyer.problems.clear()  # the browser logs the refusal
        code.fill("fans-1 ")
        buyer.press("Join the waiting room")
        buyer.see("You are in." if is_first else "This code has been used up by other people.")
    buyer.problems.clear()
    _pass(buyer, time, 2)
    buyer.page.goto(f"/events/{drop_id}/draw")
    buyer.see("Only with a code from the promoter")
    buyer.see("Refused because others had used up the code: 1")


def test_an_appeal_is_written_answered_and_gives_a_place(new_buyer, api, time):
    drop_id = _create_drop(api, time, OPENS_AFTER, wave_size=10, entry="access_code")
    buyer = new_buyer()
    buyer.page.goto(f"/events/{drop_id}/line")
    buyer.page.get_by_label("Access code").fill("LOST-1")
    buyer.press("Join the waiting room")
    buyer.press("Is this a mistake? Write to the promoter")
    buyer.page.get_by_label("What happened?").fill("My code does not work.")
    buyer.press("Send to the promoter")
    buyer.see("The promoter has your message")
    buyer.problems.clear()  # the browser logs the refusal
    manager = Manager(new_buyer().page, api, time)
    manager.sign_in_as_admin(f"/manage/events/{drop_id}/live")
    manager.see("My code does not work.")
    manager.page.get_by_label("Your answer (they will see it)").fill("Sorry about that.")
    manager.press("Give a place")
    manager.see("They now have a place.")
    manager.see("No open appeals")
    manager.page.goto(f"/manage/events/{drop_id}/promo-codes")
    manager.press("New promo code")
    manager.page.get_by_label("Code", exact=True).fill("CLUB-9")
    manager.page.get_by_label("How many people may join with this code").fill("9")
    manager.press("Create code")
    manager.see("For the waiting room")
    buyer.page.reload()
    buyer.see("Sorry about that.")
    buyer.page.get_by_role("status").get_by_role("button", name="Join the waiting room").click()
    buyer.see("You are in.")


def test_accounts_only(new_buyer, api, time):
    buyer = new_buyer()
    buyer.page.goto(f"/events/{_create_drop(api, time, OPENS_AFTER, wave_size=10, entry='account')}/line")
    buyer.see("each account gets one place")
    expect(buyer.page.locator("main").get_by_role("link", name="Sign in")).to_have_attribute("href", re.compile("next="))


def test_the_line_moves_on_the_page_and_announces_the_turn(new_buyer, api, time, drop_id):
    buyer = new_buyer()
    buyer.page.add_init_script(COUNT_TONES)
    _pass(buyer, time, OPENS_AFTER + 1)  # the first wave lets in a buyer who never comes
    _join_others(api, drop_id, 2)
    buyer.page.goto(f"/events/{drop_id}/line")
    buyer.press("Join the waiting room")
    buyer.see("1 person ahead of you")
    expect(buyer.page).to_have_title(re.compile(r"^1 person ahead of you"))
    expect(buyer.page.get_by_role("progressbar")).to_be_visible()
    buyer.see("Let in so far: place 1")
    buyer.see("Your turn in less than a minute")
    buyer.see("Your turn lasts 3 minutes.")
    buyer.page.reload()
    buyer.see("1 person ahead of you")
    sound = buyer.page.get_by_label("Play a sound when it is my turn")
    expect(sound).to_be_checked()  # unless the buyer turns it off
    sound.uncheck()
    assert buyer.page.evaluate("tones") == 0
    sound.check()
    wait_until(buyer.page, "() => tones === 3")  # so that the buyer knows the sound
    _pass(buyer, time, 90)
    buyer.see("It is your turn")
    expect(buyer.page).to_have_title(re.compile("^Your turn!"))
    expect(buyer.page.get_by_label("Play a sound")).to_have_count(0)
    wait_until(buyer.page, "() => tones === 6")
    buyer.page.reload()
    buyer.see("It is your turn")


def test_the_sound_needs_no_choice_and_turns_are_announced_with_their_time(new_buyer, time, drop_id):
    buyer = new_buyer()
    buyer.page.add_init_script(COUNT_TONES)
    buyer.join(drop_id)
    buyer.see("Your turn lasts 3 minutes. If you miss it, you can still choose tickets for 1 minute more.")
    _pass(buyer, time, OPENS_AFTER + 1)
    buyer.see("It is your turn")
    wait_until(buyer.page, "() => tones === 3")  # joining was a click, so the browser plays it


def test_back_and_forward_keep_the_place_in_line(new_buyer, api, time, drop_id):
    buyer = new_buyer()
    _pass(buyer, time, OPENS_AFTER + 1)
    _join_others(api, drop_id, 2)
    buyer.page.goto(f"/events/{drop_id}")
    buyer.follow("Go to the waiting room")
    buyer.press("Join the waiting room")
    buyer.see("1 person ahead of you")
    joins: list[str] = []
    buyer.page.on("request", lambda request: request.url.endswith("/join") and joins.append(request.url))
    buyer.page.go_back()
    expect(buyer.page.get_by_role("link", name="Go to the waiting room")).to_be_visible()
    expect(buyer.page).not_to_have_title(re.compile("ahead of you"))
    buyer.page.go_forward()
    buyer.see("1 person ahead of you")
    buyer.page.get_by_role("link", name="Back to the event").click()
    buyer.follow("Go to the waiting room")
    buyer.see("1 person ahead of you")
    _pass(buyer, time, 90)
    buyer.see("It is your turn")
    assert joins == []


def test_joining_with_proof_of_work_computes_it_in_a_worker(new_buyer, drop_id):
    buyer = new_buyer()
    answers: list[tuple[int, dict]] = []
    buyer.page.on("response", lambda r: r.url.endswith("/join") and answers.append((r.status, r.request.post_data_json)))
    with settings.override(join_difficulty=10):
        with buyer.page.expect_worker() as worker:
            buyer.join(drop_id)
        assert "proof-of-work" in worker.value.url
    (refused, without), (accepted, solution) = answers
    assert (refused, without, accepted) == (403, {}, 200)
    assert set(solution) == {"challenge", "nonce"}


def test_a_lost_network_keeps_the_place_and_says_so(new_buyer, api, time, drop_id):
    buyer = new_buyer()
    buyer.join(drop_id)
    buyer.page.context.set_offline(True)
    _pass(buyer, time, 20)
    buyer.see("Your place is safe. This page keeps estimating your wait")
    expect(buyer.page.get_by_role("timer")).to_have_text(re.compile(r"^0:[0-4]\d$"))  # the page counts on by itself
    time.advance(OPENS_AFTER)
    buyer.page.context.set_offline(False)
    buyer.see("It is your turn")
    expect(buyer.page.get_by_text("Your place is safe. This page")).to_have_count(0)


def test_a_phone_with_a_wrong_clock_counts_down_correctly(new_buyer, time, drop_id):
    for error in (-3600, 3600):
        buyer = new_buyer()
        buyer.page.clock.set_system_time(clock.now() + error)
        buyer.join(drop_id)
        expect(buyer.page.get_by_role("timer")).to_have_text(re.compile(r"^(1:00|0:\d\d)$"))
    time.advance(OPENS_AFTER + 1)
    buyer.look_again()
    expect(buyer.page.get_by_text(re.compile("It is your turn|You are next"))).to_be_visible()


@pytest.mark.journey
def test_the_waiting_room_in_spanish_by_the_keyboard_alone(new_buyer, time, drop_id):
    buyer = new_buyer(locale="es-ES")
    keyboard = buyer.page.keyboard
    buyer.page.goto(f"/events/{drop_id}")
    buyer.page.get_by_role("link", name="Ir a la sala de espera").focus()
    keyboard.press("Enter")
    join = buyer.page.get_by_role("button", name="Entrar en la sala de espera")
    expect(join).to_be_visible()
    for _ in range(10):
        keyboard.press("Tab")
        if join.evaluate("button => button === document.activeElement"):
            break
    keyboard.press("Enter")
    buyer.see("Ya estás dentro.")
    _pass(buyer, time, OPENS_AFTER)
    buyer.see("Es tu turno")
    expect(buyer.page).to_have_title(re.compile("^¡Es tu turno!"))


def test_a_second_tab_has_the_same_place_and_the_same_reservation(new_buyer, time, drop_id):
    buyer = new_buyer()
    other = new_buyer(beside=buyer)
    other.page.goto(f"/events/{drop_id}/line")
    other.see("Join the waiting room")
    buyer.join(drop_id)
    other.see("You are in.")
    other.see("1 person in the waiting room")
    for tab in (buyer, other):
        _pass(tab, time, OPENS_AFTER)
        tab.see("It is your turn")
        expect(tab.page.get_by_text("Not on sale yet")).to_have_count(0)
    buyer.choose("Floor", 2)
    other.page.get_by_label("Number of tickets: Floor").select_option("1")
    other.press("Reserve tickets")
    other.see("2 × Floor")  # what the first tab has reserved, not a second time
    other.page.goto(f"/events/{drop_id}/line")
    other.see("Your tickets are waiting")
    expect(other.heading("It is your turn")).to_have_count(0)


def test_a_late_reply_from_before_the_turn_does_not_hide_the_reservation(new_buyer, time, drop_id):
    buyer = new_buyer()
    buyer.join(drop_id)
    _pass(buyer, time, OPENS_AFTER)
    buyer.choose("Floor", 2)
    other = new_buyer(beside=buyer)
    early: list[Route] = []

    def hold_first(route: Route) -> None:
        if early:
            route.continue_()
        else:
            early.append(route)

    path = f"**/api/v1/events/{drop_id}/reservations"
    other.page.route(path, hold_first)
    other.page.goto(f"/events/{drop_id}/line")
    other.see("Your tickets are waiting")
    with other.page.expect_request_finished(lambda request: request == early[0].request):
        early[0].continue_()
    other.page.clock.run_for(1000)
    expect(other.heading("Your tickets are waiting")).to_be_visible()
    expect(other.page.get_by_role("button", name="Reserve tickets")).to_have_count(0)


def test_a_pause_during_the_choice_says_that_the_clock_is_stopped(new_buyer, api, time, drop_id):
    buyer = new_buyer()
    buyer.page.goto(f"/events/{drop_id}/line")
    buyer.press("Join the waiting room")
    buyer.see("You are in.")
    _pass(buyer, time, OPENS_AFTER + 1)
    buyer.see("It is your turn")
    api.post(f"/admin/events/{drop_id}/pause", token=builders.admin_token())
    _pass(buyer, time, 6)
    buyer.see("Your turn is paused")
    expect(buyer.page).to_have_title(re.compile("^The sale is paused: The Drop"))
    left = buyer.page.get_by_role("timer").inner_text()
    _pass(buyer, time, 30)
    expect(buyer.page.get_by_role("timer")).to_have_text(left)
    expect(buyer.page.get_by_text("Your place in line")).to_have_count(0)
    expect(buyer.page.get_by_text("Nobody has been let in yet")).to_have_count(0)
    api.post(f"/admin/events/{drop_id}/resume", token=builders.admin_token())
    _pass(buyer, time, 6)
    buyer.see("It is your turn")


def test_a_pause_and_a_sold_out_sale_say_what_comes_next(new_buyer, api, time, drop_id):
    buyer = new_buyer()
    _join_others(api, drop_id, 3)
    _pass(buyer, time, OPENS_AFTER + 1)
    buyer.page.goto(f"/events/{drop_id}/line")
    buyer.press("Join the waiting room")  # behind those who were drawn
    buyer.see("Your place in line")
    api.post(f"/admin/events/{drop_id}/pause", token=builders.admin_token())
    time.advance(6)
    with buyer.page.expect_response("**/waiting-room/state"):
        buyer.page.clock.fast_forward(6_000)  # the page asks by itself
    buyer.see("The sale is paused")
    buyer.see("Your place is safe and the clock is stopped.")
    buyer.see("We will show your estimated wait again when the sale resumes.")
    expect(buyer.page.get_by_text("Your turn in")).to_have_count(0)
    api.post(f"/admin/events/{drop_id}/resume", token=builders.admin_token())
    tier = api.patch(f"/tiers/{api.get(f'/events/{drop_id}').json['tiers'][0]['id']}", json={"capacity": 1}, token=builders.admin_token())
    assert tier.status == 200, tier.json
    buyer_in_turn = next(f"other-{number}" for number in range(3) if _can_buy(api, drop_id, f"other-{number}"))
    assert buyer_in_turn
    for _ in range(2):  # the first to ask is answered with figures that are a little old, while they are read anew
        _pass(buyer, time, 6)
    buyer.see("All tickets are sold")
    buyer.see("Returned tickets are offered to people on the waitlist")
    buyer.see("You keep your place")
    expect(buyer.page.get_by_role("link", name="All events")).to_be_visible()


def _can_buy(api, drop_id: str, user: str) -> bool:
    """Buy the last ticket, if it is this user's turn."""
    token = api.post(f"/events/{drop_id}/waiting-room/join", json={}, user=user).json["token"]
    tier_id = api.get(f"/events/{drop_id}").json["tiers"][0]["id"]
    body = {"items": [{"tier_id": tier_id, "quantity": 1}], "token": token}
    reply = api.post(f"/events/{drop_id}/reservations", json=body, user=user)
    if reply.status != 201:
        return False
    builders.start_checkout(api, user, reply.json["id"])
    return builders.confirm(api, user, reply.json["id"]).status == 201


def test_the_draw_is_computed_again_in_the_browser_and_shown_step_by_step(new_buyer, api, time, drop_id, tmp_path):
    buyer = new_buyer()
    _join_others(api, drop_id, 3)
    buyer.join(drop_id)
    buyer.see("The draw has not taken place yet")
    buyer.page.get_by_text("How the draw works, and how to check it").click()
    buyer.see("We seal a key before anyone joins")
    buyer.see("That nobody here looked at the key.")  # which the check does not prove, if the key alone decides
    buyer.page.get_by_text("Technical details").click()
    buyer.see("When the sale opens, the key appears here")
    _pass(buyer, time, OPENS_AFTER + 1)
    buyer.see("Your place was drawn fairly")
    buyer.see("Before the draw, your browser saved this fingerprint")
    buyer.see("The key matches: the fingerprint is the SHA-256 hash of its 32 bytes.")
    buyer.see("Your number was 4 of 4.")
    position = int(
        re.search(r"place (\d+),", buyer.page.get_by_text("From the key and your number, your browser calculates").inner_text())[1]
    )
    places = []
    for number in range(1, 5):
        buyer.page.get_by_label("Calculate the place of any number from 1 to 4").fill(str(number))
        result = buyer.page.get_by_text(re.compile(rf"Number {number} has place \d\."))
        expect(result).to_be_visible()
        places.append(int(result.inner_text()[-2]))
    assert sorted(places) == [1, 2, 3, 4]
    assert places[3] == position
    command = buyer.page.get_by_text("python verify.pyz").inner_text()
    with buyer.page.expect_download() as download:
        buyer.page.get_by_role("link", name="The program that checks the draw").click()
    download.value.save_as(tmp_path / "verify.pyz")
    checked = subprocess.run([sys.executable, *command.split()[1:]], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "all checks passed" in checked.stdout
    buyer.page.reload()
    buyer.see("Your place was drawn fairly")
    expect(buyer.page.get_by_text("the list of all numbers")).to_have_count(0)  # this draw has none
    new_visitor = new_buyer()
    new_visitor.page.goto(f"/events/{drop_id}")
    new_visitor.follow("How the draw went")
    new_visitor.see("The key matches the published fingerprint")  # without having seen it before, nobody can say more


def test_the_list_of_numbers_is_checked_before_the_key_is_known(new_buyer, api, time, listed_drop_id):
    buyer = new_buyer()
    _join_others(api, listed_drop_id, 3)
    buyer.page.goto(f"/events/{listed_drop_id}/line")
    buyer.see("The draw closes")
    buyer.press("Join the waiting room")
    buyer.page.get_by_text("How the draw works, and how to check it").click()
    buyer.page.get_by_text("Technical details").click()
    buyer.see("When the draw has closed, the fingerprint of the list of numbers appears here.")
    buyer.see("That everyone on the list is a real person.")
    buyer.see("We could have put invented people on it before that.")
    _pass(buyer, time, 151)
    buyer.see("Your number is on the list. Your browser has checked the proof.")
    buyer.see("When the sale opens, the key appears here")
    late = new_buyer()
    late.page.goto(f"/events/{listed_drop_id}/line")
    late.press("Join the waiting room")
    late.see("You are in. Your place comes after everyone in the draw.")
    _pass(buyer, time, 90)
    buyer.see("Your place was drawn fairly")
    buyer.see("Your browser has also checked the list of all numbers")
    buyer.see("It is your turn")
    with buyer.page.expect_request(lambda request: request.method == "POST" and request.url.endswith("/reservations")) as reserving:
        buyer.choose("Floor", 1)
    assert len(reserving.value.post_data_json["entry_proof"]["path"]) >= 4  # the bits of 16 pages
    visitor = new_buyer()
    visitor.page.goto(f"/events/{listed_drop_id}/draw")
    visitor.see("The whole list is correct. (The program below downloads and checks it")
    command = visitor.page.get_by_text("python verify.pyz")
    expect(command).to_contain_text("--entries http")
    expect(command).not_to_contain_text("--root")  # this browser has not seen the list before the key


def test_a_number_that_is_missing_on_the_list_is_announced(new_buyer, time, listed_drop_id):
    buyer = new_buyer()
    buyer.join(listed_drop_id)
    missing = {"error": "entry_unknown", "message": "Join the waiting room again."}
    buyer.page.route("**/waiting-room/entries/*", lambda route: route.fulfill(status=404, json=missing))
    _pass(buyer, time, 151)
    buyer.see("Warning: your number is not on the published list")
    buyer.page.get_by_text("How the draw works, and how to check it").click()
    buyer.page.get_by_text("Technical details").click()
    buyer.see("Your number is not on the list.")


def test_an_instance_that_has_not_seen_the_list_is_asked_again(new_buyer, time, listed_drop_id):
    buyer = new_buyer()
    buyer.join(listed_drop_id)
    behind = {"error": "entry_unknown", "message": "The list has not been published.", "reason": "unpublished"}
    buyer.page.route("**/waiting-room/entries/*", lambda route: route.fulfill(status=404, json=behind), times=1)
    with buyer.page.expect_response("**/waiting-room/entries/*"):
        _pass(buyer, time, 151)
    buyer.page.get_by_text("How the draw works, and how to check it").click()
    buyer.page.get_by_text("Technical details").click()
    expect(buyer.page.get_by_text("your number is not on the published list")).to_have_count(0)
    _pass(buyer, time, 5)
    buyer.see("Your number is on the list. Your browser has checked the proof.")


def _create_drop_with_beacon(manager: Manager, opens_at: int) -> str:
    """Create and publish an event by the pages, which choose the beacon by default. Its waiting room lets ten people in at once."""
    manager.sign_up()
    manager.follow("New event")
    manager.fill("Name", "The Drop")
    manager.fill("Venue", "The Paramount Hall")
    manager.page.get_by_label("Time zone").select_option("America/Denver")
    for label, at in {"Starts": opens_at + 86_400, "Sale opens (optional)": opens_at}.items():
        manager.fill(label, datetime.fromtimestamp(at, ZoneInfo("America/Denver")).strftime("%Y-%m-%dT%H:%M"))
    manager.page.get_by_text("Limits, waiting room and returns").click()
    manager.fill("People per wave (optional)", "10")
    rule = manager.page.get_by_label("Who gets a place in line")
    expect(rule).to_have_value("verified_address")
    rule.select_option("Everybody, one place for each browser or account")
    expect(manager.page.get_by_label("What decides the order")).to_have_value("key_and_beacon")
    manager.press("Create draft")
    manager.see_heading("Nothing to sell yet")
    manager.follow("Add ticket type")
    manager.fill("Name", "Floor")
    manager.fill("Price", "50")
    manager.press("Create")
    manager.see_heading("Floor")
    manager.go("Overview")
    manager.press("Publish")
    manager.see_heading("Published")
    return manager.page.url.split("/")[-1].partition("?")[0]


def _open_steps(buyer: Buyer) -> None:
    buyer.page.get_by_text("How the draw works, and how to check it").click()
    buyer.page.get_by_text("Technical details").click()


@pytest.mark.journey
def test_a_draw_with_the_public_random_number_waits_for_it_and_is_checked_by_buyers(new_buyer, api, time):
    opens_at = time.now - time.now % 60 + 600
    with open_beacon(time) as beacon:
        drop_id = _create_drop_with_beacon(Manager(new_buyer().page, api, time), opens_at)
        buyer = new_buyer()
        _join_others(api, drop_id, 3)
        buyer.join(drop_id)
        buyer.see("on a random number that an independent network publishes after the draw has closed")
        _open_steps(buyer)
        buyer.see("The list also names the round of the public random number.")
        buyer.see("That nobody told us the public random number early.")
        expect(buyer.page.get_by_text("That nobody here looked at the key.")).to_have_count(0)
        beacon.answer = lambda _: (503, b"")
        _pass(buyer, time, opens_at - 90 - time.now)
        buyer.see("The list named round")
        _pass(buyer, time, 90)
        buyer.see("The sale opens as soon as the public random number for the draw has arrived.")
        expect(buyer.heading("It is your turn")).to_have_count(0)
        buyer.page.locator("footer select").select_option("es")
        buyer.see("La venta se abre en cuanto llegue el número aleatorio público del sorteo.")
        buyer.page.locator("footer select").select_option("en")
        beacon.answer = lambda number: (200, beacon.document(number, sign(7, number)))  # of a mirror that lies
        _pass(buyer, time, 3600)
        buyer.see("The sale opens as soon as the public random number for the draw has arrived.")
        beacon.answer = beacon.true_answer
        _pass(buyer, time, 5)
        buyer.see("It is your turn")
        buyer.see("Your place was drawn fairly")
        buyer.see("This is the number of that round.")
        buyer.press("Check the public random number now")
        buyer.see("The random number does not come from drand's public network.")
        command = buyer.page.get_by_text("python verify.pyz").inner_text()
        options = [*command.split()[1:], "--chain", beacon.hash]
        checked = subprocess.run([sys.executable, *options], cwd=web.BUILT, capture_output=True, text=True, check=True)
        assert "all checks passed" in checked.stdout
        buyer.choose("Floor", 1)
    visitor = new_buyer(locale="es-ES")
    visitor.page.goto(f"/events/{drop_id}/draw")
    visitor.press("Comprobar ahora el número aleatorio público")
    visitor.see("El número aleatorio no viene de la red pública de drand.")
    expect(visitor.heading("El número aleatorio no es público")).to_be_visible()
    expect(visitor.page.get_by_text("python verify.pyz")).not_to_contain_text("--round")  # this browser has not seen it before the key
    invariants.check(time.now)


def test_a_forged_signature_of_the_public_random_number_is_refused(new_buyer, api, time):
    """The shop shows a random number with a signature of somebody else, in the state as well as in the proof."""
    with open_beacon(time):
        drop_id = _create_drop(api, time, 240, wave_size=10, randomness="key_and_beacon")
        _join_others(api, drop_id, 3)
        time.advance(150)
        chosen = api.get(f"/events/{drop_id}/waiting-room/state").json["beacon"]
        time.advance(90)
    forged = sign(7, chosen["round"])
    changes = {
        "state": {"randomness": draw.beacon_randomness(forged).hex()},
        "proof": {"randomness": draw.beacon_randomness(forged).hex(), "signature": forged.hex()},
    }

    def answer(route: Route) -> None:
        document = api.get(f"/events/{drop_id}/waiting-room/{route.request.url.rpartition('/')[2]}").json
        document["beacon"] |= changes[route.request.url.rpartition("/")[2]]
        route.fulfill(json=document)

    visitor = new_buyer()
    visitor.page.route(re.compile("/waiting-room/(state|proof)$"), answer)
    visitor.page.goto(f"/events/{drop_id}/draw")
    expect(visitor.page.get_by_role("listitem").filter(has_text="The public random number is genuine")).to_be_visible()
    visitor.press("Check the public random number now")
    visitor.see("The signature is invalid, or this is not the round that should decide.")
    expect(visitor.heading("Do not rely on this draw")).to_be_visible()


def test_a_round_that_was_exchanged_after_the_list_is_announced(new_buyer, api, time):
    with open_beacon(time):
        drop_id = _create_drop(api, time, 240, wave_size=10, randomness="key_and_beacon")
        buyer = new_buyer()
        buyer.join(drop_id)
        _pass(buyer, time, 151)
        _open_steps(buyer)
        buyer.see("The list named round")
        _pass(buyer, time, 90)
        buyer.see("Your place was drawn fairly")
        chosen = api.get(f"/events/{drop_id}/waiting-room/state").json["beacon"]["round"] + 1
        dynamo.update_now(WaitingRoomRow(f"room#{drop_id}"), [WaitingRoomRow.round.set(chosen)])
        _pass(buyer, time, 5)
        buyer.see("Warning: the draw does not match what was published")
        buyer.see("Since your browser saw the list, the shop has changed what decides the order.")


def test_a_replaced_key_is_announced_above_the_turn(new_buyer, time, drop_id):
    buyer = new_buyer()
    buyer.join(drop_id)
    buyer.page.evaluate("([name, noted]) => localStorage.setItem(name, noted)", [f"fairgate.fingerprint.{drop_id}", f"1 {'ab' * 32}"])
    _pass(buyer, time, OPENS_AFTER + 1)
    buyer.see("It is your turn")
    headings = buyer.page.get_by_role("main").get_by_role("heading", level=2)
    expect(headings.first).to_have_text("Warning: the draw does not match what was published")
    expect(headings.filter(has_text="Warning")).to_have_count(1)
    buyer.page.get_by_text("How the draw works, and how to check it").click()
    buyer.see("What the check does not prove")
    expect(buyer.page.get_by_text("That is why it is fair")).to_have_count(0)


def test_a_room_that_was_cleared_asks_to_join_again(new_buyer, api, time, drop_id):
    buyer = new_buyer()
    buyer.join(drop_id)
    api.delete(f"/events/{drop_id}/waiting-room/clear", token=builders.admin_token())
    time.advance(2)
    buyer.look_again()
    buyer.see("The waiting room was reset")
    buyer.press("Join the waiting room")
    buyer.see("You are in.")


def test_a_visit_that_begins_in_the_room_loads_it_and_the_texts_while_the_scripts_load_and_only_once(new_buyer, time, drop_id):
    page = new_buyer(locale="es-ES").page
    scripts: list[Route] = []
    asked: list[str] = []
    page.route("**/assets/index-*", lambda route: scripts.append(route))
    page.on("request", lambda request: asked.extend(re.findall(r"/api/.*|/assets/e[ns]-(?:room-)?", request.url)))
    with (
        page.expect_response("**/assets/es-*"),
        page.expect_response("**/waiting-room/state"),
        page.expect_response(lambda response: response.url.endswith(f"/api/v1/events/{drop_id}?language=es")),
    ):
        page.goto(f"/events/{drop_id}/line", wait_until="commit")
    await_routes(page, scripts)
    wait_until(page, "() => [...document.querySelectorAll('link[as=fetch]')].every(link => link.dataset.arrivedAt)")
    time.advance(30)
    page.clock.fast_forward(30_000)  # the scripts take this long to arrive
    scripts[0].continue_()
    expect(page.get_by_role("button", name="Entrar en la sala de espera")).to_be_visible()
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 1)  # so that the page does not ask again by itself
    page.wait_for_load_state("networkidle")
    event = f"/api/v1/events/{drop_id}"
    assert sorted(asked) == [f"{event}/waiting-room/state", f"{event}?language=es", "/assets/es-", "/assets/es-room-"]
    countdown = page.get_by_role("timer")
    first = countdown.inner_text()
    page.clock.run_for(1000)
    expect(countdown).not_to_have_text(first)
    minutes, seconds = countdown.inner_text().split(":")
    assert 60 * int(minutes) + int(seconds) <= OPENS_AFTER - 30  # the page knows that the replies have been waiting


def test_the_texts_are_loaded_early_in_the_language_that_the_visitor_has_chosen(new_buyer):
    page = new_buyer().page
    asked: list[str] = []
    page.on("request", lambda request: asked.extend(re.findall(r"/assets/e[ns]-", request.url)))
    page.add_init_script("localStorage.setItem('fairgate.language', 'es')")
    page.route("**/assets/index-*", lambda route: None)  # the scripts never arrive
    with page.expect_response("**/assets/es-*"):
        page.goto("/sign-in", wait_until="commit")
    assert asked == ["/assets/es-"]


def test_joining_and_reserving_make_only_the_necessary_calls(new_buyer, time, drop_id):
    buyer = new_buyer()
    buyer.page.goto(f"/events/{drop_id}/line")
    buyer.see("Join the waiting room")
    buyer.see("The Drop")  # the event is loaded as well
    asked: list[str] = []
    buyer.page.on("request", lambda request: "/api/" in request.url and asked.append(f"{request.method} {request.url.rpartition('/')[2]}"))
    buyer.press("Join the waiting room")
    buyer.see("You are in.")
    for _ in range(5):
        time.advance(5)
        with buyer.page.expect_response("**/waiting-room/state"):
            buyer.page.clock.fast_forward(35_000)
    assert "GET availability" not in asked, "only people who may choose need it"
    time.advance(OPENS_AFTER)
    buyer.page.clock.fast_forward(1000 * OPENS_AFTER)
    buyer.see("It is your turn")
    buyer.page.get_by_label("Number of tickets: Floor").select_option("1")
    with buyer.page.expect_response("**/reservations"):
        buyer.press("Reserve tickets")
    assert asked.count("POST join") == 1
    assert asked.count("POST reservations") == 1
    assert asked.count("POST guest") == 1  # the buyer has no account
    before_checkout = asked[: asked.index("POST reservations")]
    assert before_checkout.count("GET access-codes") <= 1  # a shared cache answers
    assert set(before_checkout) <= {"POST guest", "POST join", "GET state", "GET availability", "GET access-codes"}


def test_a_turn_that_is_minutes_away_has_a_time_by_the_visitors_clock(new_buyer, api, time, drop_id):
    buyer = new_buyer(timezone_id="Asia/Tokyo")
    buyer.page.goto(f"/events/{drop_id}/line")
    _join_others(api, drop_id, 20)
    _pass(buyer, time, OPENS_AFTER + 1)
    buyer.press("Join the waiting room")  # as number 21, who is let in after 20 waves
    turn = datetime.fromtimestamp(time.now + 20 * 30 - 1, ZoneInfo("Asia/Tokyo"))
    buyer.see(f"Your turn at about {turn:%-I:%M %p}, in 10 minutes")


def test_people_who_wait_see_prices_what_is_left_and_the_chance_that_it_is_gone(new_buyer, api, time):
    drop_id = _create_drop(api, time, OPENS_AFTER, wave_size=10)
    tier_id = api.get(f"/events/{drop_id}").json["tiers"][0]["id"]
    buyer = new_buyer()
    buyer.page.goto(f"/events/{drop_id}/line")
    tickets = buyer.page.get_by_role("region", name="Tickets")
    expect(tickets.get_by_role("listitem")).to_have_text("Floor10 tickets left$50")
    _pass(buyer, time, OPENS_AFTER + 1)
    users = [f"other-{number}" for number in range(30)]
    tokens = [api.post(f"/events/{drop_id}/waiting-room/join", json={}, user=user).json["token"] for user in users]
    buyer.press("Join the waiting room")
    buyer.see("20 people ahead of you")
    expect(tickets).not_to_contain_text("chance")  # nobody has chosen yet
    for user, token in list(zip(users, tokens, strict=True))[:8]:
        assert reserve(api, drop_id, tier_id, user, token).status == 201
    _pass(buyer, time, 77)  # 20 people have been let in for long enough to choose
    expect(tickets).to_contain_text("2 tickets left")
    expect(tickets).to_contain_text("Chance of selling out before your turn: about 80%")
    buyer.page.get_by_label("Language").select_option("es")
    expect(buyer.page.get_by_role("region", name="Entradas")).to_contain_text("80 % de probabilidad de que se agoten antes de tu turno")


def test_a_guest_asks_for_emails_before_the_turn_and_stops_them(new_buyer, time, drop_id):
    buyer = new_buyer()
    buyer.page.goto(f"/events/{drop_id}/line")
    buyer.press("Join the waiting room")
    ask = buyer.page.get_by_role("button", name="Notify me before my turn")
    ask.click()
    buyer.see("We will send you an email with your place after the draw, and again about five minutes before your turn.")
    address = buyer.page.get_by_label("Email address", exact=True)
    address.fill("ada@home.test")
    ask.click()
    buyer.see("We will send ada@home.test an email with your place after the draw")
    buyer.page.reload()
    buyer.see("We will send ada@home.test")
    [notice] = _notices()
    assert notice.email == "ada@home.test"
    buyer.press("Stop these messages")
    expect(ask).to_be_visible()
    assert not [row for row in EventNoticeRow.scan() if row.pk != "rooms"]
    buyer.page.reload()
    expect(ask).to_be_visible()


def _notices() -> list[TurnNotice]:
    return [row.content for row in TurnNoticeRow.scan() if row.pk.startswith("user#")]


def test_a_guest_asks_for_push_messages_and_later_for_emails_too(new_buyer, api, drop_id):
    buyer = new_buyer(permissions=["notifications"])
    buyer.page.add_init_script(SUBSCRIBE % json.dumps(SUBSCRIPTION))
    buyer.page.goto(f"/events/{drop_id}/line")
    buyer.press("Join the waiting room")
    buyer.press("Notify me before my turn")
    buyer.see("This browser will show you a notification with your place after the draw, and another about five minutes before your turn.")
    [notice] = _notices()
    assert notice.push is not None
    assert (notice.push.endpoint, notice.email) == (SUBSCRIPTION["endpoint"], None)
    buyer.page.reload()
    buyer.see("This browser will show you a notification")
    buyer.press("Email me too")
    buyer.page.get_by_label("Email address", exact=True).fill("ada@home.test")
    buyer.press("Notify me before my turn")
    buyer.see("We will send ada@home.test an email")
    buyer.see("This browser will show you a notification")
    [notice] = _notices()
    assert notice.push is not None
    assert (notice.push.endpoint, notice.email) == (SUBSCRIPTION["endpoint"], "ada@home.test")
    buyer.press("Stop these messages")
    expect(buyer.page.get_by_role("button", name="Notify me before my turn")).to_be_visible()
    assert _notices() == []


# Only a browser can fire these events so that its worker may show a notification, and a window.
FIRE = """
async ([message, elsewhere]) => {
  const done = [];
  registration.showNotification = async (title, options) => done.push({ title, ...options });
  WindowClient.prototype.focus = async function () { done.push(`focus ${this.url}`); };
  clients.openWindow = async (url) => done.push(`open ${url}`);
  const fire = (type, fields) =>
    new Promise((end) => dispatchEvent(Object.assign(new Event(type), fields, { waitUntil: (work) => work.then(end) })));
  await fire("push", { data: { json: () => message } });
  for (const data of [message.url, elsewhere]) await fire("notificationclick", { notification: { data, close() {} } });
  return done;
}
"""


def test_the_worker_shows_a_push_message_and_opens_its_page(new_buyer, drop_id):
    buyer = new_buyer(permissions=["notifications"])
    buyer.page.add_init_script(SUBSCRIBE % json.dumps(SUBSCRIPTION))
    buyer.page.goto(f"/events/{drop_id}/line")
    buyer.press("Join the waiting room")
    buyer.press("Notify me before my turn")
    buyer.see("This browser will show you a notification")
    context = buyer.page.context
    worker = context.service_workers[0] if context.service_workers else context.wait_for_event("serviceworker")
    here = buyer.page.url
    message = {"title": "It is your turn: Drop", "body": "You have until 8:00 PM MDT.", "url": here, "tag": "one", "lang": "en"}
    shown = {"title": message["title"], "body": message["body"], "tag": "one", "lang": "en", "renotify": True, "data": here}
    assert worker.evaluate(FIRE, [message, f"{here}/other"]) == [shown, f"focus {here}", f"open {here}/other"]


def test_a_browser_that_blocks_notifications_keeps_emails(new_buyer, drop_id):
    buyer = new_buyer()
    buyer.page.add_init_script("Notification.requestPermission = async () => 'denied';")
    buyer.page.goto(f"/events/{drop_id}/line")
    buyer.press("Join the waiting room")
    buyer.press("Notify me before my turn")
    buyer.see("Notifications from this shop are blocked in your browser, so we will email you instead.")
    buyer.page.get_by_label("Email address", exact=True).fill("ada@home.test")
    buyer.press("Notify me before my turn")
    buyer.see("We will send ada@home.test an email")
    assert _notices()[0].push is None


def test_at_their_turn_buyers_go_to_another_shop_with_a_pass(new_buyer, api, time):
    room = {"wave_size": 1, "wave_seconds": 30, "shop_url": "https://tickets.example/harbor/"}
    event_id = builders.create_event(api, "The Drop", on_sale_at=clock.iso(time.now + OPENS_AFTER), status="draft", waiting_room=room)
    assert api.post(f"/events/{event_id}/publish", token=builders.admin_token()).status == 200
    buyer, arrived = new_buyer(), []

    def sell(request: Route) -> None:
        arrived.append(request.request.url)
        request.fulfill(body="<h1>Tickets of another shop</h1>", content_type="text/html")

    buyer.page.route("https://tickets.example/**", sell)
    buyer.join(event_id)
    expect(buyer.page.get_by_role("heading", name="Tickets")).to_have_count(0)
    _pass(buyer, time, OPENS_AFTER + 1)
    buyer.see("It is your turn")
    buyer.see("The tickets are sold at tickets.example.")
    buyer.press("Go to tickets.example")
    expect(buyer.heading("Tickets of another shop")).to_be_visible()
    assert len(arrived) == 1
    shop_pass = arrived[0].removeprefix("https://tickets.example/harbor/?fairgate_pass=")
    use = {"shop_pass": shop_pass, "session": "a"}
    assert api.post(f"/events/{event_id}/waiting-room/pass-uses", json=use).json == {"is_first": True}
