"""People with accounts and with links from mails, the waitlist, mails that failed, and the functions that run without a request."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import msgspec

import app
from bootstrap import ticket_import
from chalicelib.accounts import members
from chalicelib.addons.images import store as images
from chalicelib.addons.outgoing_webhooks import endpoints
from chalicelib.addons.outgoing_webhooks.store import query_deliveries
from chalicelib.addons.wallets import apple
from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.rollout import ApplyRefused
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.changes import jobs
from chalicelib.foundation import clock, outbound_http, settings
from chalicelib.foundation.outbound_http import HostReply
from chalicelib.notifications import providers, ses_reports
from chalicelib.notifications import service as notifications
from chalicelib.notifications.model import EncodedMail
from chalicelib.notifications.providers import MailRefused
from chalicelib.notifications.store import NotificationRow
from chalicelib.purchases import store
from chalicelib.tickets import service as tickets
from chalicelib.waiting_room import tokens
from devtools.authenticator import Authenticator
from devtools.oidc import FakeIdentityProvider
from infra.local.images import stored_event
from infra.local.schedules import scheduled_event
from tests import builders, pictures, shops
from tests.access.requests import ANNOUNCEMENT, HOOKS
from tests.accounts.conftest import EMAIL, PASSWORD, Mailbox, log_in, register
from tests.addons.waitlist import ballots, lines
from tests.addons.wallets import fakes
from tests.bootstrap import conftest as bootstrap
from tests.client import Client, ClientReply
from tests.notifications.fake_provider import FakeProvider
from tests.notifications.test_ses_reports import TOPIC, Topic, bounce
from tests.proof.harness import Flow
from tests.proof.scenes import SCHEDULES, StoredScene, open_app
from tests.simulation.interception import unobserved
from tests.simulation.moments import Moment
from tests.waiting_room.sale import create_sale, join

DAY = 86_400
HELD_BACK_UNTIL = 1_780_315_200 + DAY
ENDPOINT = "01KT0000000000000000000001"


class PersonScene(StoredScene):
    """People at one event, such as a guest with three tickets, and all mails that were sent to them."""

    def __init__(self, api: Client, time: Any, shop: shops.Shop, mailbox: Mailbox, provider: FakeProvider, hosts: "Hosts") -> None:
        super().__init__(api, time)
        self.shop, self.mailbox, self.provider, self.hosts = shop, mailbox, provider, hosts
        self.id = self.guest = self.guest_session = self.text = self.data_token = ""
        self.phone, self.created, self.signed = Authenticator(settings.current().shop_url), {}, {}

    def buy(self) -> None:
        """Buy as a guest."""
        tokens = self.api.post("/auth/guest").json
        self.guest, self.guest_session = tokens["access_token"], tokens["refresh_token"]
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

    def own_account(self) -> None:
        """Create an account with a verified address, and sign in."""
        self.sign_up()
        self.read_verification()
        self.verify_email()
        self.guest = log_in(self.api).json["access_token"]

    def be_invited(self) -> None:
        """Be invited to work at an event."""
        members.invite(self.shop.event_id, EMAIL, "staff", "root", clock.now())

    def accept_invitation(self) -> ClientReply:
        return self.api.post(f"/me/invitations/{self.shop.event_id}", token=self.guest)

    def decline_invitation(self) -> ClientReply:
        return self.api.delete(f"/me/invitations/{self.shop.event_id}", token=self.guest)

    def begin_second_factor(self) -> ClientReply:
        reply = self.api.post("/auth/me/second-factor", json={"password": PASSWORD}, token=self.guest)
        self.text = reply.json.get("secret", "")
        return reply

    def turn_on_second_factor(self) -> ClientReply:
        body = {"code": builders.code_of(self.text, self.time.now)}
        return self.api.put("/auth/me/second-factor", json=body, token=self.guest)

    def turn_off_second_factor(self) -> ClientReply:
        body = {"password": PASSWORD, "code": builders.code_of(self.text, self.time.now + 30)}
        return self.api.delete("/auth/me/second-factor", json=body, token=self.guest)

    def begin_passkey(self) -> ClientReply:
        reply = self.api.post("/auth/me/passkeys/challenge", json={"password": PASSWORD}, token=self.guest)
        if reply.status == 201:
            self.created = {"name": "Phone"} | self.phone.create(reply.json)
        return reply

    def add_passkey(self) -> ClientReply:
        reply = self.api.post("/auth/me/passkeys", json=self.created, token=self.guest)
        if reply.status == 201:
            self.text = reply.json["passkey"]["id"]
        return reply

    def sign_challenge(self) -> None:
        self.signed = self.phone.sign(self.api.post("/auth/passkeys/challenge").json["challenge"])

    def use_passkey(self) -> ClientReply:
        return self.api.post("/auth/passkeys/login", json=self.signed)

    def get_passkey_code(self) -> ClientReply:
        reply = self.api.post("/auth/me/passkeys/code", json=self.signed, token=self.guest)
        if reply.status == 201:
            self.data_token = reply.json["code"]
        return reply

    def remove_passkey(self) -> ClientReply:
        return self.api.delete(f"/auth/me/passkeys/{self.text}", json={"code": self.data_token}, token=self.guest)

    def begin_staff_sign_in(self) -> ClientReply:
        reply = self.api.post("/auth/staff/begin", json={})
        if reply.status == 201:
            self.text, self.signed = reply.cookies[0].partition(";")[0], self.hosts.staff.sign_in(reply.json["address"])
        return reply

    def sign_in_as_staff(self) -> ClientReply:
        return self.api.post("/auth/staff/login", json=self.signed, headers={"Cookie": self.text})

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

    def withdraw_by_link(self) -> ClientReply:
        body = {"token": self.data_token, "order_id": self.id, "request_number": 1}
        return self.api.post("/lost-tickets/withdraw-return", json=body)

    def withdraw_return(self) -> ClientReply:
        return self.api.delete(f"/orders/{self.id}/return-requests/1", token=self.guest)

    def let_managers_decide(self) -> ClientReply:
        """Managers decide on each return."""
        returns = {"policy": "refund", "fee_percent": 10, "needs_approval": True}
        return self.api.patch(f"/events/{self.shop.event_id}", json={"returns": returns}, token=builders.admin_token())

    def accept_return(self) -> ClientReply:
        return self.api.post(f"/admin/orders/{self.id}/return-requests/1", json={"accept": True}, token=builders.admin_token())

    def move_event(self) -> ClientReply:
        """Buyers may return their tickets for a week."""
        fields = {"starts_at": clock.iso(self.time.now + 40 * DAY), "refundable_until": clock.iso(self.time.now + 7 * DAY)}
        return self.api.patch(f"/events/{self.shop.event_id}", json=fields, token=builders.admin_token())

    def give_back(self) -> ClientReply:
        return self.api.post(f"/orders/{self.id}/return", json={}, token=self.guest)

    def allow_resale(self) -> ClientReply:
        """Buyers offer their tickets for resale. The doors are open."""
        fields = {"returns": {"policy": "resale", "fee_percent": 10}, "starts_at": clock.iso(self.time.now + DAY // 2)}
        return self.api.patch(f"/events/{self.shop.event_id}", json=fields, token=builders.admin_token())

    def offer_for_resale(self) -> ClientReply:
        return self.api.post(f"/orders/{self.id}/resale", json={}, token=self.guest)

    def withdraw_resale_by_link(self) -> ClientReply:
        return self.api.post("/lost-tickets/resale", json={"token": self.data_token, "order_id": self.id, "listed": False})

    def reserve_resale(self) -> ClientReply:
        """Bob reserves both tickets that the guest has on the floor, and opens the checkout."""
        [line, *_] = store.load(self.id).lines
        body = {"items": [{"tier_id": self.shop.floor, "quantity": 2, "resale_price_cents": line.price_cents}]}
        reserved = self.api.post(f"/events/{self.shop.event_id}/reservations", json=body, user="bob")
        self.text = reserved.json["id"]
        builders.start_checkout(self.api, "bob", self.text, key=self.text)
        return reserved

    def pay_resale(self) -> ClientReply:
        return builders.confirm(self.api, "bob", self.text)

    def use_ticket(self) -> None:
        """The guest comes in with a ticket that is for resale."""
        code = {"code": tickets.get_ticket(f"{self.id}-1").code}
        assert self.api.post("/checkin", json=code, token=builders.staff_token(self.shop.event_id)).status == 200

    def sweep(self) -> None:
        self.run_schedule("sweep")

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

    def open_ballot(self) -> None:
        """There is one ticket. Two people have registered, and a third has a number in the draw."""
        self.id, _ = ballots.create_ballot(self.api, self.time, capacity=1)
        ballots.register(self.api, self.id, "eve", "kim")
        self.text = join(self.api, self.id, "ada")

    def register(self) -> ClientReply:
        return self.api.post("/waitlist", json={"event_id": self.id, "token": self.text}, user="ada")

    def reach_draw(self) -> None:
        ballots.make_draw(self.time)

    def join_room(self) -> None:
        self.id, _ = create_sale(self.api, self.time)
        self.text = join(self.api, self.id, "ada")

    def open_verified_room(self) -> None:
        self.id, _ = create_sale(self.api, self.time, entry="verified_address")

    def ask_for_code(self) -> ClientReply:
        return self.api.post(f"/events/{self.id}/waiting-room/code", json={"email": EMAIL}, user="ada")

    def read_code(self) -> None:
        self.text = re.findall(r"\b[0-9]{6}\b", self.mailbox.mails[-1].text)[0]

    def prove_address(self) -> ClientReply:
        return self.api.post(f"/events/{self.id}/waiting-room/address", json={"email": EMAIL, "code": self.text}, user="ada")

    def keep_proof(self) -> None:
        self.text = self.prove_address().json["address_proof"]

    def join_with_address(self) -> ClientReply:
        return self.api.post(f"/events/{self.id}/waiting-room/join", json={"address_proof": self.text}, user="ada")

    def move_place(self) -> ClientReply:
        """Join with the address of somebody who has joined with another browser."""
        body = {"address_proof": tokens.sign_address(self.id, tokens.address_key(self.id, EMAIL), "ada-on-the-phone")}
        return self.api.post(f"/events/{self.id}/waiting-room/join", json=body, user="ada-on-the-phone")

    def open_room_for_cards(self) -> None:
        self.id, _ = create_sale(self.api, self.time, entry="payment_card")

    def keep_card(self) -> None:
        self.text = tokens.sign_card(self.id, tokens.card_key(self.id, "a card"), "ada")

    def join_with_card(self) -> ClientReply:
        return self.api.post(f"/events/{self.id}/waiting-room/join", json={"card_proof": self.text}, user="ada")

    def open_presale(self) -> None:
        self.id, _ = create_sale(self.api, self.time, entry="access_code")
        builders.create_promo_code(self.api, self.id, "CLUB", discount_value=0, admits_to_draw=True, max_total_uses=1)

    def join_with_code(self) -> ClientReply:
        return self.api.post(f"/events/{self.id}/waiting-room/join", json={"access_code": "CLUB"}, user="ada")

    def join_without_code(self) -> None:
        refused = self.api.post(f"/events/{self.id}/waiting-room/join", user="bob")
        self.text = refused.json["refusal"]

    def appeal(self) -> ClientReply:
        body = {"refusal": self.text, "text": "I am a member."}
        return self.api.post(f"/events/{self.id}/waiting-room/appeal", json=body, user="bob")

    def read_appeal(self) -> None:
        listed = self.api.get(f"/admin/events/{self.id}/waiting-room/appeals", token=builders.admin_token())
        self.text = listed.json["appeals"][0]["id"]

    def grant_appeal(self) -> ClientReply:
        path = f"/admin/events/{self.id}/waiting-room/appeals/{self.text}/answer"
        return self.api.post(path, json={"status": "granted"}, token=builders.admin_token())

    def open_room_with_groups(self) -> None:
        self.id, _ = create_sale(self.api, self.time, entry="verified_address", groups=True)
        self.text = self._join_with_proof("ada").json["token"]

    def form_group(self) -> ClientReply:
        return self.api.post(f"/events/{self.id}/waiting-room/group", json={"token": self.text}, user="ada")

    def keep_group(self) -> None:
        self.text = self.form_group().json["token"]

    def join_group(self) -> ClientReply:
        arrival = tokens.read_token(self.text)
        assert arrival is not None
        assert arrival.group is not None
        return self._join_with_proof("bob", invitation=tokens.sign_invitation(self.id, arrival.room, arrival.group))

    def leave_group(self) -> ClientReply:
        return self.api.post(f"/events/{self.id}/waiting-room/group/leave", json={"token": self.text}, user="ada")

    def _join_with_proof(self, user: str, **fields: str) -> ClientReply:
        proof = tokens.sign_address(self.id, tokens.address_key(self.id, f"{user}@example.com"), user)
        return self.api.post(f"/events/{self.id}/waiting-room/join", json={"address_proof": proof} | fields, user=user)

    def ask_for_turn(self) -> ClientReply:
        body = {"token": self.text, "email": EMAIL}
        return self.api.put(f"/events/{self.id}/waiting-room/notice", json=body, user="ada")

    # Tickets that are held back, and released at a time.

    def hold_back(self) -> ClientReply:
        held_back = {"id": "press", "reason": "press", "quantity": 2, "release_at": clock.iso(HELD_BACK_UNTIL)}
        return self.api.patch(f"/tiers/{self.shop.floor}", json={"holdbacks": [held_back]}, token=builders.admin_token())

    def release(self) -> None:
        """Run the sweep after the time of the release."""
        self.time.advance(max(0, HELD_BACK_UNTIL - self.time.now))
        self.run_schedule("sweep")

    # The places of a date, which both tiers sell.

    def limit_date(self) -> ClientReply:
        date = {"id": "first", "starts_at": clock.iso(self.time.now + 30 * DAY), "capacity": 14}
        return self.api.patch(f"/events/{self.shop.event_id}", json={"dates": [date]}, token=builders.admin_token())

    def free_places(self) -> ClientReply:
        return self.api.patch(f"/tiers/{self.shop.floor}", json={"capacity": 6}, token=builders.admin_token())

    def add_date(self) -> None:
        self.text = clock.iso(self.time.now + 30 * DAY)
        dates = {"dates": [{"id": "friday", "starts_at": self.text}]}
        assert self.api.patch(f"/events/{self.shop.event_id}", json=dates, token=builders.admin_token()).status == 200
        tier = {"date_ids": ["friday"]}
        assert self.api.patch(f"/tiers/{self.shop.balcony}", json=tier, token=builders.admin_token()).status == 200

    def repeat_date(self) -> ClientReply:
        body = {"rule": "FREQ=WEEKLY;COUNT=3", "starts_at": self.text, "tiers_of": "friday"}
        return self.api.post(f"/admin/events/{self.shop.event_id}/dates", json=body, token=builders.admin_token())

    def take_places(self) -> ClientReply:
        return self.api.patch(f"/tiers/{self.shop.balcony}", json={"capacity": 8}, token=builders.admin_token())

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

    def announce(self) -> ClientReply:
        path = f"/admin/events/{self.shop.event_id}/announcements/a1"
        return self.api.put(path, json=ANNOUNCEMENT, token=builders.admin_token())

    def stop_announcement(self) -> ClientReply:
        return self.api.delete(f"/admin/events/{self.shop.event_id}/announcements/a1", token=builders.admin_token())

    def report_bounce(self) -> ClientReply:
        topic = Topic(self.api)
        with mock.patch.object(ses_reports, "fetch", topic.fetch), settings.override(ses_topic_arn=TOPIC):
            return topic.post(bounce())

    # Bootstrap files.

    def apply_file(self, quantity: int) -> None:
        tickets = {"pass": bootstrap.ticket("pass", "fest", max_quantity=quantity)}
        tree = {"version": "1", "events": {"fest": bootstrap.event("fest")}, "ticket_types": tickets}
        rollout.apply(validate_tree(tree), "ann", self.time.now)

    def apply_large_file(self, venue: str) -> None:
        """Apply a file with five events of a promoter who gets webhooks. From the hall to the arena, tiers shrink, grow, come and go."""
        if venue == "Hall":
            endpoints.create_endpoint("nora", ENDPOINT, HOOKS, "", ["event.changed"], "nora", self.time.now)
        fields = {"venue": venue, "metadata": {"timezone": "America/Denver", "promoter_id": "nora"}}
        events = {f"e{number}": bootstrap.event(f"e{number}", **fields) for number in range(5)}
        tickets = {f"{event_id}-pass": bootstrap.ticket(f"{event_id}-pass", event_id) for event_id in events}
        tickets |= {name: bootstrap.ticket(name, "e0", max_quantity=quantity) for name, quantity in _LARGE_FILES[venue].items()}
        with suppress(ApplyRefused):  # another run has applied the file in the meantime
            rollout.apply(validate_tree({"version": "1", "events": events, "ticket_types": tickets}), "ann", self.time.now)

    def apply_files(self) -> None:
        """Apply a file, then another with more tickets, and look at the plan of going back to the first."""
        self.apply_file(20)
        self.apply_file(40)
        versions = self.api.get("/admin/catalog/versions", token=builders.admin_token()).json["versions"]
        self.id = str(versions[-1]["version"])
        self.text = self.api.get(f"/admin/catalog/versions/{self.id}/plan", token=builders.admin_token()).json["plan"]

    def go_back(self) -> ClientReply:
        return self.api.post(f"/admin/catalog/versions/{self.id}/apply", json={"plan": self.text}, token=builders.admin_token())

    def apply_first_file(self) -> None:
        self.apply_file(20)

    def import_tickets(self) -> None:
        """Import tickets that another system sold, from a file."""
        with TemporaryDirectory() as folder:
            file = Path(folder) / "sold.csv"
            file.write_text("code,tier,name,email\nOLD-1001,pass,Ada Lovelace,ada@example.com\nOLD-1002,pass,,\n", encoding="utf-8")
            source = ticket_import.find_source(file, "fest", {}, {})
            list(ticket_import.write(source, ticket_import.check(source), "ann"))

    def apply_third_file(self) -> None:
        with suppress(ApplyRefused):  # another run has applied a file in the meantime
            self.apply_file(30)

    # Webhooks of a promoter, and pictures.

    def buy_from_promoter(self) -> None:
        """Buy a ticket of a promoter with an endpoint, who issues invoices."""
        event_id, tier_id = builders.create_promoted_shop("nora")
        seller = {"name": "Nora Ltd", "address": "1 Harbor Street", "tax_id": "PT501234567"}
        profile = {"name": "Nora", "verified": True, "invoices": seller}
        assert self.api.put("/promoters/nora", json=profile, token=builders.admin_token()).status == 200
        endpoints.create_endpoint("nora", ENDPOINT, HOOKS, "", [], "nora", self.time.now)
        self.id = builders.create_order(self.api, (event_id, tier_id), 1, "ada")

    def fail_webhooks(self) -> None:
        self.hosts.status = 500
        self.follow_core()
        self.send_webhooks()
        self.hosts.status = 200
        self.time.advance(600)

    def process_image(self) -> ClientReply | None:
        """Store a picture in the bucket, and call the function that processes it."""
        path = f"/events/{self.shop.event_id}/image/upload"
        with unobserved():
            if not self.text:
                self.text = self.api.post(path, json={"content_type": "image/jpeg"}, token=builders.admin_token()).json["fields"]["key"]
            images.put(self.text, pictures.picture(size=(20, 20)), "image/jpeg")
        app.app.handler_map["process_image"](stored_event(self.text), None)
        return None

    def remove_image(self) -> None:
        self.process_image()
        assert self.api.delete(f"/events/{self.shop.event_id}/image", token=builders.admin_token()).status < 300
        self.time.advance(2 * DAY)

    # Guests who get an account.

    def sign_in_as_guest(self) -> None:
        """Buy as a guest, then create an account and sign in."""
        self.buy()
        self.sign_up()
        self.read_verification()
        self.verify_email()
        self.text = log_in(self.api).json["access_token"]

    def move_orders(self) -> ClientReply:
        return self.api.post("/auth/guest/orders", json={"refresh_token": self.guest_session}, token=self.text)

    # Passes in wallets.

    def keep_passes(self) -> None:
        """Put a ticket of a promoter's event into both wallets, and register a phone."""
        self.buy_from_promoter()
        for wallet in ("google", "apple"):
            url = self.api.post(f"/tickets/{self.id}-1/passes", json={"wallet": wallet}, user="ada").json["url"]
        serial, _, token = url.rpartition("/")[2].partition("?token=")
        path = f"/apple/v1/devices/{'0' * 32}/registrations/{fakes.PASS_TYPE}/{serial}"
        assert self.api.post(path, json={"pushToken": "ab"}, headers={"Authorization": f"ApplePass {token}"}).status == 201
        self.follow_core()

    def refund_order(self) -> None:
        assert builders.refund(self.api, self.id).status < 300

    def refund_pass(self) -> None:
        self.refund_order()
        self.follow_core()

    def move_pass(self) -> None:
        """Apply a bootstrap file in which the promoter's event has another place."""
        moved = bootstrap.event("fest", metadata={"timezone": "America/Denver", "promoter_id": "nora"}, venue="Arena")
        tree = {"version": "1", "events": {"fest": moved}, "ticket_types": {"fest-pass": bootstrap.ticket("fest-pass")}}
        rollout.apply(validate_tree(tree), "test", clock.now())
        self.follow_core()

    def update_passes(self) -> None:
        self.run_schedule("update_passes")

    # Functions that read streams.

    def follow_core(self) -> None:
        self.follow_changes("follow_changes")

    def project_reports(self) -> None:
        self.follow_changes("project_reports")

    def send_webhooks(self) -> None:
        self.follow_changes("send_webhooks")

    # Functions that run on a schedule.

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

    def clean_images(self) -> None:
        self.run_schedule("clean_images")

    def snapshot(self) -> Moment:
        return Moment(self.time, None, self.provider, self.hosts)

    def check_recovered(self) -> None:
        """Nothing counts as sent that was not received."""
        super().check_recovered()
        assert {row.id for row in NotificationRow.scan() if row.status == "sent"} <= self.provider.received
        assert {each.id for each in query_deliveries(ENDPOINT, None) if each.state == "delivered"} <= self.hosts.received

    def outcome(self) -> Any:
        """Return what is stored, and what has become of each message."""
        mails = Counter((row.kind, row.status) for row in NotificationRow.scan())
        webhooks = Counter((delivery.message.type, delivery.state) for delivery in query_deliveries(ENDPOINT, None))
        return super().outcome() | {"mails": dict(mails), "webhooks": dict(webhooks)}


