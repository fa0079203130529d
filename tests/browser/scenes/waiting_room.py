"""The waiting room in each state."""

from playwright.sync_api import expect

from tests import builders
from tests.browser.scenes.stage import FRONT_ROWS, UPPER_LEVEL, Scene, Stage
from tests.waiting_room.beacon import open_beacon

# A headless browser shows no notifications and reaches no push service. The key is that of RFC 8291's example.
GRANT = """() => {
  const p256dh = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
  const keys = { p256dh, auth: "BTBZMqHH6r4Tts7J_aSIgg" };
  Notification.requestPermission = async () => "granted";
  PushManager.prototype.subscribe = async () => ({ toJSON: () => ({ endpoint: "https://push.example.com/ada", keys }) });
}"""


def waiting_room_before_joining(stage: Stage) -> None:
    stage.open(f"/events/{stage.drop}/line")
    stage.buyer.see("Join the waiting room")


def waiting_room_asks_for_an_address(stage: Stage) -> None:
    stage.drop = stage.create_drop("One Night Only", "Little Theatre, Boston", UPPER_LEVEL, entry="verified_address")
    stage.open(f"/events/{stage.drop}/line")
    stage.page.get_by_label("Email address", exact=True).fill("ada@example.com")
    stage.buyer.press("Email me a code")
    stage.buyer.see("Enter it within 15 minutes.")


def waiting_room_asks_for_a_card(stage: Stage) -> None:
    stage.drop = stage.create_drop("One Night Only", "Little Theatre, Boston", UPPER_LEVEL, entry="payment_card")
    stage.open(f"/events/{stage.drop}/line")
    expect(stage.page.get_by_role("link", name="Save a card")).to_be_visible()


def card_for_the_waiting_room(stage: Stage) -> None:
    """In a stage that simulates cards, where the bank declines the last one."""
    waiting_room_asks_for_a_card(stage)
    stage.page.get_by_role("link", name="Save a card").click()
    stage.page.get_by_label("A card that the bank declines").check()
    stage.buyer.press("Save the card")
    stage.buyer.see("Your bank has not confirmed this card")


def waiting_room_before_the_draw(stage: Stage) -> None:
    stage.line(arrivals=24)
    stage.pass_time(2)
    stage.buyer.see("25 people in the waiting room")


def waiting_room_asked_for_emails(stage: Stage) -> None:
    waiting_room_before_the_draw(stage)
    stage.buyer.press("Notify me before my turn")
    stage.page.get_by_label("Email address", exact=True).fill("ada@example.com")
    stage.buyer.press("Notify me before my turn")
    stage.buyer.see("We will send ada@example.com")


def waiting_room_asking_for_emails(stage: Stage) -> None:
    waiting_room_before_the_draw(stage)
    stage.buyer.press("Notify me before my turn")
    expect(stage.page.get_by_label("Email address", exact=True)).to_be_visible()


def waiting_room_asked_for_push_messages(stage: Stage) -> None:
    waiting_room_before_the_draw(stage)
    stage.page.evaluate(GRANT)
    stage.buyer.press("Notify me before my turn")
    stage.buyer.see("This browser will show you a notification")


def waiting_room_in_line(stage: Stage) -> None:
    stage.line(arrivals=2)
    stage.pass_time(760)
    stage.let_join("late", 9)  # behind everybody who was drawn
    stage.page.evaluate("localStorage.clear()")
    stage.page.context.clear_cookies()  # another guest
    stage.open(f"/events/{stage.drop}/line")
    stage.buyer.press("Join the waiting room")
    stage.buyer.see("ahead of you")
    stage.buyer.see("You joined after the draw")


def waiting_room_paused(stage: Stage) -> None:
    stage.line(arrivals=8)
    stage.pass_time(760)
    stage.as_admin(f"/admin/events/{stage.drop}/pause")
    stage.pass_time(6)
    stage.buyer.see("The sale is paused")


def waiting_room_closed(stage: Stage) -> None:
    stage.line(arrivals=2)
    stage.as_admin(f"/events/{stage.drop}/cancel")
    stage.pass_time(6)
    stage.buyer.see("This event has been cancelled")


