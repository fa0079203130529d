"""`make run` as a process: what it serves, what survives, and what it prints when something is wrong."""

import re
import shutil
import signal
import socket
import stat
import subprocess
from urllib.error import HTTPError, URLError

import pytest

from tests.infra.conftest import DIRECT, LocalRun
from tests.test_tidy import ROOT

EVENT, TIER = "summits-v-harbor", "summits-v-harbor-upper"


def buy(run: LocalRun, user: str) -> dict:
    reservation = run.request("POST", f"/events/{EVENT}/reservations", {"tier_id": TIER, "quantity": 2}, X_User_Id=user)[1]
    body = {"reservation_id": reservation["id"]}
    run.request("POST", "/checkout/sessions", body, X_User_Id=user, Idempotency_Key=reservation["id"])
    status, paid = run.request("POST", "/checkout/confirm", {"checkout_id": reservation["id"], "simulate": "success"}, X_User_Id=user)
    assert status == 201
    return {"order": paid["order"]["id"], "codes": [ticket["code"] for ticket in paid["tickets"]]}


def order_of(run: LocalRun, user: str) -> dict:
    status, body = run.request("GET", f"/me/order?event_id={EVENT}", X_User_Id=user)
    return {"order": body["order"]["id"], "codes": [ticket["code"] for ticket in body["tickets"]]} if status == 200 else {}


def test_sold_tickets_survive_ctrl_c_kill_and_sigterm(start, tmp_path):
    data = tmp_path / "data"
    run = start(data).wait_for("Ctrl-C stops it")
    logins = run.demo
    assert stat.S_IMODE((data / "demo.json").stat().st_mode) == stat.S_IMODE((data / "secrets.json").stat().st_mode) == 0o600
    admin = f"Bearer {logins['admin']['token']}"
    assert run.request("GET", f"/admin/events/{EVENT}/status", Authorization=admin)[0] == 200
    assert run.request("GET", f"/admin/events/{EVENT}/status", Authorization=f"Bearer {logins['user']['token']}")[0] == 403
    ada = buy(run, "ada")
    assert run.ctrl_c() == 0
    assert "The data is saved" in run.output

    run = start(data).wait_for("Ctrl-C stops it")
    assert "Applied" not in run.output
    assert run.demo["admin"]["password"] == logins["admin"]["password"]
    assert order_of(run, "ada") == ada
    assert run.request("GET", f"/admin/events/{EVENT}/status", Authorization=admin)[1]["total_sold"] == 2
    bob = buy(run, "bob")
    run.process.kill()  # a power cut, as far as the store can tell
    run.wait()

    run = start(data).wait_for("Ctrl-C stops it")
    assert (order_of(run, "ada"), order_of(run, "bob")) == (ada, bob)
    run.process.send_signal(signal.SIGTERM)
    assert run.wait() == 0
    assert order_of(start(data).wait_for("Ctrl-C stops it"), "bob") == bob


