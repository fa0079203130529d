"""Ada has a ticket for a table of four, and names guests for its seats."""

import re

import pytest

from chalicelib.foundation import clock
from chalicelib.notifications import service as notifications
from chalicelib.tickets.model import Guest
from tests import builders, invariants
from tests.checkin.conftest import Door


class Mailbox:
    """The sent mails, in order; while it `is_down`, no mail is sent."""

    def __init__(self):
        self.mails, self.is_down = [], False

    def send(self, draft, **_):
        if not self.is_down:
            self.mails.append(draft.compose())
        return not self.is_down

    @property
    def recipients(self):
        return [mail.to for mail in self.mails]

    def token(self, to):
        """The token of the link in the last mail to this address."""
        text = next(mail.text for mail in reversed(self.mails) if mail.to == to)
        found = re.search(r"#token=(\S+)", text)
        assert found is not None, text
        return found[1]


class Table(Door):
    """A door with an order of Ada's: `quantity` tables of four."""

    def __init__(self, api, time, quantity=1, admits=4, **fields):
        super().__init__(api, time, quantity, admits, **fields)

    def seat(self, number, ticket=0):
        return f"{self.tickets[ticket].id}.{number}"

    def name(self, number, name="Bob", email=None, *, user="ada", ticket=0, **fields):
        body = {"name": name} | ({"email": email} if email else {}) | fields
        return self.api.put(f"/seats/{self.seat(number, ticket)}/guest", json=body, user=user)

    def remove(self, number, user="ada"):
        return self.api.delete(f"/seats/{self.seat(number)}/guest", user=user)

    def invite(self, number, user="ada"):
        return self.api.post(f"/seats/{self.seat(number)}/invitation", user=user)

    def seats(self, user="ada"):
        reply = self.api.get(f"/tickets/{self.tickets[0].id}/seats", user=user)
        assert reply.status == 200, reply.json
        return reply.json["seats"]

    def names(self):
        """Seat -> the name of its guest, of the seats that have one."""
        return {seat["seat"]: seat["guest"]["name"] for seat in self.seats() if seat["guest"]}

    def guest(self, number) -> Guest:
        """The guest of a seat, as the ticket has them."""
        guest = self.ticket.guest_of(number)
        assert guest is not None
        return guest

    def token_of(self, number):
        """The token in the link of a guest, as the ticket's owner sees it."""
        return self.seats()[number - 1]["guest"]["url"].partition("#token=")[2]

    def page(self, token):
        """The guest's own page."""
        return self.api.get(f"/guests/{token}")

    def refund(self):
        return builders.refund(self.api, self.order_id, tickets=[self.tickets[0].id])


@pytest.fixture(autouse=True)
def mailbox(monkeypatch) -> Mailbox:
    box = Mailbox()
    monkeypatch.setattr(notifications, "send", box.send)
    return box


@pytest.fixture
def table(api, time):
    """A table at an event that starts in a day: its guests can be named, and its doors are not open."""
    yield Table(api, time, starts_at=clock.iso(time.now + 86_400))
    invariants.check(time.now)


@pytest.fixture
def open_doors(time):
    """Move the clock to an hour before the event, when the doors are open."""
    return lambda: time.advance(86_400 - 3600)