class Provider(FakeProvider):
    """A mail provider whose ids do not depend on earlier tries."""

    received: frozenset[str] = frozenset()

    def send(self, mail: EncodedMail) -> str:
        super().send(mail)
        self.received |= {str(mail.notification_id)}
        return f"provider-{mail.notification_id}"


class Hosts:
    """The hosts that receive promoters' webhooks, which answer with `status`, and the provider through which staff sign in."""

    status = 200
    received: frozenset[str] = frozenset()
    staff = FakeIdentityProvider("shop", "secret", clock.now)
    staff.person = {"email": EMAIL, "email_verified": True}
    staff.forgets_codes = False  # a flow goes back in time

    def get(self, destination: Any, *_: Any) -> HostReply:
        status, content = self.staff.answer("GET", destination.target)
        return HostReply(status, msgspec.json.encode(content), None)

    def post(self, destination: Any, addresses: Any, headers: Mapping[str, str], body: bytes, *_: Any) -> HostReply:
        if destination.target == "/token" and "Authorization" in headers:
            status, content = self.staff.answer("POST", "/token", body.decode(), headers["Authorization"])
            return HostReply(status, msgspec.json.encode(content), None)
        if "webhook-id" not in headers:  # a request to Google
            return HostReply(self.status, b'{"access_token": "x", "expires_in": 3600}', None)
        self.received |= {headers["webhook-id"]}
        return HostReply(self.status, b"", None)