def test_demo_json_is_written_before_the_first_answer(start, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    run = start(tmp_path / "data", PORT=str(port))
    while True:
        try:
            with DIRECT.open(f"http://127.0.0.1:{port}/", timeout=10) as page:
                assert page.status == 200
            break
        except URLError:  # it does not listen yet
            assert run.process.poll() is None
    assert run.demo["web_url"] == f"http://127.0.0.1:{port}/"


def test_clients_that_have_sent_half_a_request_do_not_keep_a_run_from_ending(start, tmp_path):
    run = start(tmp_path / "data").wait_for("Ctrl-C stops it")
    port = int(run.demo["web_url"].rstrip("/").rpartition(":")[2])
    halves = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    for number, connection in enumerate(halves):
        connection.sendall((b"GET / HT", b"POST /api/v1/checkout/confirm HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")[number % 2])
    assert run.request("GET", "/events")[0] == 200
    assert run.ctrl_c() == 0
    assert "The data is saved" in run.output
    assert "Traceback" not in run.output
    for connection in halves:
        connection.close()


def test_a_damaged_store_is_reported_and_left_as_it_is(start, tmp_path):
    data = tmp_path / "data"
    run = start(data).wait_for("Ctrl-C stops it")
    buy(run, "ada")
    run.ctrl_c()
    file = data / "store" / "store.sqlite"
    whole = file.read_bytes()
    damaged = whole[: len(whole) // 2] + bytes(byte ^ 0xFF for byte in whole[len(whole) // 2 :])
    file.write_bytes(damaged)
    run = start(data)
    assert run.wait() == 1
    assert "damaged" in run.output or "lost" in run.output or "not what they were" in run.output
    assert "RESET=1" in run.output
    assert "Traceback" not in run.output
    assert file.read_bytes() == damaged


def test_other_processes_reach_the_store_on_loopback(start, tmp_path):
    import boto3

    run = start(tmp_path / "data").wait_for("Ctrl-C stops it")
    assert run.demo["store_url"].startswith("http://127.0.0.1:")
    client = boto3.client("dynamodb", endpoint_url=run.demo["store_url"], region_name="us-east-1")
    assert "fairgate-local-purchases" in client.list_tables()["TableNames"]


def test_a_run_serves_pages_and_reports_what_prevents_its_start(start, tmp_path):
    data = tmp_path / "data"
    run = start(data, FAIRGATE_HOLD_SECONDS="7", FAIRGATE_HOLD_SECOND="9").wait_for("Ctrl-C stops it")
    assert "FAIRGATE_HOLD_SECOND is not a setting" in run.output
    assert run.request("POST", f"/events/{EVENT}/reservations", {"tier_id": TIER, "quantity": 1})[1]["expires_in_seconds"] == 7
    with DIRECT.open(run.demo["web_url"], timeout=10) as page:
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert b"Fairgate" in page.read()
    for path in ("missing", "..%2fapp.py", "%2e%2e/app.py", "index.html%00"):
        with pytest.raises(HTTPError, match="404"):
            DIRECT.open(run.demo["web_url"] + path, timeout=10)

    other = start(data)
    assert other.wait() == 1
    assert "Another `make run` is using" in other.output
    taken = run.demo["web_url"].rstrip("/").rpartition(":")[2]
    late = start(tmp_path / "other", PORT=taken)
    assert late.wait() == 1
    assert f"Port {taken} is in use" in late.output

    assert run.ctrl_c() == 0
    secrets = (data / "secrets.json").read_bytes()
    fresh = start(data, RESET="1").wait_for("Ctrl-C stops it")
    assert "Applied the catalog" in fresh.output
    assert (data / "secrets.json").read_bytes() != secrets
    assert fresh.request("GET", f"/events/{EVENT}/reservations")[0] == 404


@pytest.mark.skipif(not shutil.which("curl"), reason="the README uses curl")
def test_the_purchase_in_the_readme_works_when_it_is_pasted(start, tmp_path):
    run = start(tmp_path / "data").wait_for("Ctrl-C stops it")
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    script = "set -euo pipefail\n" + "".join(block for block in blocks if "$API" in block)
    script = script.replace("http://127.0.0.1:8000", run.demo["web_url"].rstrip("/")).replace(".data/", f"{run.data}/")
    result = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "error" not in result.stdout
    assert '"count":2' in result.stdout
    assert '"paused":true' in result.stdout
    assert '"total_sold":2' in result.stdout
    assert (tmp_path / "ticket.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"PORT": "web"}, "PORT must be a number"),
        ({"PORT": "65536"}, "PORT must be a number"),
        ({"STRIPE_API_KEY": "sk_live_of_the_user"}, "a live key takes real money; stage local needs a test key"),
        ({"RESET": "yes"}, "RESET must be 1"),
        ({"FAIRGATE_HOLD_SECONDS": "soon"}, "FAIRGATE_HOLD_SECONDS"),
        ({"FAIRGATE_STAGE": "prod", "FAIRGATE_IDENTITY": "demo"}, "FAIRGATE_IDENTITY: must be jwt in stage prod"),
        ({"FAIRGATE_JWT_SECRET": "short"}, "FAIRGATE_JWT_SECRET"),
        ({"FAIRGATE_STORE_ENDPOINT": "http://127.0.0.1:1"}, "starts its own store"),
        ({"FAIRGATE_STRIPE_API_BASE": "http://127.0.0.1:1"}, "FAIRGATE_STRIPE_API_KEY"),
    ],
)
def test_a_wrong_environment_is_one_clear_message(start, tmp_path, environment, message):
    run = start(tmp_path / "data", **environment)
    assert run.wait() == 1
    assert message in run.output
    assert "Traceback" not in run.output


@pytest.mark.parametrize("reset", ["", "1"])
def test_a_folder_with_other_files_is_not_touched(start, tmp_path, reset):
    (tmp_path / "thesis.txt").write_text("years of work")
    run = start(tmp_path, RESET=reset)
    assert run.wait() == 1
    assert "has files of something else" in run.output
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_second_signal_stops_at_once_and_loses_nothing(start, tmp_path):
    data = tmp_path / "data"
    run = start(data).wait_for("Ctrl-C stops it")
    ada = buy(run, "ada")
    run.process.send_signal(signal.SIGINT)
    run.process.send_signal(signal.SIGINT)
    assert run.wait() in (0, 130)
    assert order_of(start(data).wait_for("Ctrl-C stops it"), "ada") == ada
