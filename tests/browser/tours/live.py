"""A drop as its promoter watches and steers it."""

from collections.abc import Iterator

from tests import builders
from tests.browser.drops import Drop
from tests.browser.managers import Manager
from tests.browser.tours.tour import Tour


def live_sale(manager: Manager) -> Iterator[str]:
    manager.sign_up()
    drop = Drop(manager)
    drop.join(30)
    manager.time.advance(2)
    manager.open(f"/events/{drop.event_id}/live")
    manager.see_heading("Live sale")
    yield "before"
    drop.open()
    for _ in range(6):
        manager.time.advance(10)
        drop.buy(2)
        builders.project_changes()
        manager.look_again()
    manager.see("of 30 people who joined")
    yield "running"
    manager.press("Pause the sale")
    manager.see_heading("Pause the sale?")
    yield "question"
    manager.press("Pause now")
    manager.see("The sale is paused.")
    yield "paused"
    manager.lose_network()
    manager.see("No connection since")
    yield "lost"


TOURS: list[Tour] = [live_sale]
