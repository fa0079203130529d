"""People with accounts and with links from mails, the waitlist, mails that failed, and the functions that run without a request."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.foundation import clock, settings
from chalicelib.notifications import providers, ses_reports
from chalicelib.notifications import service as notifications
from chalicelib.notifications.providers import MailRefused
from infra.local.schedules import scheduled_event
from tests import builders, shops
from tests.accounts.conftest import EMAIL, PASSWORD, Mailbox, log_in, register
from tests.addons.waitlist import lines
from tests.bootstrap import conftest as bootstrap
from tests.client import Client, ClientReply
from tests.notifications.fake_provider import FakeProvider
from tests.notifications.test_ses_reports import TOPIC, Topic, bounce
from tests.proof.harness import Flow
from tests.proof.scenes import SCHEDULES, StoredScene, open_app
from tests.waiting_room.sale import create_sale, join

DAY = 86_400


class PersonScene(StoredScene):
    """People at one event, such as a guest with three tickets, and all mails that were sent to them."""

    def __init__(self, api: Client, time: Any, shop: shops.Shop, mailbox: Mailbox, provider: FakeProvider) -> None:
        super().__init__(api, time)
        self.shop, self.mailbox, self.provider = shop, mailbox, provider
        self.id = self.guest = self.text = self.data_token = ""

    def buy(self) -> None:
        """Buy as a guest."""
        self.guest = self.api.post("/auth/guest").json["access_token"]
        guest = {"token": self.guest}
        items = [{"tier_id": self.shop.floor, "quantity": 2}, {"tier_id": self.shop.balcony, "quantity": 1}]
        self.id = self.api.post(f"/events/{self.shop.event_id}/reservations", json={"items": items}, **guest).json["id"]
        body = {"reservation_id": self.id, "customer_email": EMAIL}
        self.api.post("/checkout/sessions", json=body, headers={"Idempotency-Key": self.id}, **guest)
        assert self.api.post("/checkout/confirm", json={"checkout_id": self.id, "simulate": "success"}, **guest).status == 201

    # Accounts.

    def sign_up(self) -> ClientReply:
        return register(self.api)

    def sign_in(self) -> None:
        self.text = log_in(self.api).json["refresh_token"]

    def forget_password(self) -> ClientReply:
        return self.api.post("/auth/password/forgot", json={"email": EMAIL})

    def read_mail(self, kind: str) -> None:
        self.text = self.mailbox.token(kind)

    def read_verification(self) -> None:
        self.read_mail("verify_email")

    def read_reset(self) -> None:
        self.read_mail("reset_password")

    def verify_email(self) -> ClientReply:
        return self.api.post("/auth/email/verify", json={"token": self.text, "password": PASSWORD})

    def reset_password(self) -> ClientReply:
        return self.api.post("/auth/password/reset", json={"token": self.text, "password": "nine green herons"})

    def refresh(self) -> ClientReply:
        return self.api.post("/auth/refresh", json={"refresh_token": self.text})

    # Tickets that somebody has lost, and returns.

    def ask_for_link(self) -> ClientReply:
        return self.api.post("/lost-tickets", json={"email": EMAIL})

    def read_link(self) -> None:
        self.read_mail("find_tickets")

    def follow_link(self) -> ClientReply:
        reply = self.api.post("/lost-tickets/open", json={"token": self.text})
        if reply.status == 200:
            self.data_token = reply.json["data_token"]
        return reply

    def export_by_link(self) -> ClientReply:
        return self.api.post("/lost-tickets/export", json={"token": self.data_token})

    def erase_by_link(self) -> ClientReply:
        return self.api.post("/lost-tickets/erase", json={"token": self.data_token})

    def return_by_link(self) -> ClientReply:
        return self.api.post("/lost-tickets/return", json={"token": self.data_token, "order_id": self.id})

    def move_event(self) -> ClientReply:
        """Buyers may return their tickets for a week."""
        fields = {"starts_at": clock.iso(self.time.now + 40 * DAY), "refundable_until": clock.iso(self.time.now + 7 * DAY)}
        return self.api.patch(f"/events/{self.shop.event_id}", json=fields, token=builders.admin_token())

    def give_back(self) -> ClientReply:
        return self.api.post(f"/orders/{self.id}/return", json={}, token=self.guest)

    def reset_demo(self) -> ClientReply:
        return self.api.delete(f"/admin/events/{self.shop.event_id}/orders", token=builders.admin_token())

    # The waitlist and the waiting room.

    def sell_out(self) -> None:
        """Two buyers get all tickets of the balcony, and two more people wait for them."""
        self.id = builders.create_order(self.api, (self.shop.event_id, self.shop.balcony), 4, "bob")
        self.time.advance(5)
        for user in ("eve", "kim"):
            self.text = lines.join(self.api, user, self.shop.event_id, 2, tier_ids=[self.shop.balcony]).json["id"]

    def refund(self) -> None:
        lines.give_back(self.api, self.id)

    def offer_by_hand(self) -> ClientReply:
        return self.api.post(f"/waitlist/{self.text}/notify", token=builders.admin_token())

    def join_room(self) -> None:
        self.id, _ = create_sale(self.api, self.time)
        self.text = join(self.api, self.id, "ada")

    def ask_for_turn(self) -> ClientReply:
        body = {"token": self.text, "email": EMAIL}
        return self.api.put(f"/events/{self.id}/waiting-room/notice", json=body, user="ada")

    # Mails that could not be sent, and what SES reports about those that were.

    def fail_mails(self) -> None:
        """The provider refuses all mails so far."""
        self.provider.fault = lambda _: MailRefused("recipient refused (550)")
        self.follow_changes()
        self.send_messages()
        self.provider.fault = lambda _: None
        [failed, *_] = self.api.get("/admin/messages", token=builders.admin_token()).json["messages"]
        self.text = failed["id"]

    def resend(self) -> ClientReply:
        return self.api.post(f"/admin/messages/{self.text}/resend", token=builders.admin_token())

    def report_bounce(self) -> ClientReply:
        topic = Topic(self.api)
        with mock.patch.object(ses_reports, "fetch", topic.fetch), settings.override(ses_topic_arn=TOPIC):
            return topic.post(bounce())

    # Bootstrap files.

    def apply_file(self, quantity: int) -> None:
        tickets = {"pass": bootstrap.ticket("pass", "fest", max_quantity=quantity)}
        tree = {"version": "1", "events": {"fest": bootstrap.event("fest")}, "ticket_types": tickets}
        rollout.apply(validate_tree(tree), "ann", self.time.now)

    def apply_files(self) -> None:
        """Apply a file, then another with more tickets, and look at the plan of going back to the first."""
        self.apply_file(20)
        self.apply_file(40)
        versions = self.api.get("/admin/catalog/versions", token=builders.admin_token()).json["versions"]
        self.id = str(versions[-1]["version"])
        self.text = self.api.get(f"/admin/catalog/versions/{self.id}/plan", token=builders.admin_token()).json["plan"]

    def go_back(self) -> ClientReply:
        return self.api.post(f"/admin/catalog/versions/{self.id}/apply", json={"plan": self.text}, token=builders.admin_token())

    def apply_third_file(self) -> None:
        self.apply_file(30)

    # Functions without a request.

    def run_schedule(self, schedule: str) -> None:
        SCHEDULES[schedule](scheduled_event(), None)

    def offer_tickets(self) -> None:
        self.run_schedule("offer_tickets")

    def reconcile(self) -> None:
        self.run_schedule("reconcile")

    def send_messages(self) -> None:
        self.run_schedule("send_messages")

    def retry_webhooks(self) -> None:
        self.run_schedule("retry_webhooks")


@contextmanager
def _open(time: Any) -> Iterator[PersonScene]:
    mailbox, provider = Mailbox(), FakeProvider()
    send = mock.patch.object(notifications, "send", lambda draft: bool(mailbox.mails.append(draft.compose())) or True)
    find_provider = mock.patch.object(providers, "find_provider", return_value=provider)
    sender = settings.override(mail_from="Shop <tickets@shop.test>", shop_url="https://shop.test")
    with open_app() as api, shops.isolated_shop(api) as shop, send, find_provider, sender:
        yield PersonScene(api, time, shop, mailbox, provider)


# name -> (the steps before, the step that a fault breaks)
_STEPS: dict[str, tuple[list[str], str]] = {
    "verify an address": (["sign_up", "read_verification"], "verify_email"),
    "reset a password": (["sign_up", "forget_password", "read_reset"], "reset_password"),
    "refresh a session": (["sign_up", "sign_in"], "refresh"),
    "open lost tickets": (["buy", "ask_for_link", "read_link"], "follow_link"),
    "export by a link": (["buy", "ask_for_link", "read_link", "follow_link"], "export_by_link"),
    "erase by a link": (["buy", "ask_for_link", "read_link", "follow_link"], "erase_by_link"),
    "return by a link": (["move_event", "buy", "ask_for_link", "read_link", "follow_link"], "return_by_link"),
    "return tickets": (["move_event", "buy"], "give_back"),
    "reset a demo": (["buy"], "reset_demo"),
    "offer tickets by hand": (["sell_out", "refund"], "offer_by_hand"),
    "offer tickets": (["sell_out", "refund"], "offer_tickets"),
    "ask for a turn": (["join_room"], "ask_for_turn"),
    "reconcile": (["buy"], "reconcile"),
    "send a mail again": (["buy", "fail_mails"], "resend"),
    "report a bounce": (["buy", "follow_changes", "send_messages"], "report_bounce"),
    "apply a bootstrap file": (["apply_files"], "apply_third_file"),
    "go back to an earlier version": (["apply_files"], "go_back"),
    "send messages": (["buy", "follow_changes"], "send_messages"),
}

# A token that is used again ends its session. After a failure, somebody has to look at the plan again.
_NEVER_THE_SAME = {"refresh a session", "go back to an earlier version"}
FLOWS = {name: Flow(_open, before, step, name not in _NEVER_THE_SAME) for name, (before, step) in _STEPS.items()}

# The routes of this file's flows.
ROUTES = {
    "POST /auth/email/verify": "verify an address",
    "POST /auth/password/reset": "reset a password",
    "POST /auth/refresh": "refresh a session",
    "POST /lost-tickets/open": "open lost tickets",
    "POST /lost-tickets/export": "export by a link",
    "POST /lost-tickets/erase": "erase by a link",
    "POST /lost-tickets/return": "return by a link",
    "POST /orders/{order_id}/return": "return tickets",
    "DELETE /admin/events/{event_id}/orders": "reset a demo",
    "POST /waitlist/{entry_id}/notify": "offer tickets by hand",
    "PUT /events/{event_id}/waiting-room/notice": "ask for a turn",
    "POST /admin/messages/{message_id}/resend": "send a mail again",
    "POST /webhooks/ses": "report a bounce",
    "POST /admin/catalog/versions/{version}/apply": "go back to an earlier version",
}
