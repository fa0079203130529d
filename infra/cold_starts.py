"""Compare the modules that each function loads at its start and in its first calls with a budget. Each runs in its own process.

Each module adds about a third of a millisecond to every cold start, so code that few requests need is imported where it is used.
"""

import base64
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from chalicelib.dynamodb import dynamo
from chalicelib.edge import auth
from chalicelib.foundation import clock, settings
from devtools.dynamodb.engine import Engine
from devtools.dynamodb.server import Server
from devtools.in_process_clients import attached
from infra.instance import FunctionReply, Instance
from infra.local import initial_data
from infra.local.environment import LOCAL_CREDENTIALS, UNREACHABLE_ENDPOINT
from infra.local.gateway import Gateway
from infra.local.schedules import scheduled_event

API, SWEEP, RECONCILE = "app.app", "chalicelib.purchases.jobs.sweep", "chalicelib.reconciliation.jobs.reconcile"
PROJECT_REPORTS = "chalicelib.addons.reports.jobs.project_reports"
PROCESS_IMAGE = "chalicelib.addons.images.api.process_image"
FOLLOW_CHANGES = "chalicelib.changes.jobs.follow_changes"
SEND_MESSAGES = "chalicelib.addons.messages.jobs.send_messages"
SEND_WEBHOOKS = "chalicelib.addons.outgoing_webhooks.jobs.send_webhooks"
RETRY_WEBHOOKS = "chalicelib.addons.outgoing_webhooks.jobs.retry_webhooks"
OFFER_TICKETS = "chalicelib.addons.waitlist.jobs.offer_tickets"
UPDATE_PASSES = "chalicelib.addons.wallets.api.update_passes"
STAGE = "cold-starts"
EVENT, TIER = "summits-v-harbor", "summits-v-harbor-upper"
SECRETS = {"jwt_secret": "of-the-cold-starts" * 2, "ticket_keys": f"k1:{'of-the-cold-starts' * 2}"}
ACCOUNT = {"email": "ada@example.com", "password": "seven grey owls"}
STRIPE = {"FAIRGATE_STRIPE_API_KEY": "sk_test_none", "FAIRGATE_STRIPE_WEBHOOK_SECRETS": "whsec_none"}

# Large packages. A first call loads one of these only if its budget names it.
HEAVY = frozenset(
    [
        "PIL",
        "argon2",
        "cryptography",
        "facturx",
        "h2",
        "jinja2",
        "jwt",
        "lxml",
        "mollie",
        "multipart",
        "oauthlib",
        "pypdf",
        "qrcode",
        "reportlab",
        "requests",
        "stripe",
        "zxcvbn",
    ]
)
# Packages that are not deployed.
NEVER_LOADED = frozenset(["bootstrap", "devtools", "infra", "ministack", "moto", "pkg_resources", "pytest", "setuptools"])


