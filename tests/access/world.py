"""A shop with one thing of each kind, and the callers of the table in docs/access.md."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.accounts import members, profiles, sessions
from chalicelib.accounts import service as accounts
from chalicelib.accounts.model import Account, BankAccount
from chalicelib.accounts.profiles import LegalText, PromoterChange
from chalicelib.addons.messages import event_notices
from chalicelib.addons.messages.model import Announcement
from chalicelib.addons.outgoing_webhooks import endpoints as webhook_endpoints
from chalicelib.addons.outgoing_webhooks import outbox
from chalicelib.addons.wallets import passes
from chalicelib.addons.wallets.store import Pass
from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.catalog import service as catalog
from chalicelib.edge import auth
from chalicelib.foundation import clock, settings
from chalicelib.ledger import money_cases
from chalicelib.notifications import outbox as notifications
from chalicelib.notifications import ses_reports
from chalicelib.purchases import store as purchases
from chalicelib.purchases.model import ReturnRequest
from chalicelib.waiting_room import entries, tokens
from tests import builders, engines, pictures
from tests.access import requests
from tests.addons.wallets import fakes
from tests.bootstrap import conftest as bootstrap
from tests.client import Client, ClientReply

EVENT, DROP = "fest", "drop"  # the second one has a waiting room
BUYER, PROMOTER = "ada", "nora"


WITH_PICTURE = {
    "POST /events/{event_id}/image",
    "POST /promoters/{promoter_id}/logo",
    "POST /admin/events/{event_id}/tickets/packages/{package_id}/image",
}  # they take a file in a form


class Caller(Struct, frozen=True):
    """Somebody with an account; `event_role` is their role at both events."""

    user_id: str
    roles: tuple[auth.Role, ...] = ("user",)
    event_role: auth.EventRole | None = None

    @property
    def email(self) -> str:
        return f"{self.user_id}@example.com"

    def token(self) -> str:
        events = dict.fromkeys((EVENT, DROP), self.event_role) if self.event_role else {}
        return auth.issue_token(self.user_id, set(self.roles), events=events, seconds=86_400)


# The columns of the table. Those with fewer rights come first.
CALLERS = {
    "anybody": None,
    "another user": Caller("eve"),
    "user": Caller(BUYER),
    "promoter of another event": Caller("olaf", ("user", "promoter")),
    "staff": Caller("door", event_role="staff"),
    "cashier": Caller("cass", event_role="cashier"),
    "accountant": Caller("acco", event_role="accountant"),
    "coordinator": Caller("cleo", event_role="coordinator"),
    "promoter": Caller(PROMOTER, ("user", "promoter")),
    "admin": Caller("root", ("user", "admin")),
}


API_KEY = "API key of a coordinator"  # has no column in the table: it may do less than a coordinator


class World(Struct):
    """A shop in an empty store: ids by the names of path parameters, and what bodies need. `login` is the id of the buyer's session.

    `invitation` is the token of a guest's invitation, and `pass_token` is that of a pass in Apple Wallet. `api_key` is a
    key of the promoter with the rights of a coordinator.
    """

    api: Client
    ids: dict[str, str]
    code: str
    place: str
    login: str
    invitation: str
    pass_token: str
    api_key: str

    def send(self, method: str, path: str, caller: str, more_query: Mapping[str, str] | None = None) -> ClientReply:
        """Send a request that is valid in all but who sends it."""
        request = self.request(method, path, caller)
        return self.api.request(**request | {"query": request["query"] | dict(more_query or {})})

    def request(self, method: str, path: str, caller: str) -> dict[str, Any]:
        """Return the arguments of `Client.request` for this request, which may be sent several times."""
        target = path.replace("{event_id}", DROP) if "/waiting-room/" in path else path
        target = target.replace("/auth/sessions/{session_id}", f"/auth/sessions/{self.login}")
        target = target.replace("/guests/{token}", f"/guests/{self.invitation}")
        target = target.replace("/bank-transfers/{order_id}", f"/bank-transfers/{self.ids['unpaid_id']}")
        for name, value in self.ids.items():
            target = target.replace(f"{{{name}}}", value)
        assert "{" not in target, f"give tests/access/world.py an id for the parameter of {path}"
        operation = f"{method} {path}"
        body, query = requests.body(operation, self.ids | {"place": self.place}, self.code), requests.query(operation, EVENT, self.place)
        options: dict[str, Any] = {} if body is None else {"json": body}
        headers = {"Idempotency-Key": "key"}
        if operation in WITH_PICTURE:
            options["body"], headers["Content-Type"] = pictures.form(pictures.picture(size=(20, 20)))
        who = CALLERS.get(caller)
        token = self.api_key if caller == API_KEY else who.token() if who else None
        if path.startswith("/apple/"):  # phones call these, with the token of the pass
            headers["Authorization"], token = f"ApplePass {self.pass_token}", None
        if path.startswith("/passes/"):
            query = {"token": self.pass_token}
        return {"method": method, "path": target, "query": query, "token": token, "headers": headers, **options}


@contextmanager
def new_world() -> Iterator[World]:
    """A shop with one event of a promoter, an order and a checkout of its buyer, a refund, an open case and a member.

    It is built once for each time and settings. Every world has its own copy of the store, in which nothing has been changed.
    """
    with TemporaryDirectory() as images, engines.folder_buckets(Path(images)), settings.override(identity="demo", **fakes.apple_settings()):
        built = _build(clock.now(), settings.current())
        with engines.local(), engines.loaded_stage(built.stage, built.state), settings.override(identity="jwt"):
            yield replace(built.world, api=_client(), ids=dict(built.world.ids))


class _Built(Struct, frozen=True):
    """A world that was built, with the stage and the state of its store."""

    world: World
    stage: str
    state: bytes


def _client() -> Client:
    import app
    from infra.local.gateway import Gateway

    return Client(Gateway(app.app))


@cache
def _build(_now: int, _settings: settings.Settings) -> _Built:
    """Build the world in a store of its own. It depends on the time and the settings."""
    api = _client()
    with engines.local(), engines.fresh_stage():
        event, tier = _apply_catalog()
        paid = builders.buy(api, BUYER, event, tier, 3).json
        order = paid["order"]["id"]
        first, second, third = (ticket["id"] for ticket in paid["tickets"])
        refund = builders.refund(api, order, tickets=[first]).json["refund"]["id"]
        codes = [builders.create_promo_code(api, event, code) for code in ("EARLY", "LATE")]
        open_order = builders.reserve(api, BUYER, event, tier).json["id"]
        builders.start_checkout(api, BUYER, open_order)
        transfer = api.post(f"/tickets/{third}/transfer", user=BUYER).json["token"]
        invitation = _invite_guest(api, f"{second}.1")
        place, digest = _join_draw(api)
        [entry_id, _] = [_join_waitlist(api, user, event) for user in (BUYER, "eva")]
        member = members.invite(event, "new@example.com", "staff", PROMOTER, clock.now())
        # first, because the addresses of the accounts are not verified
        endpoint = webhook_endpoints.create_endpoint(PROMOTER, "01KT0000000000000000000001", requests.HOOKS, "", [], PROMOTER, clock.now())
        login = _create_accounts()
        kept = _keep_pass(second)
        key, key_text = members.create_api_key(PROMOTER, "Till", "coordinator", frozenset(), clock.now() + 86_400, PROMOTER, clock.now())
        purchase = purchases.load(order)
        purchases.save(purchase, replace(purchase, return_requests=[ReturnRequest(tickets=[2], at=clock.now())]))
        money_cases.open_finding(order, "amounts_differ", clock.now(), {})
        ids = {
            "event_id": event,
            **dict.fromkeys(("tier_id", "package_id"), tier),
            "option_id": "dinner",
            "order_id": order,
            "sale_id": _sell_at_counter(api, event),
            "unpaid_id": _order_by_transfer(api, event, tier),
            "refund_id": refund,
            "request_number": "1",
            "finding": "amounts_differ",
            "reservation_id": open_order,
            "session_id": open_order,
            "ticket_id": second,
            "promoter_id": PROMOTER,
            "user_id": BUYER,
            "member_id": member.member_id,
            "key_id": key.id,
            "token": transfer,
            "seat_id": f"{second}.1",
            "upload_id": "01KT0000000000000000000000",
            "endpoint_id": endpoint.id,
            "delivery_id": outbox.send_ping(endpoint, "01KT0000000000000000000000", clock.now()).id,
            "code_id": codes[0],
            "code": codes[1],
            "message_id": _queue_message(order, event),
            "announcement_id": _schedule_announcement(event),
            "entry_id": entry_id,
            "digest": digest,
            "appeal_id": _appeal(api),
            "passkey_id": "01KT0000000000000000000000",  # nobody's
            "version": "1",
            "kind": "terms",
            "language": "en",
            "text_id": profiles.list_legal_texts(PROMOTER)[0].id,
            "serial": kept.serial,
            "device_id": "0123456789abcdef0123456789abcdef",
            "pass_type": fakes.PASS_TYPE,
        }
        code = next(ticket["code"] for ticket in paid["tickets"] if ticket["id"] == second)
        return _Built(World(api, ids, code, place, login, invitation, kept.token, key_text), settings.current().stage, engines.save_state())


def _keep_pass(ticket_id: str) -> Pass:
    return passes.make_pass(BUYER, ticket_id, "apple", "en", clock.now())


def _schedule_announcement(event: str) -> str:
    now = clock.now()
    announcement = Announcement(id="a1", event_id=event, subject="Doors", text="Six", created_at=now, written_at=now, due_at=now + 86_400)
    return event_notices.save_announcement(announcement, None, "root", now).id


def _create_accounts() -> str:
    """The accounts of all callers, the promoter's profile, and a session of the buyer. Returns the id of the session."""
    for caller in filter(None, CALLERS.values()):
        account = Account(user_id=caller.user_id, email=caller.email, roles=caller.roles, created_at=clock.now())
        accounts.create_account(account, requests.PASSWORD)
    profiles.save_promoter(PROMOTER, PromoterChange("Nora", None, "", None, None, "", True), "root", clock.now(), by_admin=True)
    terms = LegalText(owner_id=PROMOTER, kind="terms", language="en", text="Each ticket admits one person.")
    profiles.replace_legal_text(PROMOTER, "terms", "en", terms, "root", clock.now())
    return sessions.session_id(sessions.begin_session(BUYER, 1, sessions.Device(None, None), clock.now()))


