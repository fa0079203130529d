"""Plain `chalice local`: a purchase through Chalice's own server, and the stores that it uses."""

import json
import sys
from urllib.error import HTTPError
from urllib.request import Request

import pytest

from tests.infra.conftest import DIRECT, LocalRun, find_port

pytestmark = pytest.mark.slow

CHALICE = (sys.executable, "-c", "from chalice.cli import main; main()", "local", "--no-autoreload", "--port")
EVENT, TIER = "summits-v-harbor", "summits-v-harbor-upper"


@pytest.fixture
def start(tmp_path):
    """Start `chalice local` for the stage that Chalice takes by default. Returns the run and the address of its API."""
    runs: list[LocalRun] = []

    def start(**environment: str) -> tuple[LocalRun, str]:
        port = str(find_port())
        runs.append(LocalRun(tmp_path / "data", command=(*CHALICE, port), PYTHONUNBUFFERED="1", **environment))
        return runs[-1], f"http://127.0.0.1:{port}/v1"

    yield start
    for run in runs:
        run.end()


def call(method, url, body=None, **headers):
    data = None if body is None else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    with DIRECT.open(Request(url, data, sent, method=method), timeout=60) as response:
        return json.loads(response.read())


def test_a_purchase_through_chalice_local(start):
    run, api = start()
    run.wait_for("Serving on")
    assert EVENT in {event["id"] for event in call("GET", f"{api}/events")}
    guest = {"Authorization": f"Bearer {call('POST', f'{api}/auth/guest')['access_token']}"}
    reservation = call("POST", f"{api}/events/{EVENT}/reservations", {"tier_id": TIER, "quantity": 2}, **guest)
    call("POST", f"{api}/checkout/sessions", {"reservation_id": reservation["id"]}, Idempotency_Key=reservation["id"], **guest)
    paid = call("POST", f"{api}/checkout/confirm", {"checkout_id": reservation["id"], "simulate": "success"}, **guest)
    tickets = call("GET", f"{api}/me/tickets", **guest)["tickets"]
    assert [ticket["code"] for ticket in tickets] == [ticket["code"] for ticket in paid["tickets"]]
    assert len(tickets) == 2


def test_a_folder_in_use_ends_the_second_run_with_the_reason(start):
    start()[0].wait_for("Serving on")
    second, _ = start()
    assert second.wait() == 1
    assert "choose another folder" in second.output


def test_a_store_that_is_named_is_used(start):
    run, api = start(FAIRGATE_STORE_ENDPOINT="http://127.0.0.1:9")
    run.wait_for("Serving on")
    with pytest.raises(HTTPError, match="503"):
        call("GET", f"{api}/events")
    assert not run.data.exists()