class Client:
    """Sends requests to an instance of the API, as a user who is also an admin."""

    def __init__(self, instance: Instance) -> None:
        import app

        self._instance, self._gateway = instance, Gateway(app.app)
        self._token = auth.issue_token("ada", {"user", "admin"})

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> FunctionReply:
        sent = {"Accept": "*/*", "Content-Type": "application/json", "X-Request-Id": "cold-start"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        raw = b"" if body is None else json.dumps(body).encode()
        return self._instance.call(self._gateway.proxy_event(method, f"/api/v1{path}", list(sent.items()), raw))

    def signed_request(self, method: str, path: str, body: Any = None, **headers: str) -> FunctionReply:
        return self.request(method, path, body, Authorization=f"Bearer {self._token}", **headers)


def read(instance: Instance) -> FunctionReply:
    client = Client(instance)
    client.request("GET", "/events").json_body()
    client.request("GET", f"/events/{EVENT}/availability").json_body()
    reply = client.request("GET", f"/events/{EVENT}")
    reply.json_body()
    return reply


def buy(instance: Instance) -> FunctionReply:
    client = Client(instance)
    reservation = client.signed_request("POST", f"/events/{EVENT}/reservations", {"tier_id": TIER, "quantity": 1}).json_body()["id"]
    session = {"reservation_id": reservation}
    checkout = client.signed_request("POST", "/checkout/sessions", session, Idempotency_Key=reservation).json_body()["id"]
    reply = client.signed_request("POST", "/checkout/confirm", {"checkout_id": checkout, "simulate": "success"})
    reply.json_body()
    return reply


def show_qr_code(instance: Instance) -> FunctionReply:
    client = Client(instance)
    ticket = buy(instance).json_body()["tickets"][0]["id"]
    reply = client.signed_request("GET", f"/tickets/{ticket}/qr?format=svg")
    assert b"<svg" in base64.b64decode(reply.reply["body"]) or "<svg" in reply.reply["body"]
    return reply


def show_ticket_pages(instance: Instance) -> FunctionReply:
    order = buy(instance).json_body()["order"]["id"]
    reply = Client(instance).signed_request("GET", f"/orders/{order}/tickets.pdf")
    assert base64.b64decode(reply.reply["body"]).startswith(b"%PDF"), reply.reply
    return reply


def refuse_webhook(instance: Instance) -> FunctionReply:
    reply = Client(instance).request("POST", "/webhooks/stripe", {}, Stripe_Signature="t=1,v1=none")
    assert reply.reply["statusCode"] == 400, reply.reply
    return reply


def administer(instance: Instance) -> FunctionReply:
    reply = Client(instance).signed_request("GET", f"/admin/events/{EVENT}/status")
    reply.json_body()
    return reply


def register(instance: Instance) -> FunctionReply:
    reply = Client(instance).request("POST", "/auth/register", ACCOUNT)
    reply.json_body()
    return reply


def log_in(instance: Instance) -> FunctionReply:
    client = Client(instance)
    refused = client.request("POST", "/auth/login", ACCOUNT)
    assert refused.reply["statusCode"] == 401, refused.reply
    reply = client.signed_request("GET", "/auth/me")
    reply.json_body()
    return reply


def run_schedule(instance: Instance) -> FunctionReply:
    return instance.call(scheduled_event())


def project(instance: Instance) -> FunctionReply:
    """Pass on the change of a purchase that was created and deleted again: the function accesses only the item of the generations."""
    table = f"arn:aws:dynamodb:us-east-1:000000000000:table/{dynamo.table_name('purchases')}/stream/1"
    tombstone = {"id": {"S": "none"}, "state": {"S": "expired"}, "version": {"N": "1"}}
    change = {"ApproximateCreationDateTime": 1, "SequenceNumber": "1", "NewImage": tombstone}
    reply = instance.call({"Records": [{"eventSourceARN": table, "dynamodb": change}]})
    assert reply.reply == {"batchItemFailures": []}, reply.reply
    return reply


def send_nothing(instance: Instance) -> FunctionReply:
    """Pass on the deletion of a delivery."""
    reply = instance.call({"Records": [{"dynamodb": {"OldImage": {"rounds": {"N": "1"}}}}]})
    assert reply.reply == {"batchItemFailures": []}, reply.reply
    return reply


def refuse_image(instance: Instance) -> FunctionReply:
    """Pass on the event that a scan found a threat in a file. The function does not read such a file."""
    detail = {"s3ObjectDetails": {"objectKey": "uploads/e/1"}, "scanResultDetails": {"scanResultStatus": "THREATS_FOUND"}}
    return instance.call({"detail": detail})


class Budget(Struct, frozen=True):
    """How many modules, and which heavy packages, a function may have loaded after its first calls.

    `is_for_documents` means that the function's code is the zip for documents.
    """

    handler: str
    first_calls: Callable[[Instance], FunctionReply]
    max_modules: int
    heavy: frozenset[str] = frozenset()
    environment: dict[str, str] = {}
    is_for_documents: bool = False


def start(instance: Instance) -> FunctionReply:
    return instance.start


# Each number was set 2 % above its measurement. The budget of each call of the API is the start's budget plus the call's own modules, so a
# new feature changes one number. Calls of admins and for documents load the routes that `app.py` leaves out of a start.
API_START = 531
BUDGETS = {
    "api: start": Budget(API, start, API_START),
    "api: read events": Budget(API, read, API_START + 10),
    "api: buy a ticket": Budget(API, buy, API_START + 21, frozenset(["jwt"])),
    "api: show a QR code": Budget(API, show_qr_code, API_START + 61, frozenset(["PIL", "jwt", "qrcode"])),
    "api: webhook of Stripe": Budget(API, refuse_webhook, API_START + 153, frozenset(["stripe", "requests"]), STRIPE),
    "api: status for admins": Budget(API, administer, API_START + 113, frozenset(["jwt"])),
    "api: register": Budget(API, register, API_START + 22, frozenset(["argon2", "zxcvbn"])),
    "api: sign in": Budget(API, log_in, API_START + 24, frozenset(["argon2", "jwt"])),
    "documents: start": Budget(API, start, API_START, is_for_documents=True),
    "documents: make a PDF": Budget(
        API, show_ticket_pages, API_START + 217, frozenset(["PIL", "jwt", "qrcode", "reportlab"]), is_for_documents=True
    ),
    "sweep: start": Budget(SWEEP, start, 193),
    "sweep: run": Budget(SWEEP, run_schedule, 481),
    "reconcile: start": Budget(RECONCILE, start, 477),
    "reconcile: run": Budget(RECONCILE, run_schedule, 507),
    "offers: start": Budget(OFFER_TICKETS, start, 460),
    "offers: run": Budget(OFFER_TICKETS, run_schedule, 462),
    "follow: start": Budget(FOLLOW_CHANGES, start, 449),
    "follow: pass on": Budget(FOLLOW_CHANGES, project, 541),
    "messages: start": Budget(SEND_MESSAGES, start, 194, is_for_documents=True),
    "messages: run": Budget(SEND_MESSAGES, run_schedule, 501, is_for_documents=True),
    "send webhooks: start": Budget(SEND_WEBHOOKS, start, 194),
    "send webhooks: nothing": Budget(SEND_WEBHOOKS, send_nothing, 473),
    "retry webhooks: start": Budget(RETRY_WEBHOOKS, start, 194),
    "retry webhooks: run": Budget(RETRY_WEBHOOKS, run_schedule, 455),
    "reports: start": Budget(PROJECT_REPORTS, start, 451),
    "reports: project": Budget(PROJECT_REPORTS, project, 461),
    "passes: start": Budget(UPDATE_PASSES, start, 461),
    "passes: run": Budget(UPDATE_PASSES, run_schedule, 463),
    "images: start": Budget(PROCESS_IMAGE, start, 451),
    "images: refuse": Budget(PROCESS_IMAGE, refuse_image, 451),
}
_ADVICE = "import it where it is used, or change the budget in infra/cold_starts.py"


def _advice(name: str, budget: Budget, loaded: int) -> str:
    """Return the advice for a budget that is too small: which numbers to write, 2 % above the measurement, and where."""
    is_api = budget.handler == API
    measured = loaded - (budget.max_modules - API_START) if is_api else loaded
    what = "API_START" if is_api else f'the budget of "{name}"'
    return (
        f"import the modules where they are used, or write {round(1.02 * measured)} for {what} in infra/cold_starts.py, and run `make docs`"
    )


def check(folder: Path, *, alone: bool = False, is_for_documents: bool | None = None) -> list[str]:
    """Return the violations of the budgets by the code in `folder`; prints what each function loads.

    With `alone`, the functions see no package that is not in the folder. `is_for_documents` chooses the functions by their zip.
    """
    problems = []
    budgets = {name: budget for name, budget in BUDGETS.items() if is_for_documents in (None, budget.is_for_documents)}
    with filled_store() as environment:
        for name, budget in budgets.items():
            with Instance(folder, budget.handler, environment | budget.environment, alone=alone) as instance:
                reply = budget.first_calls(instance)
            print(f"{name:<24}{len(reply.modules):>8,} modules (budget {budget.max_modules:,})")
            unexpected = reply.packages & (HEAVY | NEVER_LOADED) - budget.heavy
            problems += [f"{name}: loads {package}: {_ADVICE}" for package in sorted(unexpected)]
            if len(reply.modules) > budget.max_modules:
                loaded = len(reply.modules)
                problems.append(
                    f"{name}: loads {loaded} modules, more than its budget of {budget.max_modules}: {_advice(name, budget, loaded)}"
                )
    return problems


@contextmanager
def filled_store() -> Iterator[dict[str, str]]:
    """Run a store in memory with all tables and the demo's catalog; yields the environment of functions that use it."""
    environment = {f"FAIRGATE_{name.upper()}": value for name, value in SECRETS.items()}
    environment |= {"FAIRGATE_STAGE": STAGE, "FAIRGATE_PAYMENT_SIMULATION": "on"}
    os.environ.update(LOCAL_CREDENTIALS)
    engine, local = Engine(), settings.override(stage=STAGE, store_endpoint=UNREACHABLE_ENDPOINT, **SECRETS)
    with local, tempfile.TemporaryDirectory() as scratch:
        with attached(engine, dynamo.client()):
            initial_data.create_tables_and_catalog(clock.now(), Path(scratch) / "demo.json", lambda _: None)
        with Server(engine) as server:
            yield environment | LOCAL_CREDENTIALS | {"FAIRGATE_STORE_ENDPOINT": server.url}
