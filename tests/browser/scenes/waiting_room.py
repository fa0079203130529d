"""The waiting room in each state."""

from playwright.sync_api import expect

from tests import builders
from tests.browser.scenes.stage import UPPER_LEVEL, Scene, Stage


def waiting_room_before_joining(stage: Stage) -> None:
    stage.open(f"/events/{stage.drop}/line")
    stage.buyer.see("Join the waiting room")


def waiting_room_before_the_draw(stage: Stage) -> None:
    stage.line(arrivals=24)
    stage.pass_time(2)
    stage.buyer.see("25 people in the waiting room")


def waiting_room_in_line(stage: Stage) -> None:
    stage.line(arrivals=2)
    stage.pass_time(760)
    stage.let_join("late", 9)  # behind everybody who was drawn
    stage.page.evaluate("localStorage.clear()")
    stage.page.context.clear_cookies()  # another guest
    stage.open(f"/events/{stage.drop}/line")
    stage.buyer.press("Join the waiting room")
    stage.buyer.see("ahead of you")
    stage.page.get_by_text("Check the draw").click()


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


SCENES: list[Scene] = [
    waiting_room_before_joining,
    waiting_room_before_the_draw,
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
]
