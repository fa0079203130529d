"""`fairgate smoke-test URL [FILE ...]`: check, as a buyer would, that a stage answers requests and sells tickets.

URL is the address of the API, `.../api/v1`. Prints a line for each check. Exit code 0: all checks passed; 1: a check failed; 2: wrong
arguments.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import sleep
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import msgspec
import urllib3
from msgspec import Struct

from bootstrap.files import SHIPPED_FILE, default_files, load_files
from bootstrap.output import Output, add_json_option
from chalicelib.bootstrap_file.document import BootstrapDocument, TicketEntry
from chalicelib.bootstrap_file.findings import InvalidDocument
from chalicelib.bootstrap_file.validation import ValidDocument, validate_files
from chalicelib.foundation import settings
from infra import cli

ROOT = Path(__file__).parents[1]
STRIPE_API = "https://api.stripe.com"
TEST_CARD = "pm_card_visa"
CATALOG_ATTEMPTS, CATALOG_PAUSE_SECONDS = 15, 2  # instances notice a new version within `head_check_seconds` (5)
TIMEOUT = urllib3.Timeout(connect=5, read=30)
# A new stage may need a moment. Repeating a POST is safe: each has an Idempotency-Key or does not need one.
RETRIES = urllib3.Retry(
    total=4, backoff_factor=1, status_forcelist=(429, 502, 503, 504), allowed_methods=None, redirect=0, raise_on_status=False
)


class CheckFailed(Exception):
    """The stage does not work as it should; the message names the difference."""


class NotTried(Exception):
    """A check does not apply to this stage; the message names the reason."""


class Answer(Struct, frozen=True):
    status: int
    body: Any


class Site(Struct, frozen=True):
    """The stage under test, and the catalog that it should serve."""

    url: str
    document: ValidDocument
    only_reads: bool = False
    stripe_api: str = STRIPE_API
    http: urllib3.PoolManager = msgspec.field(default_factory=lambda: urllib3.PoolManager(timeout=TIMEOUT, retries=RETRIES))

    def call(self, method: str, path: str, body: Any = None, *, token: str = "", expected: Sequence[int] = (200, 201)) -> Answer:
        """Call the API. Raises CheckFailed for a status that is not expected."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid4())}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        answer = self._send(method, f"{self.url}{path}", headers, None if body is None else msgspec.json.encode(body))
        if answer.status not in expected:
            raise CheckFailed(f"{method} {path} returned status {answer.status}: {_shortened(answer.body)}")
        return answer

    def call_stripe(self, path: str, fields: dict[str, str]) -> Answer:
        """Call Stripe like a browser, with a publishable key among the fields."""
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Idempotency-Key": str(uuid4())}
        return self._send("POST", f"{self.stripe_api}{path}", headers, urlencode(fields).encode())

    def _send(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Answer:
        try:
            response = self.http.request(method, url, headers=headers, body=body)
        except urllib3.exceptions.HTTPError as error:
            raise CheckFailed(f"{url} does not respond ({_cause(error)}). Check the address, and that the stage is deployed") from None
        try:
            return Answer(response.status, msgspec.json.decode(response.data))
        except msgspec.DecodeError:
            return Answer(response.status, response.data.decode(errors="replace"))


def run_checks(site: Site) -> Iterator[tuple[str, str, str]]:
    """Yield the outcome (`ok`, `not tried`, `FAILED`), the name and the result of each check. Stops after the first failure."""
    for check in (check_health, check_document, check_catalog, check_events, check_purchase):
        name = check.__name__.removeprefix("check_")
        try:
            yield "ok", name, check(site)
        except NotTried as reason:
            yield "not tried", name, str(reason)
        except CheckFailed as error:
            yield "FAILED", name, str(error)
            return
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            yield "FAILED", name, f"a response does not have the API's format ({error!r}). Is this the address of the API, .../api/v1?"
            return


def check_health(site: Site) -> str:
    health = site.call("GET", "/health").body
    if health["status"] != "ok":
        raise CheckFailed(f"the status is {health['status']!r}, not 'ok'")
    return f"stage {health['stage']} responds, build {health['build']}"


def check_document(site: Site) -> str:
    document = site.call("GET", "/openapi.json").body
    if "/health" not in document["paths"]:
        raise CheckFailed("the OpenAPI document lacks the API's own routes")
    return f"the OpenAPI document has {len(document['paths'])} paths"


def check_catalog(site: Site) -> str:
    """Check that the served catalog is the file's. Waits until every instance has noticed the new version."""
    expected = site.document.checksum
    for attempt in range(CATALOG_ATTEMPTS):
        if attempt:
            sleep(CATALOG_PAUSE_SECONDS)
        served = site.call("GET", "/catalog").body
        if served["checksum"] == expected:
            return f"version {served['version']} is served, the same as in the file (checksum {expected[:12]})"
    raise CheckFailed(
        f"version {served['version']} with checksum {served['checksum'][:12] or 'none'} is served, but the file's checksum is "
        f"{expected[:12]}. Apply the file (make apply), or name the files that were applied"
    )


def check_events(site: Site) -> str:
    listed = {event["id"] for event in site.call("GET", "/events").body}
    events = {event.id for event in site.document.document.events.values() if event.status != "test"}
    if missing := sorted(events - listed):
        raise CheckFailed(f"the list of events lacks {', '.join(missing)}")
    for event_id in sorted(events)[:1]:
        site.call("GET", f"/events/{event_id}")
        site.call("GET", f"/events/{event_id}/availability")
    return f"{len(listed)} events are listed"


def check_purchase(site: Site) -> str:
    """Buy one ticket of a test event as a guest, with a simulated payment or Stripe's test card, and load it as a PDF if there are any."""
    if site.only_reads:
        raise NotTried("--only-reads was given")
    health = site.call("GET", "/health").body
    stage = health["stage"]
    if stage == settings.PRODUCTION:
        raise NotTried(f"stage {stage} does not sell test events")
    tier = _find_test_tier(site.document.document)
    if tier is None:
        raise NotTried("the bootstrap file has no test event with a ticket type on sale")
    token = site.call("POST", "/auth/guest").body["access_token"]
    item = {"tier_id": tier.id, "quantity": 1}
    reservation = site.call("POST", f"/events/{tier.event_id}/reservations", item, token=token).body["id"]
    try:
        simulate, paid_by = _pay(site, token, reservation)
    except (CheckFailed, NotTried):
        site.call("DELETE", f"/reservations/{reservation}", token=token, expected=range(600))
        raise
    confirmation = {"checkout_id": reservation, **simulate}
    first = site.call("POST", "/checkout/confirm", confirmation, token=token).body
    again = site.call("POST", "/checkout/confirm", confirmation, token=token, expected=(200,)).body
    owned = site.call("GET", "/me/tickets", token=token).body["tickets"]
    codes = [[ticket["code"] for ticket in tickets] for tickets in (first["tickets"], again["tickets"], owned)]
    if len(codes[0]) != 1 or codes != [codes[0]] * 3:
        raise CheckFailed(f"order {first['order']['id']} should have one ticket, the same in every response")
    if "documents" in health["addons"]:  # these have a function of their own
        pages = site.call("GET", f"/orders/{first['order']['id']}/tickets.pdf", token=token).body
        if not str(pages).startswith("%PDF"):
            raise CheckFailed(f"the tickets of order {first['order']['id']} are not a PDF: {_shortened(pages)}")
    return f"one ticket of {tier.event_id} was sold, paid by {paid_by} (order {first['order']['id']})"


def _pay(site: Site, token: str, reservation: str) -> tuple[dict[str, str], str]:
    """Open the checkout and pay. Returns the confirmation's fields and the kind of payment. Raises NotTried if that takes real money."""
    body = {"reservation_id": reservation}
    simulated = site.call("POST", "/checkout/sessions", {**body, "provider": "simulated"}, token=token, expected=(200, 201, 400))
    if simulated.status != 400:
        return {"simulate": "success"}, "simulation"
    if simulated.body["error"] != "payment_provider_not_offered":
        raise CheckFailed(f"POST /checkout/sessions returned status {simulated.status}: {_shortened(simulated.body)}")
    payment = site.call("POST", "/checkout/sessions", body, token=token).body["payment"]
    if payment["provider"] == "free":
        return {}, "nothing, because it is free"
    key, secret = payment.get("publishable_key") or "", payment.get("client_secret") or ""
    if not key.startswith("pk_test_"):
        raise NotTried("payments are neither simulated nor made with Stripe's test keys (is FAIRGATE_STRIPE_PUBLISHABLE_KEY set?)")
    fields = {"key": key, "client_secret": secret, "payment_method": TEST_CARD, "return_url": f"{site.url}/health"}
    paid = site.call_stripe(f"/v1/payment_intents/{secret.partition('_secret_')[0]}/confirm", fields)
    if paid.status != 200 or paid.body["status"] != "succeeded":
        raise CheckFailed(f"Stripe declined the test card: {_shortened(paid.body)}")
    return {}, "Stripe's test card"


def _find_test_tier(document: BootstrapDocument) -> TicketEntry | None:
    """Return a ticket type of a test event that is on sale, or None."""
    tests = {event.id for event in document.events.values() if event.status == "test" and event.waiting_room is None}
    tiers = (tier for tier in document.ticket_types.values() if tier.event_id in tests and tier.status in ("test", "available"))
    return min(tiers, key=lambda tier: tier.id, default=None)


def _is_address(url: str) -> bool:
    parts = urlsplit(url)
    try:
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # not a valid port
        return False


def _shortened(body: Any) -> str:
    text = body if isinstance(body, str) else msgspec.json.encode(body).decode()
    return text if len(text) <= 300 else f"{text[:300]} ..."


def _cause(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return type(reason if isinstance(reason, Exception) else error).__name__


def main(argv: Sequence[str] | None = None) -> int:
    try:
        arguments = parser().parse_intermixed_args(argv)
        if not _is_address(arguments.url):
            parser().error(f"the address must be a URL such as https://shop.example.com/api/v1, not {arguments.url!r}")
    except SystemExit as error:
        return int(error.code or 0)
    output = Output("", arguments.json)
    try:
        document = validate_files(load_files(list(map(Path, arguments.files)) or default_files()))
    except InvalidDocument as error:
        *others, last = map(str, error.faults)
        return output.print_failure(last, 2, others, faults=error.faults)
    site = Site(arguments.url.rstrip("/"), document, only_reads=arguments.only_reads, stripe_api=arguments.stripe_api)
    checks = list[dict[str, str]]()
    for outcome, name, text in run_checks(site):
        print(f"{outcome:<10} {name:<9} {text}", file=sys.stderr if output.is_json else sys.stdout, flush=True)
        checks.append({"check": name, "outcome": outcome.lower(), "text": text})
    has_failed = any(check["outcome"] == "failed" for check in checks)
    if output.is_json:
        output.print_result({"url": site.url, "failed": has_failed, "checks": checks}, [])
    return 1 if has_failed else 0


def parser() -> ArgumentParser:
    parser = ArgumentParser(prog="fairgate smoke-test", description="Check that a stage serves and sells; see docs/deployment.md.")
    parser.add_argument("url", help="address of the API, such as https://shop.example.com/api/v1")
    parser.add_argument("files", nargs="*", metavar="FILE", help=f"bootstrap files that were applied (default: {SHIPPED_FILE.name})")
    parser.add_argument("--only-reads", action="store_true", help="only read, and buy nothing")
    parser.add_argument("--stripe-api", default=STRIPE_API, help="address of Stripe's API (default: Stripe itself)")
    add_json_option(parser)
    return parser


if __name__ == "__main__":
    sys.exit(cli.main(["smoke-test", *sys.argv[1:]]))