@contextmanager
def _open(time: Any, event_capacity: int | None = None) -> Iterator[PersonScene]:
    mailbox, provider, hosts = Mailbox(), Provider(), Hosts()
    send = mock.patch.object(notifications, "send", lambda draft, **_: bool(mailbox.mails.append(draft.compose())) or True)
    find_provider = mock.patch.object(providers, "find_provider", return_value=provider)
    wallets = {"google_wallet_issuer": fakes.ISSUER, "google_wallet_key": fakes.google_key("https://google.test"), **fakes.apple_settings()}
    sender = settings.override(mail_from="Shop <tickets@shop.test>", shop_url="https://shop.test", **STAFF, **wallets)
    push = mock.patch.object(apple, "push", lambda tokens: dict.fromkeys(tokens, 200))
    post = mock.patch.multiple(outbound_http, post=hosts.post, get=hosts.get, resolve=lambda _: ["93.184.215.14"])
    portion = mock.patch.object(jobs, "PORTION", 2)  # of a bootstrap file's changes that one record passes on
    with open_app() as api, shops.isolated_shop(api, event_capacity) as shop, send, find_provider, sender, post, push, portion:
        scene = PersonScene(api, time, shop, mailbox, provider, hosts)
        scene.follow_changes()
        yield scene


_LARGE_FILES = {
    "Hall": {"shrinks": 40, "grows": 20, "shards": 110, "goes": 10},
    "Arena": {"shrinks": 20, "grows": 60, "shards": 300, "new": 10},
}

