"""A fake Mollie: the part of its API v2 that the official client needs here, with a payment page and webhooks, on 127.0.0.1 only.

    with FakeMollie() as mollie:
        client = Client(api_endpoint=mollie.url)
        client.set_api_key(mollie.api_key)
        ...
        mollie.finish(payment_id, "paid")
        mollie.deliver()

`python -m devtools.mollie` serves until it is stopped, and delivers webhooks as soon as they are due.
"""

import json
import pickle
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

Json = dict[str, Any]
Answer = tuple[int, Json]

API_KEY = "test_fakeMollieFakeMollieFakeMollie"
KEY_SECONDS = 3600  # Mollie forgets an idempotency key after this time
OPEN_SECONDS = 900  # a payment that nobody has paid expires after this time
FORM = "application/x-www-form-urlencoded"
PREFIXES = {"payments": "tr_", "refunds": "re_", "chargebacks": "chb_"}
STATUS_TITLES = {401: "Unauthorized Request", 404: "Not Found", 409: "Conflict", 422: "Unprocessable Entity", 429: "Too Many Requests"}


def post(url: str, body: bytes) -> int:
    """Send a webhook over HTTP. Returns the status of the reply."""
    request = urllib.request.Request(url, body, {"Content-Type": FORM})
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code


class Refused(Exception):
    """A call that Mollie refuses with this status. `field` is the wrong field, if there is one."""

    def __init__(self, status: int, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.answer: Answer = (status, {"status": status, "title": STATUS_TITLES.get(status, "Error"), "detail": detail})
        if field is not None:
            self.answer[1]["field"] = field


class FakeMollie:
    """One account with its payments, refunds and chargebacks, oldest first, and the webhooks that are due.

    `send` gets the address and the body of each webhook and returns the status of the reply. Payments can be cancelled while they are open
    if `is_cancelable`, which depends on the method at Mollie. `calls` are the methods and paths of all calls.
    """

    api_key = API_KEY

    def __init__(self, clock: Callable[[], float] = time.time, send: Callable[[str, bytes], int] = post, port: int = 0) -> None:
        self._clock, self.send = clock, send
        self.is_cancelable = True
        self.objects: dict[str, list[Json]] = {name: [] for name in PREFIXES}
        self.due: list[tuple[str, str]] = []  # (address, payment id)
        self.calls: list[str] = []
        self._keys: dict[str, tuple[float, Answer]] = {}
        self._faults: list[tuple[str, str]] = []  # (method, status or "lost")
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    # What buyers, banks and people in Mollie's dashboard do.

    def finish(self, payment_id: str, status: str) -> None:
        """End an open or pending payment as `paid`, `failed`, `canceled` or `expired`, or begin it as `pending`."""
        with self._lock:
            payment = self.find("payments", payment_id)
            if payment["status"] not in ("open", "pending", "authorized"):
                raise Refused(422, f"The payment is {payment['status']}")
            payment["status"] = status
            if status != "pending":
                self._report(payment_id)

    def expire(self) -> None:
        """Expire the payments that have been open for too long."""
        for payment in self.objects["payments"]:
            created = datetime.fromisoformat(payment["createdAt"]).timestamp()
            if payment["status"] == "open" and created + OPEN_SECONDS <= self._clock():
                self.finish(payment["id"], "expired")

    def refund(self, payment_id: str, cents: int) -> str:
        """Refund an amount in the dashboard. Returns the refund's id."""
        with self._lock:
            payment = self.find("payments", payment_id)
            amount = {"currency": payment["amount"]["currency"], "value": _value(cents, payment)}
            return str(self._create_refund(payment_id, {"amount": amount})[1]["id"])

    def finish_refund(self, refund_id: str, status: str) -> None:
        """Let a refund be `refunded`, or let it fail: `failed`."""
        with self._lock:
            refund = self.find("refunds", refund_id)
            refund["status"] = status
            self._report(refund["paymentId"])

    def charge_back(self, payment_id: str, cents: int) -> str:
        """Take money of a payment back, as the buyer's bank. Returns the chargeback's id."""
        with self._lock:
            payment = self.find("payments", payment_id)
            fields = {"amount": {"currency": payment["amount"]["currency"], "value": _value(cents, payment)}, "paymentId": payment_id}
            found = self._add("chargebacks", {**fields, "reason": {"code": "AC01", "description": "Refused"}, "reversedAt": None})
            self._report(payment_id)
            return str(found["id"])

    def reverse(self, chargeback_id: str) -> None:
        """Give the money of a chargeback back to the shop."""
        with self._lock:
            chargeback = self.find("chargebacks", chargeback_id)
            chargeback["reversedAt"] = self._now()
            self._report(chargeback["paymentId"])

    # Snapshots of the account.

    def save_account(self) -> bytes:
        """Return all objects of the account, the webhooks that are due, and the known idempotency keys."""
        with self._lock:
            return pickle.dumps((pickle.dumps((self.objects, self.due, self._keys)), []))

    def restore_account(self, account: bytes) -> None:
        """Restore what `save_account` returned."""
        with self._lock:
            self.objects, self.due, self._keys = pickle.loads(pickle.loads(account)[0])

    # Webhooks.

    def deliver(self) -> list[int]:
        """Send the webhooks that are due, and keep those that were not accepted. Returns the statuses of the replies."""
        with self._lock:
            due, self.due = self.due, []
        statuses = [self.send(address, urlencode({"id": payment_id}).encode()) for address, payment_id in due]
        with self._lock:
            self.due += [webhook for webhook, status in zip(due, statuses, strict=True) if status != 200]
        return statuses

    def _report(self, payment_id: str) -> None:
        if address := self.find("payments", payment_id).get("webhookUrl"):
            self.due.append((address, payment_id))

    # Faults.

    def fail_next(self, method: str, status: int, times: int = 1) -> None:
        """Answer the next calls with this method with an error."""
        self._faults += [(method, str(status))] * times

    def lose_next_response(self, method: str) -> None:
        """Break the connection off after the next call with this method has taken effect."""
        self._faults.append((method, "lost"))

    # The API.

    def handle(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer | None:
        """Answer a call. None breaks the connection off."""
        with self._lock:
            self.calls.append(f"{method} {target.partition('?')[0]}")
            fault = next((fault for fault in self._faults if fault[0] == method), None)
            if fault is not None:
                self._faults.remove(fault)
            if fault is not None and fault[1] != "lost":
                return Refused(int(fault[1]), "A fault of the test").answer
            answer = self._handle_once(method, target, headers, body)
            return None if fault is not None else answer

    def _handle_once(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        """Answer a call, or repeat the answer to an earlier call with the same key."""
        key = headers.get("idempotency-key", "")
        kept_at, answer = self._keys.get(key, (0.0, None))
        if key and answer is not None and self._clock() < kept_at + KEY_SECONDS:
            return answer
        try:
            if headers.get("authorization") != f"Bearer {self.api_key}":
                raise Refused(401, "Missing authentication, or failed to authenticate")
            answer = self._route(method, target, json.loads(body or b"{}"))
        except Refused as refused:
            return refused.answer
        if key:
            self._keys[key] = (self._clock(), answer)
        return answer

    def _route(self, method: str, target: str, body: Json) -> Answer:
        url = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        match (method, url.path.strip("/").split("/")[1:]):
            case ("POST", ["payments"]):
                return self._create_payment(body)
            case ("GET", [name]) if name in PREFIXES:
                return 200, self._list(name, query)
            case ("GET", ["payments", payment_id]):
                return 200, self._view(self.find("payments", payment_id), query.get("embed", ""))
            case ("DELETE", ["payments", payment_id]):
                return self._cancel(payment_id)
            case ("POST", ["payments", payment_id, "refunds"]):
                return self._create_refund(payment_id, body)
            case ("GET", ["payments", payment_id, name, object_id]) if name in PREFIXES:
                found = self.find(name, object_id)
                if found["paymentId"] == payment_id:
                    return 200, self._view(found, query.get("embed", ""))
        raise Refused(404, "No such address")

    def _create_payment(self, body: Json) -> Answer:
        for name in ("amount", "description", "redirectUrl"):
            if not body.get(name):
                raise Refused(422, f"The {name} is missing", name)
        if body["amount"]["currency"] not in ("CHF", "EUR", "GBP", "JPY", "USD"):
            raise Refused(422, "The currency is not supported", "amount")
        if len(json.dumps(body.get("metadata"))) > 1024:
            raise Refused(422, "The metadata is too long", "metadata")
        return 201, self._view(self._add("payments", {**body, "status": "open", "mode": "test"}))

    def _cancel(self, payment_id: str) -> Answer:
        payment = self.find("payments", payment_id)
        if payment["status"] != "open" or not self.is_cancelable:
            raise Refused(422, "The payment cannot be canceled")
        self.finish(payment_id, "canceled")
        return 200, self._view(payment)

    def _create_refund(self, payment_id: str, body: Json) -> Answer:
        payment = self.find("payments", payment_id)
        if payment["status"] != "paid":
            raise Refused(422, "The payment is not paid")
        refunds = [refund for refund in self._parts("refunds", payment_id) if refund["status"] not in ("failed", "canceled")]
        taken = sum(map(_decimal, refunds), Decimal(0))
        taken += sum((_decimal(found) for found in self._parts("chargebacks", payment_id) if found["reversedAt"] is None), Decimal(0))
        if _decimal(body) + taken > _decimal(payment):
            raise Refused(422, "The amount is higher than the remaining amount", "amount")
        refund = self._add("refunds", {"metadata": None, **body, "paymentId": payment_id, "status": "pending"})
        return 201, self._view(refund)

    def _list(self, name: str, query: dict[str, str]) -> Json:
        newest_first = self.objects[name][::-1]
        ids = [found["id"] for found in newest_first]
        if "from" in query and query["from"] not in ids:
            raise Refused(400, "Invalid cursor value", "from")
        start = ids.index(query["from"]) if "from" in query else 0
        limit = int(query.get("limit", "50"))
        page, rest = newest_first[start : start + limit], newest_first[start + limit :]
        following = {**query, "from": rest[0]["id"]} if rest else None
        views = [self._view(found, query.get("embed", "")) for found in page]
        link = {"href": f"{self.url}/v2/{name}?{urlencode(following)}"} if following is not None else None
        return {"count": len(page), "_embedded": {name: views}, "_links": {"next": link}}

    def _view(self, found: Json, embed: str = "") -> Json:
        view = {**found, "_links": {}}
        if found["resource"] == "payment":
            refunds = [refund for refund in self._parts("refunds", found["id"]) if refund["status"] not in ("failed", "canceled")]
            view["isCancelable"] = found["status"] == "open" and self.is_cancelable
            value = sum((_decimal(refund) for refund in refunds), Decimal(0))
            view["amountRefunded"] = {**found["amount"], "value": f"{value:.{_digits(found)}f}"}
            if found["status"] == "open":
                view["_links"] = {"checkout": {"href": f"{self.url}/pay/{found['id']}"}}
        embedded: Json = {name: self._parts(name, found["id"]) for name in embed.split(",") if name in PREFIXES}
        if embed == "payment":
            embedded["payment"] = self._view(self.find("payments", found["paymentId"]))
        return {**view, "_embedded": embedded} if embedded else view

    def find(self, name: str, object_id: str) -> Json:
        """Return a payment, refund or chargeback as it is stored. Raises Refused."""
        for found in self.objects[name]:
            if found["id"] == object_id:
                return found
        raise Refused(404, f"No {name} exists with token {object_id}")

    def _parts(self, name: str, payment_id: str) -> list[Json]:
        return [found for found in self.objects[name][::-1] if found["paymentId"] == payment_id]

    def _add(self, name: str, fields: Json) -> Json:
        object_id = f"{PREFIXES[name]}fake{len(self.objects[name]) + 1:06}"
        self.objects[name].append({"resource": name.removesuffix("s"), "id": object_id, "createdAt": self._now(), **fields})
        return self.objects[name][-1]

    def _now(self) -> str:
        return datetime.fromtimestamp(int(self._clock()), UTC).isoformat()

    # The payment page.

    def page(self, payment_id: str, choice: str | None) -> tuple[int, str]:
        """Return the page of a payment as HTML or, after a choice, the address to which the buyer returns (status 303)."""
        payment = self.find("payments", payment_id)
        if choice is None:
            buttons = "".join(f'<button name="status" value="{status}">{status}</button>' for status in ("paid", "failed", "canceled"))
            return 200, f'<!doctype html><title>Fake Mollie</title><form method="post">{buttons}</form>'
        with suppress(Refused):
            self.finish(payment_id, choice)
        return 303, str((payment.get("cancelUrl") if choice == "canceled" else None) or payment["redirectUrl"])


def _value(cents: int, payment: Json) -> str:
    return f"{Decimal(cents).scaleb(-_digits(payment)):.{_digits(payment)}f}"


def _digits(about: Json) -> int:
    return len(about["amount"]["value"].partition(".")[2])


def _decimal(about: Json) -> Decimal:
    return Decimal(about["amount"]["value"])


def _handler(mollie: FakeMollie) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path.startswith("/pay/"):
                return self._show_page(parse_qs(body.decode()).get("status", [None])[0])
            answer = mollie.handle(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            if answer is None:
                self.close_connection = True
                return None
            return self._reply(answer[0], json.dumps(answer[1]).encode(), "application/hal+json")

        do_POST = do_DELETE = do_GET

        def _show_page(self, choice: str | None) -> None:
            try:
                status, content = mollie.page(self.path.removeprefix("/pay/"), choice)
            except Refused:
                status, content = 404, "No such payment"
            self._reply(status, b"" if status == 303 else content.encode(), "text/html", content if status == 303 else None)

        def _reply(self, status: int, body: bytes, kind: str, location: str | None = None) -> None:
            self.send_response(status)
            fields = {"Content-Type": kind, "Content-Length": str(len(body)), **({"Location": location} if location else {})}
            for name, value in fields.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    return Handler


def _each_second() -> Iterator[None]:
    while True:
        yield
        time.sleep(1)


if __name__ == "__main__":
    with FakeMollie(port=12112) as served, suppress(KeyboardInterrupt):
        print(f"Fake Mollie: FAIRGATE_MOLLIE_API_BASE={served.url} FAIRGATE_MOLLIE_API_KEY={served.api_key}")
        for _ in _each_second():
            served.expire()
            served.deliver()