def _sell_at_counter(api: Client, event: str) -> str:
    """Sell a ticket at the box office. Returns the id of the order."""
    body = requests.COUNTER_SALE | {"id": "sale-of-world"}
    sale = api.post(f"/events/{event}/box-office-orders", json=body, token=builders.admin_token())
    assert sale.status == 201, sale.json
    return str(sale.json["order_id"])


def _order_by_transfer(api: Client, event: str, tier: str) -> str:
    """Order a ticket that is to be paid by bank transfer. Returns the id of the order."""
    order = builders.reserve(api, "eva", event, tier).json["id"]
    builders.start_checkout(api, "eva", order)
    purchase = purchases.load(order)
    assert purchase.payment is not None
    account = BankAccount("Nora", "PT50000201231234567890154")
    after = replace(purchase, payment=replace(purchase.payment, provider="bank_transfer", bank_account=account))
    purchases.save(purchase, after, [purchases.bank_transfer_item(purchase)])
    return str(order)


def _invite_guest(api: Client, seat_id: str) -> str:
    """Name a guest of a seat. Returns the token of the invitation."""
    guest = {"name": "Bob", "email": "bob@example.com"}
    url = api.put(f"/seats/{seat_id}/guest", json=guest, user=BUYER).json["guest"]["url"]
    return str(url.partition("#token=")[2])


