"""Somebody who works at the door, in front of a browser."""

import re

from playwright.sync_api import Locator, Page, expect

from chalicelib.tickets import service as tickets
from tests import builders
from tests.accounts.conftest import PASSWORD, Mailbox, register
from tests.browser.async_checks import WORKER_IS_ACTIVE, wait_until
from tests.client import Client

IS_KEPT = "async () => (await caches.match('/door')) !== undefined"
COUNT_KEPT = """async () => {
  const database = await new Promise((resolve) => (indexedDB.open("fairgate-door").onsuccess = ({ target }) => resolve(target.result)));
  const count = (name) => new Promise((resolve) => {
    database.transaction(name).objectStore(name).count().onsuccess = ({ target }) => resolve(target.result);
  });
  const [setup, tickets, scans] = [await count("setup"), await count("tickets"), await count("scans")];
  database.close();
  const files = (await caches.has("fairgate-door-shell")) ? (await (await caches.open("fairgate-door-shell")).keys()).length : 0;
  return { setup, tickets, scans, files };
}"""

READ_ALL = """async () => {
  const database = await new Promise((resolve) => (indexedDB.open("fairgate-door").onsuccess = ({ target }) => resolve(target.result)));
  const read = (name) => new Promise((resolve) => {
    database.transaction(name).objectStore(name).getAll().onsuccess = ({ target }) => resolve(target.result);
  });
  const entries = [await read("setup"), await read("tickets"), await read("scans")];
  database.close();
  const replies = await Promise.all((await caches.keys()).map(async (name) => {
    const cache = await caches.open(name);
    return Promise.all((await cache.keys()).map(async (request) => request.url + (await (await cache.match(request)).text())));
  }));
  return JSON.stringify([entries, { ...localStorage }, { ...sessionStorage }, replies]);
}"""


class DoorStaff:
    """Acts on the page of the door of one event."""

    def __init__(self, page: Page, api: Client, event_id: str, mailbox: Mailbox) -> None:
        self.page, self.api, self.event_id, self.mailbox = page, api, event_id, mailbox

    def sign_in(self, email: str = "door@example.com", *, is_invited: bool = True) -> None:
        """Be invited as staff, and sign in from the door's page, in English or Spanish."""
        assert register(self.api, email).status == 201
        assert self.api.post("/auth/email/verify", json={"token": self.mailbox.token("verify_email"), "password": PASSWORD}).status == 200
        if is_invited:
            member = {"email": email, "role": "staff"}
            reply = self.api.post(f"/events/{self.event_id}/members", json=member, token=builders.admin_token())
            assert reply.status == 201, reply.json
            builders.accept_invitation(self.event_id, email)
        self.page.goto("/sign-in?next=/door")
        self.sign_in_again(email)

    def sign_in_again(self, email: str = "door@example.com") -> None:
        """Where the page asks for it."""
        self.page.get_by_label(re.compile("Email address|Correo electrónico")).fill(email)
        self.page.get_by_label(re.compile("^(Password|Contraseña)$")).fill(PASSWORD)
        self.page.locator("main button[type=submit]").click()
        self.page.wait_for_url(re.compile(r"^https?://[^/]+/door($|\?)"))

    def sign_out(self) -> None:
        """On the page of the account; a page that is left while it signs out may stay signed in."""
        self.page.goto("/account")
        self.press("Sign out")
        self.page.wait_for_url(re.compile(r"^https?://[^/]+/$"))

    def open_door(self, gate: str = "North") -> None:
        self.page.get_by_label("Gate", exact=True).fill(gate)
        self.press("Open the door")
        self.see_state("Online")

    def see_state(self, text: str) -> None:
        expect(self.page.locator(".connection")).to_contain_text(text)

    def kept(self) -> dict[str, int]:
        """How many entries of each kind this browser keeps of the door, and how many files."""
        return self.page.evaluate(COUNT_KEPT)

    def kept_text(self) -> str:
        """Everything that this browser keeps of the shop: the door's data, both storages, and the files."""
        return self.page.evaluate(READ_ALL)

    def type(self, text: str) -> None:
        """What a person types, or a scanner that types."""
        self.page.get_by_label("Code, name or number").fill(text)
        self.page.keyboard.press("Enter")

    def search(self, text: str) -> Locator:
        self.page.get_by_label("Code, name or number").fill(text)
        return self.page.locator(".door-search li")

    def see_verdict(self, title: str, *texts: str) -> Locator:
        """Wait until the last scan came to this."""
        verdict = self.page.locator(".verdict")
        expect(verdict.locator(".verdict-title")).to_contain_text(title)
        for text in texts:
            expect(verdict).to_contain_text(text)
        return verdict

    def codes(self, ticket_ids: list[str]) -> list[str]:
        return [tickets.get_ticket(ticket_id).code for ticket_id in ticket_ids]

    def admit_elsewhere(self, code: str, **fields: object) -> None:
        """Another device lets people in meanwhile."""
        reply = self.api.post("/checkin", json={"code": code} | fields, token=builders.staff_token(self.event_id))
        assert reply.status == 200, reply.json

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def wait_until_kept(self) -> None:
        """Wait until the browser has kept the page and the service worker has taken over: requests meanwhile pass by the test's routes."""
        wait_until(self.page, IS_KEPT)
        wait_until(self.page, WORKER_IS_ACTIVE)

    def lose_network(self) -> None:
        """The network is gone; what the browser has kept is not."""
        self.wait_until_kept()
        self.page.context.set_offline(True)
        self.see_state("Offline")

    def find_network(self) -> None:
        self.page.context.set_offline(False)
        self.page.evaluate("dispatchEvent(new Event('online'))")
        self.see_state("Online")