STAFF = {"oidc_issuer": Hosts.staff.issuer, "oidc_client_id": "shop", "oidc_client_secret": "secret", "oidc_domains": "example.com"}

_WITH_PASSKEY = ["own_account", "begin_passkey", "add_passkey"]

# name -> (the steps before, the step that a fault breaks)
_STEPS: dict[str, tuple[list[str], str]] = {
    "verify an address": (["sign_up", "read_verification"], "verify_email"),
    "reset a password": (["sign_up", "forget_password", "read_reset"], "reset_password"),
    "refresh a session": (["sign_up", "sign_in"], "refresh"),
    "accept an invitation": (["own_account", "be_invited"], "accept_invitation"),
    "decline an invitation": (["own_account", "be_invited"], "decline_invitation"),
    "begin a second factor": (["own_account"], "begin_second_factor"),
    "turn on a second factor": (["own_account", "begin_second_factor"], "turn_on_second_factor"),
    "turn off a second factor": (["own_account", "begin_second_factor", "turn_on_second_factor"], "turn_off_second_factor"),
    "begin a passkey": (["own_account"], "begin_passkey"),
    "add a passkey": (["own_account", "begin_passkey"], "add_passkey"),
    "sign in with a passkey": ([*_WITH_PASSKEY, "sign_challenge"], "use_passkey"),
    "get a code with a passkey": ([*_WITH_PASSKEY, "sign_challenge"], "get_passkey_code"),
    "remove a passkey": ([*_WITH_PASSKEY, "sign_challenge", "get_passkey_code"], "remove_passkey"),
    "begin to sign in as staff": ([], "begin_staff_sign_in"),
    "sign in as staff": (["begin_staff_sign_in"], "sign_in_as_staff"),
    "open lost tickets": (["buy", "ask_for_link", "read_link"], "follow_link"),
    "export by a link": (["buy", "ask_for_link", "read_link", "follow_link"], "export_by_link"),
    "erase by a link": (["buy", "ask_for_link", "read_link", "follow_link"], "erase_by_link"),
    "return by a link": (["move_event", "buy", "ask_for_link", "read_link", "follow_link"], "return_by_link"),
    "return tickets": (["move_event", "buy"], "give_back"),
    "ask to return tickets": (["let_managers_decide", "buy"], "give_back"),
    "withdraw a return": (["let_managers_decide", "buy", "give_back"], "withdraw_return"),
    "withdraw a return by a link": (
        ["let_managers_decide", "buy", "give_back", "ask_for_link", "read_link", "follow_link"],
        "withdraw_by_link",
    ),
    "accept a return": (["let_managers_decide", "buy", "give_back"], "accept_return"),
    "offer for resale": (["allow_resale", "buy"], "offer_for_resale"),
    "withdraw from resale by a link": (
        ["allow_resale", "buy", "offer_for_resale", "ask_for_link", "read_link", "follow_link"],
        "withdraw_resale_by_link",
    ),
    "pay for tickets for resale": (["allow_resale", "buy", "offer_for_resale", "reserve_resale"], "pay_resale"),
    "pay for a ticket that was used": (["allow_resale", "buy", "offer_for_resale", "reserve_resale", "use_ticket"], "pay_resale"),
    "close a listing": (["allow_resale", "buy", "offer_for_resale", "use_ticket"], "sweep"),
    "reset a demo": (["buy"], "reset_demo"),
    "offer tickets by hand": (["sell_out", "refund"], "offer_by_hand"),
    "offer tickets": (["sell_out", "refund"], "offer_tickets"),
    "draw a ballot": (["open_ballot", "register", "reach_draw"], "offer_tickets"),
    "hold tickets back": ([], "hold_back"),
    "release a holdback": (["hold_back"], "release"),
    "free places of a date": (["limit_date", "buy"], "free_places"),
    "repeat a date": (["add_date"], "repeat_date"),
    "take places of a date": (["limit_date", "buy", "free_places"], "take_places"),
    "ask for a turn": (["join_room"], "ask_for_turn"),
    "ask for a code": (["open_verified_room"], "ask_for_code"),
    "prove an address": (["open_verified_room", "ask_for_code", "read_code"], "prove_address"),
    "join with an address": (["open_verified_room", "ask_for_code", "read_code", "keep_proof"], "join_with_address"),
    "move a place": (["open_verified_room", "ask_for_code", "read_code", "keep_proof", "join_with_address"], "move_place"),
    "join with a card": (["open_room_for_cards", "keep_card"], "join_with_card"),
    "join with an access code": (["open_presale"], "join_with_code"),
    "appeal": (["open_presale", "join_without_code"], "appeal"),
    "grant an appeal": (["open_presale", "join_without_code", "appeal", "read_appeal"], "grant_appeal"),
    "form a group": (["open_room_with_groups"], "form_group"),
    "join a group": (["open_room_with_groups", "keep_group"], "join_group"),
    "leave a group": (["open_room_with_groups", "keep_group"], "leave_group"),
    "reconcile": (["buy"], "reconcile"),
    "catch up on invoices": (["buy_from_promoter", "refund"], "reconcile"),
    "send a mail again": (["buy", "fail_mails"], "resend"),
    "announce": (["buy"], "announce"),
    "stop an announcement": (["buy", "announce"], "stop_announcement"),
    "send an announcement": (["buy", "announce"], "send_messages"),
    "report a bounce": (["buy", "follow_changes", "send_messages"], "report_bounce"),
    "import tickets": (["apply_first_file"], "import_tickets"),
    "apply a bootstrap file": (["apply_files"], "apply_third_file"),
    "apply a large bootstrap file": (["apply_large_file Hall"], "apply_large_file Arena"),
    "go back to an earlier version": (["apply_files"], "go_back"),
    "send messages": (["buy", "follow_changes"], "send_messages"),
    "move a guest's orders": (["sign_in_as_guest"], "move_orders"),
    "process an image": ([], "process_image"),
    "clean images": (["remove_image"], "clean_images"),
    "follow a purchase": (["buy"], "follow_core"),
    "queue webhooks of a purchase": (["buy_from_promoter"], "follow_core"),
    "issue invoices": (["buy_from_promoter", "refund"], "follow_core"),
    "follow a refund, with a waitlist": (["sell_out", "refund"], "follow_core"),
    "follow a bootstrap file": (["apply_files"], "follow_core"),
    "follow a large bootstrap file": (["apply_large_file Hall", "follow_changes", "apply_large_file Arena"], "follow_core"),
    "project reports of a purchase": (["buy_from_promoter"], "project_reports"),
    "project reports of a refund": (["sell_out", "follow_changes", "refund"], "project_reports"),
    "send webhooks": (["buy_from_promoter", "follow_core"], "send_webhooks"),
    "retry webhooks": (["buy_from_promoter", "fail_webhooks"], "retry_webhooks"),
    "queue updates of passes": (["keep_passes", "refund_order"], "follow_core"),
    "update the passes of a refunded ticket": (["keep_passes", "refund_pass"], "update_passes"),
    "update the passes of a moved event": (["keep_passes", "move_pass"], "update_passes"),
}