def _join_draw(api: Client) -> tuple[str, str]:
    """Let the buyer take part in the draw of the event with a waiting room. Returns the token, and the digest in the list of entries."""
    opens_at = catalog.snapshot().events[DROP].on_sale_at
    assert opens_at is not None
    with clock.override(lambda: float(opens_at - 600)):
        token = api.post(f"/events/{DROP}/waiting-room/join", user=BUYER).json["token"]
    with clock.override(lambda: float(opens_at - 60)):
        state = api.get(f"/events/{DROP}/waiting-room/state").json
    arrival = tokens.read_token(token)
    assert arrival is not None
    return token, entries.entrant_digest(state["commitment"], arrival.user).hex()


def _appeal(api: Client) -> str:
    """The id of an appeal by the buyer, whom the waiting room has refused."""
    appeal = {"refusal": tokens.sign_refusal(DROP, BUYER, "code_used"), "text": "My code does not work."}
    reply = api.post(f"/events/{DROP}/waiting-room/appeal", json=appeal, user=BUYER)
    assert reply.status == 200, reply.json
    return str(reply.json["id"])


def _join_waitlist(api: Client, user: str, event: str) -> str:
    reply = api.post("/waitlist", json={"event_id": event, "quantity": 1, "tier_ids": ["fest-late"]}, user=user)
    assert reply.status == 201, reply.json
    return str(reply.json["id"])


def _queue_message(order_id: str, event_id: str) -> str:
    """Queue a mail about an order. Returns its id."""
    message = notifications.new_notification("order_confirmed", order_id, 4, user_id=BUYER, event_id=event_id, now=clock.now())
    ses_reports.suppress("gone@example.com", "bounced", clock.now())
    notifications.queue_notification(message)
    return message.id


def _apply_catalog() -> tuple[str, str]:
    """Two events of the promoter, and a tier of the first. Returns the ids of the first and its tier."""
    metadata = {"timezone": "America/Denver", "promoter_id": PROMOTER}
    drop = bootstrap.event(
        DROP, metadata=metadata, on_sale_at="2026-05-30", waiting_room={"enabled": True, "shop_url": "https://tickets.example/"}
    )
    events = {EVENT: bootstrap.event(EVENT, metadata=metadata), DROP: drop}
    tickets = {"fest-pass": bootstrap.ticket("fest-pass"), "drop-pass": bootstrap.ticket("drop-pass", DROP)}
    press, counter = {"id": "press", "reason": "press", "quantity": 1}, {"id": "counter", "reason": "box_office", "quantity": 3}
    tickets["fest-late"] = bootstrap.ticket("fest-late", status="coming-soon", holdbacks=[press, counter])  # people wait for it
    rollout.apply(validate_tree({"version": "1", "events": events, "ticket_types": tickets}), "test", clock.now())
    return EVENT, "fest-pass"


def outcome(reply: ClientReply) -> str:
    """What a caller is let do: `yes`, or how they are refused. Errors that say that they are let through count as yes."""
    error = reply.json.get("error") if isinstance(reply.json, dict) else None
    match reply.status, error:
        case 401, "unauthenticated":
            return "401"
        case 403, "forbidden":
            return "403"
        case 404, _:
            return "404"
    return "yes"


def is_invalid(reply: ClientReply) -> bool:
    """Whether it was the request that was refused, before anybody asked whether the caller may do this."""
    return reply.status == 400 and isinstance(reply.json, dict) and reply.json.get("error") == "invalid_input"
