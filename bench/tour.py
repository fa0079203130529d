"""A tour of the API that calls every route at least once, each with a successful response, for measurements of each route."""

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from typing import Any
from unittest import mock
from zlib import crc32

from msgspec import UNSET, Struct
from msgspec.structs import replace

from chalicelib.accounts import service as accounts
from chalicelib.accounts.model import Account
from chalicelib.accounts.profiles import InvoiceIssuer, InvoiceSeller
from chalicelib.addons.documents import invoices
from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.foundation import clock, settings
from chalicelib.ledger.model import LedgerEntry
from chalicelib.notifications import outbox, ses_reports, unsubscription
from chalicelib.notifications import service as notifications
from chalicelib.notifications.model import MailMessage
from chalicelib.payments import service as payments
from chalicelib.payments.model import AccountLink, PayoutPage, ProviderAccount, ProviderBalance, ProviderDescription
from chalicelib.purchases import guest_orders, queries
from chalicelib.waiting_room import entries, tokens
from devtools.authenticator import Authenticator
from tests import builders, pictures
from tests.addons.wallets import fakes
from tests.builders import code_of
from tests.client import Client, ClientReply

_numbers = itertools.count()


class TourClient:
    """`name` is unique and a user's id; `admin` is an admin's token; the events of the tour start at `starts_at`."""

    def __init__(self, api: Client) -> None:
        self.api = api
        self.name = f"tour-{next(_numbers)}"
        self.admin = builders.admin_token()
        self.starts_at = clock.now() + 30 * 86_400

    def get(self, path: str, **caller: Any) -> ClientReply:
        return self._call("GET", path, **caller)

    def post(self, path: str, body: Any = None, *, key: str = "", **caller: Any) -> ClientReply:
        headers = {"Idempotency-Key": f"{key}-{self.name}"} if key else {}
        return self._call("POST", path, json=UNSET if body is None else body, headers=headers, **caller)

    def put(self, path: str, body: Any, **caller: Any) -> ClientReply:
        return self._call("PUT", path, json=body, **caller)

    def patch(self, path: str, body: Any, **caller: Any) -> ClientReply:
        return self._call("PATCH", path, json=body, **caller)

    def delete(self, path: str, **caller: Any) -> ClientReply:
        return self._call("DELETE", path, **caller)

    def _call(self, method: str, path: str, **options: Any) -> ClientReply:
        caller = options.get("user") or self.name
        reply = self.api.request(method, path, source_ip=str(IPv4Address(crc32(caller.encode()))), **options)
        assert reply.status < 400, f"{method} {path}: {reply.status} {reply.json}"
        return reply


@contextmanager
def caught_mails() -> Iterator[list[MailMessage]]:
    """Catch the emails that are sent within the block instead of sending them."""
    sent: list[MailMessage] = []
    with mock.patch.object(notifications, "send", lambda draft, **_: sent.append(draft.compose())):
        yield sent


def mailed_token(mails: list[MailMessage]) -> str:
    """Return the token of the link in the last email."""
    found = re.search(r"#token=(\S+)", mails[-1].text)
    assert found is not None, mails[-1].text
    return found[1]


OPERATOR = "operator"  # applies the first version of the file


def visit_all(api: Client) -> None:
    """Call every route. Creates new data each time, so tours can be repeated. Raises AssertionError for an error response."""
    tour = _Tour(api)
    tour.visit_service()
    tour.manage_account()
    event_id, tier_id = tour.manage_catalog()
    tour.manage_event()
    tour.manage_packages()
    tour.manage_people(event_id)
    tour.connect_account()
    tour.manage_webhooks()
    tour.manage_promo_codes(event_id)
    tour.order_by_transfer()
    tour.manage_versions()
    tour.browse(event_id)
    order_id = tour.buy(event_id, tier_id)
    tour.order_in_one_call(event_id, tier_id)
    tour.return_tickets(event_id, tier_id)
    tour.decide_return(event_id, tier_id)
    tour.buy_package(event_id, tier_id)
    tour.show_order(event_id, order_id)
    tour.name_guest(f"{order_id}-1", order_id)
    tour.keep_pass(f"{order_id}-1")
    tour.admit(f"{order_id}-1", tour.transfer_ticket(f"{order_id}-1"))
    tour.manage_sale(event_id, order_id)
    tour.show_reports(event_id)
    tour.manage_waiting_room(event_id)
    tour.reset(event_id)
    tour.wait_in_line()
    tour.wait_for_tickets()  # moves the clock


class _Accounts(Struct):
    """A payment provider that has made this account and waits for its owner."""

    account_id: str

    def create_account(self, promoter_id: str, number: int) -> str:  # noqa: ARG002
        return self.account_id

    def create_account_link(self, account: str, return_url: str) -> AccountLink:  # noqa: ARG002
        return AccountLink("https://payments.test/setup", clock.now() + 300)

    @property
    def DESCRIPTION(self) -> ProviderDescription:
        return payments.external_provider("stripe").DESCRIPTION

    def list_payouts(self, limit: int, after: str | None, account: str | None) -> PayoutPage:  # noqa: ARG002
        return PayoutPage([], None)

    def fetch_balances(self, account: str) -> list[ProviderBalance]:  # noqa: ARG002
        return []

    def fetch_account(self, account: str) -> ProviderAccount:
        return ProviderAccount(id=account, takes_payments=False, gets_payouts=False, missing=["external_account"], disabled_reason=None)