# The functions of the app without a route, and a flow for each.
FUNCTIONS = {
    "clean_images": "clean images",
    "follow_changes": "follow a purchase",
    "offer_tickets": "offer tickets",
    "process_image": "process an image",
    "project_reports": "project reports of a purchase",
    "reconcile": "reconcile",
    "retry_webhooks": "retry webhooks",
    "send_messages": "send messages",
    "send_webhooks": "send webhooks",
    "sweep": "expire in a sweep",
    "update_passes": "update the passes of a refunded ticket",
}

# A token that is used again ends its session, and a code of an app works once. After a failure, somebody has to look at the plan again.
_NEVER_THE_SAME = {
    *("refresh a session", "go back to an earlier version", "ask for a code"),
    *("begin a second factor", "turn on a second factor", "turn off a second factor"),
    *("begin to sign in as staff", "sign in as staff"),
    *("begin a passkey", "add a passkey", "sign in with a passkey", "get a code with a passkey", "remove a passkey"),
    "decline an invitation",
}
FLOWS = {name: Flow(_open, before, step, name not in _NEVER_THE_SAME) for name, (before, step) in _STEPS.items()}
# An interrupted file that makes tiers smaller leaves the stock smaller than the stock ledger says, until it is applied again.
FLOWS["apply a large bootstrap file"] = Flow(_open, *_STEPS["apply a large bootstrap file"], is_finished_by_client=True)
_POOLED = ("hold tickets back", "release a holdback", "pay for tickets for resale")
FLOWS |= {f"{name}, event capacity": Flow(partial(_open, event_capacity=5), *_STEPS[name]) for name in _POOLED}

