"""A client that an established generator makes of the OpenAPI document plays a promoter, a buyer and the door."""

import importlib
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import builders, invariants
from tests.client import BASE, Client
from tests.edge.openapi.test_document import DOCUMENT

PACKAGE = "fairgate_client"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the generated package."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "openapi.json").write_text(json.dumps(DOCUMENT))
    command = [Path(sys.executable).with_name("openapi-python-client"), "generate", "--meta", "none"]
    subprocess.run([*command, "--path", "openapi.json", "--output-path", PACKAGE], cwd=folder, check=True, capture_output=True)
    return folder


class Transport(httpx.BaseTransport):
    """Sends the requests of httpx to the tests' client, so without a socket."""

    def __init__(self, api: Client) -> None:
        self._api = api

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        target = request.url.raw_path.decode().removeprefix(BASE)
        headers = {name: value for name, value in request.headers.items() if name != "accept-encoding"}
        reply = self._api.request(request.method, target, body=request.read(), headers=headers)
        return httpx.Response(reply.status, headers=dict(reply.headers), content=reply.body)


class Generated:
    """The generated package, as one caller uses it."""

    def __init__(self, api: Client, token: str) -> None:
        client_class = importlib.import_module(f"{PACKAGE}.client").AuthenticatedClient
        self._client = client_class("http://fairgate.test" + BASE, token, httpx_args={"transport": Transport(api)})

    def call(self, room: str, name: str, *ids: str, body: tuple[str, dict] | None = None, **options: Any) -> Any:
        """The parsed reply of an operation; `body` is the name of its model with its fields."""
        if body is not None:
            module = importlib.import_module(f"{PACKAGE}.models.{body[0]}")
            model = getattr(module, "".join(part.capitalize() for part in body[0].split("_")))
            options["body"] = model.from_dict(body[1])
        reply = importlib.import_module(f"{PACKAGE}.api.{room}.{name}").sync_detailed(*ids, client=self._client, **options)
        assert reply.status_code in (200, 201), reply.content
        return reply.parsed


def test_a_generated_client_creates_an_event_buys_a_ticket_and_scans_it(api, time, folder, monkeypatch):
    monkeypatch.syspath_prepend(str(folder))
    promoter = Generated(api, builders.token("promoter-1", "user", "promoter"))
    buyer = Generated(api, builders.token("ada", "user"))

    def moment(seconds: int) -> str:
        return datetime.fromtimestamp(time.now + seconds, UTC).isoformat()

    fields = {
        "name": "Harbor Nights",
        "venue": "Harbor Hall",
        "starts_at": moment(3600),
        "ends_at": moment(9000),
        "on_sale_at": moment(-60),
    }
    event = promoter.call("catalog", "create_event", body=("event_fields", fields | {"waiting_room": {"enabled": False}}))
    tier = promoter.call("catalog", "create_tier", event.id, body=("tier_fields", {"name": "Floor", "price_cents": 4500, "capacity": 10}))
    assert promoter.call("catalog", "publish_event", event.id).name == "Harbor Nights"

    order = {"event_id": event.id, "items": [{"tier_id": tier.id, "quantity": 1}]}
    pending = buyer.call("orders", "create_order", body=("order_body", order), idempotency_key="k1")
    assert pending.order.total_price_cents == 4500
    confirmed = buyer.call("orders", "confirm_order", pending.order.id, body=("pay_body", {"simulate": "success"}))
    (ticket,) = confirmed.tickets

    scanned = promoter.call("checkin", "check_in", body=("check_in_body", {"code": ticket.code, "event_id": event.id, "gate": "North"}))
    assert (scanned.ticket.id, scanned.repeated) == (ticket.id, False)
    invariants.check(time.now)