class _Tour(TourClient):
    def visit_service(self) -> None:
        self.get("/health")
        self.get("/openapi.json")
        self.get("/catalog")
        self.get("/metrics")

    def manage_account(self) -> None:
        email, password, new_password = f"{self.name}@example.com", "seven grey owls", "nine green herons"
        with caught_mails() as mails:
            guest = self.post("/auth/guest").json
            self.post("/auth/register", {"email": email, "password": password})
            self.post("/auth/email/resend", {"email": email})
            self.post("/auth/email/verify", {"token": mailed_token(mails), "password": password})
            self.post("/auth/password/forgot", {"email": email})
            self.post("/auth/password/reset", {"token": mailed_token(mails), "password": new_password})
        tokens = self.post("/auth/login", {"email": email, "password": new_password}).json
        self.get("/auth/me", token=tokens["access_token"])
        self.post("/auth/guest/orders", {"refresh_token": guest["refresh_token"]}, token=tokens["access_token"])
        self.patch("/auth/me", {"first_name": "Ada"}, token=tokens["access_token"])
        self.post("/auth/me/promoter", token=tokens["access_token"])
        change = {"current_password": new_password, "password": password}
        tokens = self.post("/auth/password", change, token=tokens["access_token"]).json
        tokens = self.post("/auth/refresh", {"refresh_token": tokens["refresh_token"]}).json
        self.set_up_second_factor(password, tokens["access_token"])
        self.use_passkey(password, tokens["access_token"])
        self.manage_api_keys(f"/promoters/{tokens['user']['id']}/api-keys", password, tokens["access_token"])
        self.get(f"/promoters/{tokens['user']['id']}/audit", token=tokens["access_token"])
        tokens = self.manage_sessions(f"new-{email}", {"email": email, "password": password}, tokens)
        self.administer_account(f"new-{email}", tokens["user"]["id"])
        tokens = self.post("/auth/login", {"email": f"new-{email}", "password": password}).json
        self.post("/auth/logout", {"refresh_token": tokens["refresh_token"]})
        self.get("/me/export", token=tokens["access_token"])
        self.delete("/auth/me", json={"password": password}, token=tokens["access_token"])
        with caught_mails() as mails:
            self.post("/lost-tickets", {"email": email})
            opened = self.post("/lost-tickets/open", {"token": mailed_token(mails)}).json
            for action in ("export", "erase"):
                self.post(f"/lost-tickets/{action}", {"token": opened["data_token"]})

    def set_up_second_factor(self, password: str, token: str) -> None:
        path = "/auth/me/second-factor"
        secret = self.post(path, {"password": password}, token=token).json["secret"]
        [first, *_] = self.put(path, {"code": code_of(secret, clock.now())}, token=token).json["recovery_codes"]
        self.delete(path, json={"password": password, "code": first}, token=token)

    def use_passkey(self, password: str, token: str) -> None:
        phone, path = Authenticator(settings.current().shop_url), "/auth/me/passkeys"
        created = phone.create(self.post(f"{path}/challenge", {"password": password}, token=token).json)
        passkey_id = self.post(path, {"name": "Phone"} | created, token=token).json["passkey"]["id"]
        self.get(path, token=token)

        def sign() -> dict[str, str]:
            return phone.sign(self.post("/auth/passkeys/challenge").json["challenge"])

        self.post("/auth/passkeys/login", sign())
        code = self.post(f"{path}/code", sign(), token=token).json["code"]
        self.delete(f"{path}/{passkey_id}", json={"code": code}, token=token)

    def manage_api_keys(self, path: str, password: str, token: str) -> None:
        key = self.post(path, {"name": "Till", "role": "cashier", "password": password}, token=token).json["api_key"]
        self.get(path, token=token)
        self.delete(f"{path}/{key['id']}", token=token)

    def manage_sessions(self, new_email: str, login: dict[str, str], tokens: Any) -> Any:
        """Show and end sessions, and change the address. Returns the tokens of the session that is left."""
        self.post("/auth/login", login)
        for session in self.get("/auth/sessions", token=tokens["access_token"]).json["sessions"]:
            if not session["current"]:
                self.delete(f"/auth/sessions/{session['id']}", token=tokens["access_token"])
        self.delete("/auth/sessions", token=tokens["access_token"])
        with caught_mails() as mails:
            self.post("/auth/email", login | {"email": new_email}, token=tokens["access_token"])
            self.post("/auth/email/verify", {"token": mailed_token(mails[:1]), "password": login["password"]})
        return self.post("/auth/login", login | {"email": new_email}).json

    def administer_account(self, email: str, user_id: str) -> None:
        """Do what admins do with somebody's account, which ends its sessions."""
        for path in (f"/admin/users?search={email}", f"/admin/users/{user_id}"):
            self.get(path, token=self.admin)
        for is_locked in (True, False):
            self.patch(f"/admin/users/{user_id}", {"locked": is_locked}, token=self.admin)
        self.delete(f"/admin/users/{user_id}/sessions", token=self.admin)

    def manage_people(self, event_id: str) -> None:
        promoter = f"/promoters/{self.name}"
        account = {"holder": self.name, "iban": "PT50000201231234567890154"}
        self.put(promoter, {"name": self.name, "verified": True, "bank_account": account}, token=self.admin)
        self.put(f"{promoter}/default-taxes", {"default_taxes": [{"country": "ES", "tax": {"percent": "21"}}]}, token=self.admin)
        self.put("/admin/shop-invoices", {"invoices": None}, token=self.admin)
        self.get("/admin/shop-invoices", token=self.admin)
        self.put(f"{promoter}/brand", {"color": "#17643f", "dark_color": "#77d3a2"}, token=self.admin)
        body, content_type = pictures.form(pictures.picture(size=(100, 100)))
        reply = self.api.post(f"{promoter}/logo", body=body, headers={"Content-Type": content_type}, token=self.admin)
        assert reply.status == 200, reply.json
        self.delete(f"{promoter}/logo", token=self.admin)
        [text] = self.put(f"{promoter}/legal-texts/terms/en", {"text": "One ticket, one person."}, token=self.admin).json["legal_texts"]
        for path in ("/promoters", promoter, f"{promoter}/events", f"{promoter}/legal-texts", f"/legal-texts/{text['id']}"):
            self.get(path)
        self.delete(f"{promoter}/legal-texts/terms/en", token=self.admin)
        people = f"/events/{event_id}/members"
        with caught_mails():
            member = self.post(people, {"email": f"{self.name}@example.com", "role": "staff"}, token=self.admin).json
        self.get(people, token=self.admin)
        self.delete(f"{people}/{member['id']}", token=self.admin)
        self.answer_invitations(event_id)

    def answer_invitations(self, event_id: str) -> None:
        now, user_id = clock.now(), f"{self.name}-staff"
        account = Account(user_id=user_id, email=f"{user_id}@example.com", roles=("user",), created_at=now, verified_at=now)
        accounts.create_account(account, "seven grey owls")
        for answer in (self.delete, self.post):
            with caught_mails():
                self.post(f"/events/{event_id}/members", {"email": account.email, "role": "staff"}, token=self.admin)
            self.get("/me/invitations", token=builders.token(user_id))
            answer(f"/me/invitations/{event_id}", token=builders.token(user_id))

    def connect_account(self) -> None:
        """Connect the payment account of the promoter whom `manage_people` has verified, and remove it."""
        path = f"/promoters/{self.name}/payment-account"
        provider = mock.patch.object(payments, "account_provider", return_value=_Accounts(f"acct_{self.name}"))
        with provider, settings.override(connected_accounts="standard"):
            self.post(path, token=self.admin)
            self.get(path, token=self.admin)
            self.get(f"/promoters/{self.name}/payouts", token=self.admin)
        self.delete(path, token=self.admin)
        self.get(path, token=self.admin)  # reads the changed catalog, so that no other route seems to need this trip

    def manage_webhooks(self) -> None:
        promoter = {"token": builders.token(f"promoter-{self.name}", "promoter")}
        endpoints = f"/promoters/promoter-{self.name}/webhook-endpoints"
        endpoint = f"{endpoints}/{self.post(endpoints, {'url': 'https://93.184.215.14/'}, key='webhook', **promoter).json['id']}"
        self.patch(endpoint, {"event_types": ["order.paid"]}, **promoter)
        delivery = f"{endpoint}/deliveries/{self.post(f'{endpoint}/test', **promoter).json['id']}"
        for path in (endpoints, endpoint, f"{endpoint}/deliveries", delivery):
            self.get(path, **promoter)
        self.post(f"{delivery}/replay", **promoter)
        self.post(f"{endpoint}/replay-failed", {}, **promoter)
        self.post(f"{endpoint}/rotate-secret", key="rotate", **promoter)
        self.delete(endpoint, **promoter)

    def manage_catalog(self) -> tuple[str, str]:
        now = clock.now()
        event = {
            "name": self.name,
            "venue": "Hall",
            "starts_at": clock.iso(self.starts_at),
            "on_sale_at": clock.iso(now - 3600),
            "status": "on_sale",
            "waiting_room": {"enabled": True, "wave_size": 1000, "wave_seconds": 1},
        }
        event_id = str(self.post("/admin/events", event, token=self.admin).json["id"])
        tier = {"event_id": event_id, "name": "Floor", "price_cents": 5000, "capacity": 100}
        tier_id = str(self.post("/admin/tiers", tier, token=self.admin).json["id"])
        for path in ("/admin/events", f"/admin/events/{event_id}", f"/admin/tiers?event_id={event_id}", f"/admin/tiers/{tier_id}"):
            self.get(path, token=self.admin)
        return event_id, tier_id

    def manage_promo_codes(self, event_id: str) -> None:
        codes = f"/admin/events/{event_id}/promo-codes"
        for code in ("EARLY", "LATE"):
            self.post(codes, {"code": code, "discount_type": "percentage", "discount_value": 10, "max_total_uses": 50}, token=self.admin)
        self.post(f"{codes}/batch", {"count": 1, "prefix": "FANS-", "discount_value": 10}, key="batch", token=self.admin)
        self.get(codes, token=self.admin)
        for path in ("", "/stats"):
            self.get(f"{codes}/EARLY{path}", token=self.admin)
        self.patch(f"{codes}/EARLY", {"max_total_uses": 100}, token=self.admin)
        self.delete(f"{codes}/LATE", token=self.admin)
        self.get(f"/events/{event_id}/promo-codes/EARLY/validate")
        self.get(f"/events/{event_id}/access-codes")

    def manage_event(self) -> None:
        """Manage an event like a promoter, from the draft to its deletion."""
        promoter = {"token": builders.token(f"promoter-{self.name}", "promoter")}
        fields = {"name": f"Draft of {self.name}", "venue": "Hall", "starts_at": clock.iso(self.starts_at)}
        event_id = self.post("/events", fields, **promoter).json["id"]
        event = f"/events/{event_id}"
        tier_fields = {"name": "Floor", "price_cents": 5000, "capacity": 100}
        tier_id = self.post(f"{event}/tiers", tier_fields, **promoter).json["id"]
        tier = f"/tiers/{tier_id}"
        self.put(event, fields, **promoter)
        self.patch(event, {"description": "A night of music."}, **promoter)
        weekly = {"rule": "FREQ=WEEKLY;COUNT=2", "starts_at": fields["starts_at"]}
        self.post(f"/admin{event}/dates", weekly, **promoter)
        self.manage_image(event, **promoter)
        self.put(tier, tier_fields, **promoter)
        self.patch(tier, {"price_cents": 4000}, **promoter)
        self.post(f"{event}/publish", **promoter)
        for path in (f"{event}/tiers", tier, f"{tier}/availability"):
            self.get(path)
            self.get(path)
        self.post(f"{event}/unpublish", **promoter)
        self.delete(tier, **promoter)
        self.delete(event, **promoter)

    def manage_packages(self) -> None:
        """Manage a package like a promoter, from its creation to its deletion."""
        promoter = {"token": builders.token(f"promoter-{self.name}", "promoter")}
        fields = {"name": f"Gala of {self.name}", "venue": "Hall", "starts_at": clock.iso(self.starts_at)}
        event_id = self.post("/events", fields, **promoter).json["id"]
        packages = f"/admin/events/{event_id}/tickets/packages"
        table = {"name": "Table", "price": 1200, "seats_per_package": 8, "quantity_limit": 10}
        package_id = self.post(packages, table, key="package", **promoter).json["id"]
        package = f"{packages}/{package_id}"
        self.patch(package, {"price": "1250.00"}, **promoter)
        question = {"label": "Dinner", "option_type": "multi_select", "choices": ["Fish", "Vegan"]}
        option_id = self.post(f"{package}/options", question, key="option", **promoter).json["id"]
        self.get(f"{package}/options", **promoter)
        self.patch(f"{package}/options/{option_id}", {"is_required": False}, **promoter)
        self.delete(f"{package}/options/{option_id}", **promoter)
        self.manage_image(package, **promoter)
        copy_id = self.post(f"{package}/duplicate", key="copy", **promoter).json["id"]
        self.post(f"{packages}/reorder", {"package_ids": [copy_id, package_id]}, **promoter)
        for action in ("disable", "enable"):
            self.post(f"{package}/{action}", **promoter)
        for path in (packages, package, f"{package}/audit"):
            self.get(path, **promoter)
        self.post(f"/events/{event_id}/publish", **promoter)
        for _ in range(2):
            self.get(f"/events/{event_id}/tickets/packages")
        self.delete(f"{packages}/{copy_id}", **promoter)

    def manage_image(self, owner: str, **promoter: Any) -> None:
        body, content_type = pictures.form(pictures.picture(size=(100, 100)))
        reply = self.api.post(f"{owner}/image", body=body, headers={"Content-Type": content_type}, **promoter)
        assert reply.status == 200, reply.json
        self.delete(f"{owner}/image", **promoter)
        upload = self.post(f"{owner}/image/upload", {"content_type": "image/png"}, **promoter).json["id"]
        self.get(f"{owner}/image/upload/{upload}", **promoter)

    def browse(self, event_id: str) -> None:
        for _ in range(2):  # the first call reads the changes
            for path in ("/events", f"/events/{event_id}", f"/events/{event_id}/availability", f"/tickets/types?event_id={event_id}"):
                self.get(path)
        for path in ("calendar.ics", "preview", "seller", "stock-ledger"):
            self.get(f"/events/{event_id}/{path}")
        self.get(f"/pages/index.html?path=/events/{event_id}")

    def buy(self, event_id: str, tier_id: str) -> str:
        room, user = f"/events/{event_id}/waiting-room", self.name
        undecided = f"undecided-{user}"
        first_token = self.post(f"{room}/join", user=undecided).json["token"]
        token = self.post(f"{room}/join", user=user).json["token"]
        for path in (f"{room}/status?token={token}", f"{room}/state", f"{room}/proof"):
            self.get(path)
        item = {"tier_id": tier_id, "quantity": 2, "token": first_token}
        given_back = self.post(f"/events/{event_id}/reservations", item, user=undecided).json["id"]
        self.get(f"/events/{event_id}/reservations", user=undecided)
        self.delete(f"/reservations/{given_back}", user=undecided)
        item["token"] = token
        order_id = str(self.post(f"/events/{event_id}/reservations", item, user=user).json["id"])
        self.post("/checkout/sessions", {"reservation_id": order_id}, user=user, key="checkout")
        self.get(f"/checkout/sessions/{order_id}", user=user)
        self.post("/checkout/confirm", {"checkout_id": order_id, "simulate": "success"}, user=user)
        return order_id

    def order_in_one_call(self, event_id: str, tier_id: str) -> None:
        for number in range(2):
            user = f"other-{number}-{self.name}"
            token = self.post(f"/events/{event_id}/waiting-room/join", user=user).json["token"]
            order = {"event_id": event_id, "items": [{"tier_id": tier_id, "quantity": 1}], "token": token}
            order_id = self.post("/orders", order, user=user, key="order").json["order"]["id"]
            if number:
                self.post(f"/orders/{order_id}/confirm", {"simulate": "success"}, user=user)
            else:
                self.post(f"/orders/{order_id}/cancel", user=user)

    def return_tickets(self, event_id: str, tier_id: str) -> None:
        """Return a guest's order by its link, and another guest's without one.

        The first guest had withdrawn an earlier request. The other guest's ticket was for resale until the guest withdrew it.
        """
        returns = {"policy": "refund", "needs_approval": True}
        self.patch(f"/events/{event_id}", {"returns": returns}, token=self.admin)
        for number in range(2):
            email, guest = f"return-{number}-{self.name}@example.com", self.post("/auth/guest").json["access_token"]
            place = self.post(f"/events/{event_id}/waiting-room/join", token=guest).json["token"]
            order = {"event_id": event_id, "items": [{"tier_id": tier_id, "quantity": 1}], "token": place, "customer_email": email}
            order_id = self.post("/orders", order, token=guest, key=f"order-{number}").json["order"]["id"]
            self.post(f"/orders/{order_id}/confirm", {"simulate": "success"}, token=guest)
            link = {"token": guest_orders.order_token(order_id, email), "order_id": order_id}
            if not number:
                self.post("/lost-tickets/return", link)
                self.post("/lost-tickets/withdraw-return", {**link, "request_number": 1})
                fields = {"refundable_until": clock.iso(clock.now() + 60), "returns": {"policy": "resale"}}
                self.patch(f"/events/{event_id}", fields, token=self.admin)
                self.post("/lost-tickets/return", link)
            else:
                self.post(f"/orders/{order_id}/resale", token=guest)
                self.post("/lost-tickets/resale", link | {"listed": False})
                self.post(f"/orders/{order_id}/return", token=guest)

    def decide_return(self, event_id: str, tier_id: str) -> None:
        """Ask to return a ticket of an event whose managers decide, withdraw the request, ask again, and accept as a manager."""
        user, returns = f"returning-{self.name}", {"policy": "refund", "needs_approval": True}
        self.patch(f"/events/{event_id}", {"refundable_until": None, "returns": returns}, token=self.admin)
        place = self.post(f"/events/{event_id}/waiting-room/join", user=user).json["token"]
        order = {"event_id": event_id, "items": [{"tier_id": tier_id, "quantity": 1}], "token": place}
        order_id = self.post("/orders", order, user=user, key="returned").json["order"]["id"]
        self.post(f"/orders/{order_id}/confirm", {"simulate": "success"}, user=user)
        self.post(f"/orders/{order_id}/return", user=user)
        self.delete(f"/orders/{order_id}/return-requests/1", user=user)
        self.post(f"/orders/{order_id}/return", user=user)
        self.post(f"/admin/orders/{order_id}/return-requests/1", {"accept": True}, token=self.admin)

    def name_guest(self, ticket_id: str, order_id: str) -> None:
        seat = f"/seats/{ticket_id}.1"
        with caught_mails() as mails:
            self.put(f"{seat}/guest", {"name": "Bob", "email": f"bob-{self.name}@example.com"}, user=self.name)
            token = mailed_token(mails)
        self.post(f"{seat}/invitation", user=self.name)
        for path in (f"/tickets/{ticket_id}/seats", f"/orders/{order_id}/seats"):
            self.get(path, user=self.name)
        for path in (f"/guests/{token}", f"/guests/{token}/qr"):
            self.get(path)
        self.delete(f"/guests/{token}")
        self.put(f"{seat}/guest", {"name": "Eve"}, user=self.name)
        self.delete(f"{seat}/guest", user=self.name)

    def keep_pass(self, ticket_id: str) -> None:
        """Put a ticket into Apple Wallet, and call the web service as its phone does."""
        with settings.override(**fakes.apple_settings()):
            self.get("/wallets")
            path = self.post(f"/tickets/{ticket_id}/passes", {"wallet": "apple"}, user=self.name).json["url"].partition("/api/v1")[2]
            self.get(path)
            serial, _, token = path.removeprefix("/passes/").partition("?token=")
            phone = {"headers": {"Authorization": f"ApplePass {token}"}}
            registrations = f"/apple/v1/devices/{'0' * 32}/registrations/{fakes.PASS_TYPE}"
            self._call("POST", f"{registrations}/{serial}", json={"pushToken": "ab"}, **phone)
            self.get(registrations)
            self.get(f"/apple/v1/passes/{fakes.PASS_TYPE}/{serial}", **phone)
            self.delete(f"{registrations}/{serial}", **phone)
            self.post("/apple/v1/log", {"logs": ["The signature is not valid."]})

    def buy_package(self, event_id: str, tier_id: str) -> None:
        """Buy a package once with a simulated payment, and once like most buyers, with a pending payment."""
        for number, simulated in enumerate(({"simulate": "success"}, {})):
            user = f"table-{number}-{self.name}"
            token = self.post(f"/events/{event_id}/waiting-room/join", user=user).json["token"]
            package = {"package_id": tier_id, "quantity": 1, "token": token}
            self.post(f"/events/{event_id}/tickets/purchase", package | simulated, user=user, key="package")

    def transfer_ticket(self, ticket_id: str) -> str:
        """Returns the code that its new owner gets."""
        ticket = f"/tickets/{ticket_id}"
        self.patch(ticket, {"attendee": {"name": "Ada"}}, user=self.name)
        self.post(f"{ticket}/transfer", user=self.name)
        self.delete(f"{ticket}/transfer", user=self.name)
        token = self.post(f"{ticket}/transfer", user=self.name).json["token"]
        self.post("/transfers/preview", {"token": token})
        address = {"email": f"friend-of-{self.name}@example.com"}
        return str(self.post(f"/transfers/{token}/accept", address, user=f"friend-of-{self.name}").json["code"])

    def admit(self, ticket_id: str, code: str) -> None:
        with clock.override(lambda: float(self.starts_at)):
            door = {"token": builders.admin_token()}  # issued at that time
            for path, body in (
                ("/checkin", {"code": code}),
                (f"/tickets/{ticket_id}/undo", {}),
                (f"/tickets/{ticket_id}/validate", {}),
            ):
                self.post(path, body, **door)
            scan = {"id": "1", "at": clock.iso(clock.now()), "ticket_id": ticket_id}
            self.post("/checkin/sync", {"device": "gate-1", "scans": [scan]}, **door)

    def show_order(self, event_id: str, order_id: str) -> None:
        ticket = f"/tickets/{order_id}-1"
        for path in (f"/me/order?event_id={event_id}", f"/orders/{order_id}", "/me/tickets", "/orders", "/tickets", ticket, f"{ticket}/qr"):
            self.get(path, user=self.name)
        self.issue_invoice(order_id)
        for name in ("receipt.pdf", "tickets.pdf", "invoices", "invoices.pdf"):
            self.get(f"/orders/{order_id}/{name}", user=self.name)
        self.get(f"/promoters/{self.name}/invoices", token=self.admin)

    def issue_invoice(self, order_id: str) -> None:
        """Issue the invoice of an order, as if a promoter had sold it who issues invoices."""
        purchase, seller = queries.load_purchase(order_id), InvoiceSeller("Seller", "1 Harbor Street", "PT501234567")
        assert purchase is not None
        issuer = InvoiceIssuer(self.name, seller, 0)
        with mock.patch.object(invoices, "_find_issuer", return_value=issuer), mock.patch.object(LedgerEntry, "seller_id", self.name):
            invoices.issue_due([purchase])

    def manage_versions(self) -> None:
        """Read the versions of the file and the drift of the served one, and apply it again, which changes nothing."""
        empty = {"version": "1", "events": {}, "ticket_types": {}}
        served = rollout.apply(validate_tree(empty), OPERATOR, clock.now()).version
        self.get("/admin/catalog/versions", token=self.admin)
        planned = self.get(f"/admin/catalog/versions/{served}/plan", token=self.admin).json
        self.post(f"/admin/catalog/versions/{served}/apply", {"plan": planned["plan"]}, token=self.admin)

    def manage_sale(self, event_id: str, order_id: str) -> None:
        for path in (
            f"/admin/events/{event_id}/status",
            f"/admin/events/{event_id}/live",
            f"/admin/events/{event_id}/money",
            f"/admin/events/{event_id}/ticket-holders",
            f"/admin/orders/{order_id}",
            "/admin/reconciliation",
            "/admin/payouts",
            "/admin/system",
        ):
            self.get(path, token=self.admin)
        refund = {"reason": "goodwill", "tickets": [f"{order_id}-2"]}
        self.post(f"/admin/orders/{order_id}/refunds/preview", refund, token=self.admin)
        self.put(f"/admin/orders/{order_id}/email", {"email": f"buyer-of-{self.name}@example.com"}, token=self.admin)
        self.put(f"/admin/orders/{order_id}/tickets/{order_id}-1/name", {"name": "Ada Lovelace"}, token=self.admin)
        self.post(f"/admin/orders/{order_id}/refunds", refund, token=self.admin, key="refund")
        for action in ("pause", "resume"):
            self.post(f"/admin/events/{event_id}/{action}", token=self.admin)
        sent = outbox.new_notification("order_confirmed", order_id, 1, user_id=self.name, event_id=event_id, now=clock.now())
        outbox.queue_notification(replace(sent, status="sent", next_at=None))
        self.get(f"/admin/messages?event_id={event_id}", token=self.admin)
        self.post(f"/admin/messages/{sent.id}/resend", token=self.admin)
        announcements = f"/admin/events/{event_id}/announcements"
        announcement = {"subject": "Doors open early", "text": "The doors open at six."}
        self.post(f"{announcements}/preview", announcement, token=self.admin)
        self.put(f"{announcements}/early", announcement, token=self.admin)
        self.get(announcements, token=self.admin)
        self.delete(f"{announcements}/early", token=self.admin)
        ses_reports.suppress("gone@example.com", "bounced", clock.now())
        self.post("/admin/suppressed-addresses/release", {"email": "gone@example.com"}, token=self.admin)
        self.get(f"/unsubscribe?token={unsubscription.new_token(order_id)}")
        self.post(f"/unsubscribe?token={unsubscription.new_token(order_id)}")

    def wait_in_line(self) -> None:
        """Ask for messages about the turn at a sale that has not opened, and stop them. Read the list of entries after the closing.

        Another shop sells the tickets. At the opening, get a pass for it, and use the pass as the shop does.
        """
        event: dict[str, Any] = {
            "name": f"Waiting room of {self.name}",
            "venue": "Hall",
            "starts_at": clock.iso(self.starts_at),
            "status": "scheduled",
        }
        opens_at = clock.now() + 600
        line = {"entry": "verified_address", "groups": True, "shop_url": "https://tickets.example/"}
        event |= {"on_sale_at": clock.iso(opens_at), "waiting_room": line}
        event_id = self.post("/admin/events", event, token=self.admin).json["id"]
        room = f"/events/{event_id}/waiting-room"
        commitment = self.get(f"{room}/state").json["commitment"]  # creates the room
        email = f"line-{self.name}@example.com"
        writer = f"refused-{self.name}"
        appeal = {"refusal": tokens.sign_refusal(event_id, writer, "address_used"), "text": "We share an address."}
        appeal_id = self.post(f"{room}/appeal", appeal, user=writer).json["id"]
        self.get(f"/admin{room}/appeals", token=self.admin)
        self.post(f"/admin{room}/appeals/{appeal_id}/answer", {"status": "granted"}, token=self.admin)
        self.get(f"{room}/appeal", user=writer)
        with caught_mails() as mails:
            self.post(f"{room}/code", {"email": email}, user=self.name)
        code = re.findall(r"\b[0-9]{6}\b", mails[-1].text)[0]
        proven = self.post(f"{room}/address", {"email": email, "code": code}, user=self.name).json
        asked = {"token": self.post(f"{room}/join", proven, user=self.name).json["token"], "email": email}
        by_card = event | {"name": f"Cards of {self.name}", "waiting_room": {"entry": "payment_card"}}
        card_room = f"/events/{self.post('/admin/events', by_card, token=self.admin).json['id']}/waiting-room"
        self.get(f"{card_room}/card")
        card_proof = self.post(f"{card_room}/card", {"card": "card-1"}, user=self.name).json["card_proof"]
        self.post(f"{card_room}/join", {"card_proof": card_proof}, user=self.name)
        self.get("/push-key")
        self.put(f"{room}/notice", asked, user=self.name)
        self.delete(f"{room}/notice", user=self.name)
        friend = f"friend-{self.name}"
        friends_proof = tokens.sign_address(event_id, tokens.address_key(event_id, f"{friend}@example.com"), friend)
        friends_token = self.post(f"{room}/join", {"address_proof": friends_proof}, user=friend).json["token"]
        group = {"token": self.post(f"{room}/group", {"token": friends_token}, user=friend).json["token"]}
        self.post(f"{room}/group/leave", group, user=friend)
        arrival = tokens.read_token(asked["token"])
        assert arrival is not None
        with clock.override(lambda: float(opens_at - 1)):
            for _ in range(2):
                self.get(f"{room}/state")  # closes the draw and publishes the list
            self.get(f"{room}/entries")
            self.get(f"{room}/entries/{entries.entrant_digest(commitment, arrival.user).hex()}")
        with clock.override(lambda: float(opens_at)):
            self.get(f"{room}/state")  # makes the draw
            shop_pass = self.post(f"{room}/pass", {"token": asked["token"]}, user=self.name).json["shop_pass"]
            self.get(f"/admin{room}/verifier", token=self.admin)
            self.get("/.well-known/jwks.json")
            self.post(f"{room}/pass-uses", {"shop_pass": shop_pass, "session": "1"})

    def wait_for_tickets(self) -> None:
        """Join the waitlist of a sale that has not opened, leave it, and offer a ticket by hand."""
        event: dict[str, Any] = {
            "name": f"Waited for by {self.name}",
            "venue": "Hall",
            "starts_at": clock.iso(self.starts_at),
            "status": "on_sale",
        }
        event |= {"on_sale_at": clock.iso(clock.now() + 60), "waiting_room": {"enabled": False}}
        event_id = str(self.post("/admin/events", event, token=self.admin).json["id"])
        tier = {"event_id": event_id, "name": "Floor", "price_cents": 5000, "capacity": 10}
        tier_id = self.post("/admin/tiers", tier, token=self.admin).json["id"]
        self.patch(f"/tiers/{tier_id}", {"holdbacks": [{"id": "press", "reason": "press", "quantity": 2}]}, token=self.admin)
        rows = [{"id": "1", "name": "Ada", "email": "ada@example.com"}]
        body = {"tier_id": tier_id, "holdback_id": "press", "rows": rows}
        self.post(f"/events/{event_id}/complimentary-orders", body, token=self.admin)
        self.sell_at_counter(event_id)
        entry = {"event_id": event_id, "quantity": 1}
        first, second = (self.post("/waitlist", entry, user=f"{number}-{self.name}").json["id"] for number in range(2))
        for _ in range(2):
            self.get("/waitlist", user=f"0-{self.name}")
        self.get(f"/events/{event_id}/waitlist", token=self.admin)
        self.get(f"/events/{event_id}/ballot")
        self.delete(f"/waitlist/{second}", user=f"1-{self.name}")
        later = clock.now() + 60
        with clock.override(lambda: float(later)):
            self.post(f"/waitlist/{first}/notify", token=self.admin)

        self.register_with_card()

    def register_with_card(self) -> None:
        """Register for a ballot, and save a card for it."""
        user, opens_at = f"ballot-{self.name}", clock.iso(clock.now() + 86_400)
        event: dict[str, Any] = {"name": f"Drawn for {self.name}", "venue": "Hall", "starts_at": clock.iso(self.starts_at)}
        event |= {"status": "scheduled", "on_sale_at": opens_at, "waiting_room": {"ballot": True, "ballot_cards": "optional"}}
        event_id = str(self.post("/admin/events", event, token=self.admin).json["id"])
        self.post("/admin/tiers", {"event_id": event_id, "name": "Floor", "price_cents": 5000, "capacity": 1}, token=self.admin)
        for person in (f"first-{user}", user):  # the first one also creates the room and the line
            token = self.post(f"/events/{event_id}/waiting-room/join", {}, user=person).json["token"]
            entry_id = self.post("/waitlist", {"event_id": event_id, "token": token}, user=person).json["id"]
        limit = self.get(f"/waitlist/{entry_id}/card", user=user).json["max_cents"]
        self.post(f"/waitlist/{entry_id}/card", {"card": "card-1", "max_cents": limit}, user=user)

    def sell_at_counter(self, event_id: str) -> None:
        """Sell tickets of a new ticket type at the box office, refund an order, sell from a quota, and close the day."""
        held_back = {"id": "counter", "reason": "box_office", "quantity": 5}
        tier = {"name": "Box office", "price_cents": 5000, "capacity": 10, "holdbacks": [held_back]}
        offer = {"tier_id": self.post(f"/events/{event_id}/tiers", tier, token=self.admin).json["id"], "holdback_id": "counter"}
        sale = {**offer, "id": f"sale-{self.name}", "quantity": 1, "price_cents": 5000, "method": "cash"}
        self.get(f"/events/{event_id}/box-office", token=self.admin)
        self.post(f"/events/{event_id}/box-office-quotas", {**offer, "id": f"quota-{self.name}", "quantity": 2}, token=self.admin)
        self.post(f"/events/{event_id}/box-office-quotas/return", {**offer, "id": f"quota-{self.name}"}, token=self.admin)
        order_id = self.post(f"/events/{event_id}/box-office-orders", sale, token=self.admin).json["order_id"]
        self.post(f"/events/{event_id}/box-office-orders/{order_id}/refunds", {}, key="counter", token=self.admin)
        tills = self.get(f"/events/{event_id}/box-office-closing", token=self.admin).json
        counted = {"date": tills["date"], "currency": tills["tills"][0]["currency"], "counted_cents": 0}
        self.post(f"/events/{event_id}/box-office-closing", counted, token=self.admin)

    def order_by_transfer(self) -> None:
        """Order a ticket that is paid by bank transfer, record a transfer for another event, and cancel the order."""
        fields = {"name": f"Companies of {self.name}", "venue": "Hall", "starts_at": clock.iso(self.starts_at), "status": "on_sale"}
        event_id = self.post("/admin/events", fields | {"waiting_room": {"enabled": False}}, token=self.admin).json["id"]
        self.patch(f"/events/{event_id}", {"promoter_id": self.name}, token=self.admin)
        tier = {"name": "Floor", "price_cents": 5000, "capacity": 2, "holdbacks": [{"id": "firms", "reason": "other", "quantity": 1}]}
        tier_id = self.post(f"/events/{event_id}/tiers", tier, token=self.admin).json["id"]
        code = {"code": "FIRMS", "opens_package_ids": [tier_id], "holdback_id": "firms", "bank_transfer_days": 7}
        self.post(f"/admin/events/{event_id}/promo-codes", code, token=self.admin)
        company, wanted = f"company-{self.name}", {"tier_id": tier_id, "quantity": 1, "promo_code": "FIRMS"}
        order_id = self.post(f"/events/{event_id}/reservations", wanted, user=company).json["id"]
        self.post("/checkout/sessions", {"reservation_id": order_id, "provider": "bank_transfer"}, user=company, key="transfer")
        transfers = f"/events/{event_id}/bank-transfers"
        rows = [{"reference": "A transfer for another event", "amount_cents": 5000, "date": clock.iso(clock.now())[:10]}]
        self.post(transfers, {"rows": rows}, token=self.admin)
        self.get(transfers, token=self.admin)
        self.post(f"{transfers}/{order_id}/cancel", token=self.admin)

    def show_reports(self, event_id: str) -> None:
        for path in (
            "analytics",
            "attendees",
            "checkins",
            "door/qr",
            "manifest",
            "sales",
            "statement",
            "statement.pdf",
            "disputes",
            "audit",
        ):
            self.get(f"/events/{event_id}/{path}", token=self.admin)
        for path in ("sales", "sales/summary", "sales/export", "answers"):
            self.get(f"/admin/events/{event_id}/tickets/{path}", token=self.admin)
        self.get(f"/orders?event_id={event_id}", token=self.admin)
        self.get(f"/admin/figures?event_ids={event_id}", token=self.admin)
        self.get(f"/admin/audit?event_id={event_id}", token=self.admin)

    def manage_waiting_room(self, event_id: str) -> None:
        self.post(f"/admin/events/{event_id}/waiting-room/rate", {"wave_size": 10, "wave_seconds": 30}, token=self.admin)
        self.post(f"/admin/events/{event_id}/waiting-room/let-in", {"count": 10}, token=self.admin)

    def reset(self, event_id: str) -> None:
        self.delete(f"/admin/events/{event_id}/orders", token=self.admin)
        self.delete(f"/events/{event_id}/waiting-room/clear", token=self.admin)
        self.post(f"/events/{event_id}/cancel", token=self.admin)
        self.post("/admin/catalog/invalidate", token=self.admin)
        self.get("/events")  # so that the next route finds the catalog loaded