# The routes of this file's flows.
ROUTES = {
    "POST /auth/email/verify": "verify an address",
    "POST /auth/password/reset": "reset a password",
    "POST /auth/refresh": "refresh a session",
    "POST /me/invitations/{event_id}": "accept an invitation",
    "DELETE /me/invitations/{event_id}": "decline an invitation",
    "POST /auth/me/second-factor": "begin a second factor",
    "PUT /auth/me/second-factor": "turn on a second factor",
    "DELETE /auth/me/second-factor": "turn off a second factor",
    "POST /auth/me/passkeys/challenge": "begin a passkey",
    "POST /auth/me/passkeys": "add a passkey",
    "POST /auth/passkeys/login": "sign in with a passkey",
    "POST /auth/me/passkeys/code": "get a code with a passkey",
    "DELETE /auth/me/passkeys/{passkey_id}": "remove a passkey",
    "POST /auth/staff/begin": "begin to sign in as staff",
    "POST /auth/staff/login": "sign in as staff",
    "POST /auth/guest/orders": "move a guest's orders",
    "POST /lost-tickets/open": "open lost tickets",
    "POST /lost-tickets/export": "export by a link",
    "POST /lost-tickets/erase": "erase by a link",
    "POST /lost-tickets/resale": "withdraw from resale by a link",
    "POST /lost-tickets/return": "return by a link",
    "POST /lost-tickets/withdraw-return": "withdraw a return by a link",
    "POST /orders/{order_id}/resale": "offer for resale",
    "POST /orders/{order_id}/return": "return tickets",
    "DELETE /orders/{order_id}/return-requests/{request_number}": "withdraw a return",
    "POST /admin/orders/{order_id}/return-requests/{request_number}": "accept a return",
    "DELETE /admin/events/{event_id}/orders": "reset a demo",
    "POST /waitlist/{entry_id}/notify": "offer tickets by hand",
    "POST /waitlist/{entry_id}/card": "Stripe: save a card",
    "PUT /events/{event_id}/waiting-room/notice": "ask for a turn",
    "POST /events/{event_id}/waiting-room/code": "ask for a code",
    "POST /events/{event_id}/waiting-room/address": "prove an address",
    "POST /events/{event_id}/waiting-room/card": "Stripe: have a card checked",
    "POST /events/{event_id}/waiting-room/appeal": "appeal",
    "POST /admin/events/{event_id}/waiting-room/appeals/{appeal_id}/answer": "grant an appeal",
    "POST /events/{event_id}/waiting-room/group": "form a group",
    "POST /events/{event_id}/waiting-room/group/leave": "leave a group",
    "POST /admin/messages/{message_id}/resend": "send a mail again",
    "PUT /admin/events/{event_id}/announcements/{announcement_id}": "announce",
    "DELETE /admin/events/{event_id}/announcements/{announcement_id}": "stop an announcement",
    "POST /webhooks/ses": "report a bounce",
    "POST /admin/catalog/versions/{version}/apply": "go back to an earlier version",
}