def waiting_room_turn(stage: Stage) -> None:
    stage.line(arrivals=0)
    stage.pass_time(760)
    stage.buyer.see("It is your turn")
    expect(stage.page.get_by_label("Number of tickets: Front rows")).to_be_visible()


def waiting_room_sold_out_in_line(stage: Stage) -> None:
    stage.drop = stage.create_drop("One Night Only", "Little Theatre, Boston", {**UPPER_LEVEL, "capacity": 4})
    stage.let_join("other", 4)
    stage.pass_time(760)
    stage.open(f"/events/{stage.drop}/line")
    stage.buyer.press("Join the waiting room")
    stage.buyer.see("Your place in line")
    assert any(_buy_all(stage, f"other-{number}") for number in range(4))
    for _ in range(2):  # the first to ask is answered with figures that are a little old, while they are read anew
        stage.pass_time(6)
    stage.buyer.see("All tickets are sold")


def _buy_all(stage: Stage, user: str) -> bool:
    """Buy what there is, if it is this user's turn."""
    token = stage.api.post(f"/events/{stage.drop}/waiting-room/join", json={}, user=user).json["token"]
    tier_id = stage.api.get(f"/events/{stage.drop}").json["tiers"][0]["id"]
    body = {"items": [{"tier_id": tier_id, "quantity": 4}], "token": token}
    reply = stage.api.post(f"/events/{stage.drop}/reservations", json=body, user=user)
    if reply.status != 201:
        return False
    builders.start_checkout(stage.api, user, reply.json["id"])
    return builders.confirm(stage.api, user, reply.json["id"]).status == 201


def waiting_room_turn_missed(stage: Stage) -> None:
    waiting_room_turn(stage)
    stage.pass_time(180)
    stage.buyer.see("You missed your turn, but you can still choose")


def waiting_room_turn_over(stage: Stage) -> None:
    waiting_room_turn(stage)
    stage.pass_time(241)
    stage.buyer.see("Your turn is over")


def waiting_room_reserved_in_another_tab(stage: Stage) -> None:
    waiting_room_turn(stage)
    stage.buyer.choose("Front rows", 2)
    stage.open_second_tab(f"/events/{stage.drop}/line")
    stage.buyer.see("Your tickets are waiting")


def waiting_room_without_a_network(stage: Stage) -> None:
    waiting_room_before_the_draw(stage)
    stage.lose_network()
    stage.page.clock.fast_forward(60_000)
    stage.buyer.see("Your place is safe")


def waiting_room_started_anew(stage: Stage) -> None:
    stage.line(arrivals=2)
    reply = stage.api.delete(f"/events/{stage.drop}/waiting-room/clear", token=builders.admin_token())
    assert reply.status == 200, reply.json
    stage.pass_time(2)
    stage.buyer.see("The waiting room was reset")


def draw_of_a_place(stage: Stage) -> None:
    stage.line(arrivals=24)
    stage.pass_time(760)
    stage.buyer.see("Your place was drawn fairly")
    _open_details(stage, "How the draw works, and how to check it", "Technical details")
    stage.buyer.see("Number 25 has place")


def draw_with_a_replaced_key(stage: Stage) -> None:
    stage.line(arrivals=2)
    stage.page.evaluate(
        "([name, fingerprint]) => localStorage.setItem(name, `1 ${fingerprint}`)", [f"fairgate.fingerprint.{stage.drop}", "ab" * 32]
    )
    stage.pass_time(760)
    stage.buyer.see("Warning: the draw does not match what was published")
    _open_details(stage, "How the draw works, and how to check it", "Technical details")
    stage.buyer.see("The shop now shows a different fingerprint:")


def draw_before_the_opening(stage: Stage) -> None:
    stage.open(f"/events/{stage.drop}/draw")
    stage.buyer.see("The draw has not taken place yet")
    stage.buyer.see("Save or publish this fingerprint now, and do the same")


def draw_before_the_opening_with_the_list(stage: Stage) -> None:
    stage.line(arrivals=24)
    stage.pass_time(700)
    _open_details(stage, "How the draw works, and how to check it", "Technical details")
    stage.buyer.see("Your number is on the list.")


