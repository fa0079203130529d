"""What a promoter sees, from an empty list to a sale."""

from collections.abc import Iterator

from tests.browser.managers import Manager
from tests.browser.tours.tour import Tour


def entering(manager: Manager) -> Iterator[str]:
    manager.open("")
    manager.see_heading("Sign in to manage events")
    yield "stranger"
    manager.sign_up("visitor@example.com", role="user")
    manager.see_heading("There is nothing to manage yet")
    yield "nothing"


def events(manager: Manager) -> Iterator[str]:
    manager.sign_up()
    manager.see_heading("No events yet")
    yield "none"
    manager.create_event("City Strings: Winter Gala")
    manager.publish(manager.create_event())
    manager.page.reload()
    manager.see_heading("Drafts")
    yield "list"


TOURS: list[Tour] = [entering, events]