def waiting_room_late_random_number(stage: Stage) -> None:
    _line_with_beacon(stage, is_late=True)
    stage.buyer.see("The sale opens as soon as the public random number for the draw has arrived.")


def draw_with_the_random_number(stage: Stage) -> None:
    _line_with_beacon(stage, is_late=False)
    stage.buyer.see("Your place was drawn fairly")
    _open_details(stage, "How the draw works, and how to check it", "Technical details")
    stage.buyer.press("Check the public random number now")
    stage.buyer.see("The random number does not come from drand's public network.")


def _line_with_beacon(stage: Stage, is_late: bool) -> None:
    """Be in the line of a drop whose order also follows from a public random number, after the opening time."""
    with open_beacon(stage.time) as beacon:
        stage.drop = stage.create_drop("One Night Only", "Little Theatre, Boston", FRONT_ROWS, randomness="key_and_beacon")
        if is_late:
            beacon.answer = lambda _: (503, b"")
        stage.line(arrivals=24)
        for seconds in (670, 90):  # to the closing and to the opening
            stage.pass_time(seconds)
            stage.api.get(f"/events/{stage.drop}/waiting-room/state")


def draw_noted(stage: Stage) -> None:
    draw_before_the_opening(stage)
    stage.let_join("other", 24)
    stage.pass_time(760)
    stage.buyer.see("The draw passed the check")


def draw_unseen(stage: Stage) -> None:
    stage.let_join("other", 24)
    stage.time.advance(760)
    stage.open(f"/events/{stage.drop}")
    stage.buyer.follow("How the draw went")
    stage.buyer.see("The key matches the published fingerprint")
    _open_details(stage, "Technical details")


def draw_of_nobody_after_a_reset(stage: Stage) -> None:
    stage.let_join("other", 1)
    stage.api.delete(f"/events/{stage.drop}/waiting-room/clear", token=builders.admin_token())
    stage.time.advance(760)
    stage.open(f"/events/{stage.drop}/draw")
    stage.buyer.see("Nobody was in the draw")
    stage.buyer.see("This waiting room was reset once.")


def draw_of_a_cancelled_event(stage: Stage) -> None:
    stage.as_admin(f"/events/{stage.drop}/cancel")
    stage.open(f"/events/{stage.drop}/draw")
    stage.buyer.see("There is no draw")
    expect(stage.page.get_by_text("The draw takes place")).to_have_count(0)


def draw_without_a_waiting_room(stage: Stage) -> None:
    stage.open(f"/events/{stage.event}/draw")
    stage.buyer.see("This event has no waiting room, so there is no draw.")


def draw_of_an_unknown_event(stage: Stage) -> None:
    stage.open("/events/none/draw")
    stage.buyer.see("Event not found")


def _open_details(stage: Stage, *summaries: str) -> None:
    for summary in summaries:
        stage.page.get_by_text(summary).click()


SCENES: list[Scene] = [
    waiting_room_before_joining,
    waiting_room_asks_for_an_address,
    waiting_room_asks_for_a_card,
    card_for_the_waiting_room,
    waiting_room_before_the_draw,
    waiting_room_asking_for_emails,
    waiting_room_asked_for_emails,
    waiting_room_asked_for_push_messages,
    waiting_room_in_line,
    waiting_room_paused,
    waiting_room_closed,
    waiting_room_turn,
    waiting_room_sold_out_in_line,
    waiting_room_turn_missed,
    waiting_room_turn_over,
    waiting_room_reserved_in_another_tab,
    waiting_room_without_a_network,
    waiting_room_started_anew,
    draw_of_a_place,
    draw_with_a_replaced_key,
    draw_before_the_opening,
    draw_before_the_opening_with_the_list,
    waiting_room_late_random_number,
    draw_with_the_random_number,
    draw_noted,
    draw_unseen,
    draw_of_nobody_after_a_reset,
    draw_of_a_cancelled_event,
    draw_without_a_waiting_room,
    draw_of_an_unknown_event,
]
