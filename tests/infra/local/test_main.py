"""`make run` as a process: what it serves, what survives, and what it prints when something is wrong."""

import re
import resource
import signal
import socket
import stat
from email import message_from_bytes, policy
from urllib.error import HTTPError, URLError

import pytest

from devtools.beacon import FakeBeacon
from infra import web
from tests.infra.conftest import DIRECT, LocalRun, find_port

pytestmark = pytest.mark.slow

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
    assert "Your data is saved" in run.output

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


def test_the_printed_logins_work_and_mails_arrive(start, tmp_path):
    web.build()
    run = start(tmp_path / "data").wait_for("Ctrl-C stops it")
    for name, roles in {"admin": ["admin", "user"], "promoter": ["promoter", "user"], "user": ["user"]}.items():
        login = {key: run.demo[name][key] for key in ("email", "password")}
        status, tokens = run.request("POST", "/auth/login", login)
        assert (status, tokens["user"]["id"], tokens["user"]["roles"]) == (200, f"demo-{name}", roles)
    assert run.request("POST", "/auth/register", {"email": "ada@example.com", "password": "seven grey owls"})[0] == 201
    run.wait_for("Mail to ada@example.com")
    [file] = (run.data / "mail").glob("*.eml")
    text = message_from_bytes(file.read_bytes(), policy=policy.default).get_body(("plain",)).get_content()
    link, token = re.search(r"(http://127.0.0.1:\d+/verify-email)#token=(\S+)", text).groups()
    with DIRECT.open(link, timeout=60) as page:
        assert page.status == 200
    assert run.request("POST", "/auth/email/verify", {"token": token, "password": "seven grey owls"})[0] == 200
    drop = {"name": "Drop", "starts_at": "2040-06-02T20:00:00Z", "on_sale_at": "2040-06-01T20:00:00Z", "status": "scheduled"}
    drop |= {"venue": "Hall", "waiting_room": {"randomness": "key_and_beacon"}}
    status, event = run.request("POST", "/admin/events", drop, Authorization=f"Bearer {run.demo['admin']['token']}")
    assert status == 201, event
    proof = run.request("GET", f"/events/{event['id']}/waiting-room/proof")[1]
    with FakeBeacon() as beacon:
        assert proof["beacon"]["chain"] == beacon.hash  # not drand's, which a local run does not reach
    assert run.ctrl_c() == 0


def test_demo_json_is_written_before_the_first_answer(start, tmp_path):
    port = find_port()
    run = start(tmp_path / "data", PORT=str(port))
    while True:
        try:
            with DIRECT.open(f"http://127.0.0.1:{port}/api/v1/health", timeout=60) as answer:
                assert answer.status == 200
            break
        except URLError:  # it does not listen yet
            assert run.process.poll() is None
    assert run.demo["web_url"] == f"http://127.0.0.1:{port}/"
    run.end()  # while it may still be starting
    assert run.process.returncode == 0


def test_half_a_request_does_not_keep_a_run_from_ending(start, tmp_path):
    run = start(tmp_path / "data").wait_for("Ctrl-C stops it")
    port = int(run.demo["web_url"].rstrip("/").rpartition(":")[2])
    halves = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    for number, connection in enumerate(halves):
        connection.sendall((b"GET / HT", b"POST /api/v1/checkout/confirm HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")[number % 2])
    assert run.request("GET", "/events")[0] == 200
    assert run.ctrl_c() == 0
    assert "Your data is saved" in run.output
    assert "Traceback" not in run.output
    for connection in halves:
        connection.close()


def test_a_damaged_store_is_reported_and_left_as_it_is(start, tmp_path):
    data = tmp_path / "data"
    run = start(data).wait_for("Ctrl-C stops it")
    buy(run, "ada")
    run.ctrl_c()
    file = next((data / "store").glob("journal-*"))
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
    web.build()
    data = tmp_path / "data"
    run = start(data, FAIRGATE_HOLD_SECONDS="7").wait_for("Ctrl-C stops it")
    assert run.request("POST", f"/events/{EVENT}/reservations", {"tier_id": TIER, "quantity": 1})[1]["expires_in_seconds"] == 7
    for path in ("", "missing", "..%2fapp.py", "%2e%2e/app.py"):
        with DIRECT.open(run.demo["web_url"] + path, timeout=60) as page:
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            assert b"Fairgate</title>" in page.read()
    for path in ("missing.txt", "index.html%00"):
        with pytest.raises(HTTPError, match="404"):
            DIRECT.open(run.demo["web_url"] + path, timeout=60)

    other = start(data)
    assert other.wait() == 1
    assert "Another `make run` is using" in other.output
    taken = run.demo["web_url"].rstrip("/").rpartition(":")[2]
    late = start(tmp_path / "other", PORT=taken)
    assert late.wait() == 1
    assert f"Port {taken} is in use" in late.output
    assert not (tmp_path / "other").exists()

    assert run.ctrl_c() == 0
    secrets = (data / "secrets.json").read_bytes()
    fresh = start(data, RESET="1").wait_for("Ctrl-C stops it")
    assert "Applied the catalog" in fresh.output
    assert (data / "secrets.json").read_bytes() != secrets
    assert fresh.request("GET", f"/events/{EVENT}/reservations")[0] == 404


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"PORT": "web"}, "PORT must be a number"),
        ({"PORT": "65536"}, "PORT must be a number"),
        ({"STRIPE_API_KEY": "sk_live_of_the_user"}, "a live key takes real money; stage local needs a test key"),
        ({"RESET": "yes"}, "RESET must be 1"),
        ({"FAIRGATE_HOLD_SECONDS": "soon"}, "FAIRGATE_HOLD_SECONDS"),
        ({"FAIRGATE_STAGE": "prod", "FAIRGATE_IDENTITY": "demo"}, "FAIRGATE_IDENTITY: must be jwt in stage prod"),
        ({"FAIRGATE_HOLD_SECOND": "9"}, "FAIRGATE_HOLD_SECOND is not a setting; the nearest name is FAIRGATE_HOLD_SECONDS"),
        ({"FAIRGATE_JWT_SECRET": "short"}, "FAIRGATE_JWT_SECRET"),
        ({"FAIRGATE_TICKET_KEYS": "k1:short"}, "FAIRGATE_TICKET_KEYS: the secret of key 1 must have 32 characters or more"),
        ({"STRIPE_API_KEY": "pk_test_of_the_user"}, "FAIRGATE_STRIPE_API_KEY: must begin with sk_test_ or "),
        ({"FAIRGATE_STRIPE_PUBLISHABLE_KEY": "sk_test_secret"}, "FAIRGATE_STRIPE_PUBLISHABLE_KEY: must be "),
        ({"FAIRGATE_STORE_ENDPOINT": "http://127.0.0.1:1"}, "starts its own store"),
        ({"FAIRGATE_STRIPE_API_BASE": "http://127.0.0.1:1"}, "FAIRGATE_STRIPE_API_KEY"),
    ],
)
def test_a_wrong_environment_is_one_clear_message(start, tmp_path, environment, message):
    run = start(tmp_path / "data", **environment)
    assert run.wait() == 2
    assert message in run.output
    assert "Traceback" not in run.output
    assert list(tmp_path.iterdir()) == []


def test_a_refused_run_deletes_nothing(start, tmp_path):
    data = tmp_path / "data"
    start(data).wait_for("Ctrl-C stops it").ctrl_c()
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    assert start(data, RESET="1", FAIRGATE_HOLD_SECONDS="soon").wait() == 2
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("reset", ["", "1"])
def test_a_folder_with_other_files_is_not_touched(start, tmp_path, reset):
    (tmp_path / "thesis.txt").write_text("years of work")
    run = start(tmp_path, RESET=reset)
    assert run.wait() == 1
    assert "contains other files" in run.output
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_second_signal_stops_at_once_and_loses_nothing(start, tmp_path):
    data = tmp_path / "data"
    run = start(data).wait_for("Ctrl-C stops it")
    ada = buy(run, "ada")
    run.process.send_signal(signal.SIGINT)
    run.process.send_signal(signal.SIGINT)
    assert run.wait() in (0, 130)
    assert order_of(start(data).wait_for("Ctrl-C stops it"), "ada") == ada


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits the files of a process that runs")
def test_a_full_disk_is_reported_and_the_run_still_ends_cleanly(start, tmp_path):
    run = start(tmp_path / "data").wait_for("Ctrl-C stops it")
    ada = buy(run, "ada")
    assert run.request("GET", "/health")[1]["status"] == "ok"
    resource.prlimit(run.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    refused = [run.request("POST", f"/events/{EVENT}/reservations", {"tier_id": TIER, "quantity": 1}, X_User_Id=f"u{n}") for n in range(40)]
    assert {status for status, _ in refused} == {503}, "more requests than threads, and all get the same answer"
    run.wait_for("The shop cannot sell anything now. The store cannot write its journal")
    assert "Free some disk space, then start again." in run.output
    status, health = run.request("GET", "/health")
    assert (status, health["error"]) == (503, "store_failed")
    assert "Free some disk space, then start again." in health["message"]
    assert run.ctrl_c() == 0
    assert "Your data is saved" in run.output
    assert "Traceback" not in run.output
    assert order_of(start(tmp_path / "data").wait_for("Ctrl-C stops it"), "ada") == ada


def test_a_start_on_a_full_disk_is_one_clear_message(start, tmp_path):
    """At each place where it can be noticed first."""
    start(tmp_path / "data").wait_for("Ctrl-C stops it").ctrl_c()
    sizes = sorted({path.stat().st_size for path in (tmp_path / "data").rglob("*") if path.is_file()})
    for number, size in enumerate([100, 5_000, 40_000, sizes[-1] // 2]):
        run = start(tmp_path / f"data-{number}", limited_to=size)
        assert run.wait() == 1
        assert "Free some" in run.output
        assert "Traceback" not in run.output


def test_a_run_reads_the_file_env(start, tmp_path):
    (tmp_path / "variables").write_text("FAIRGATE_HOLD_SECONDS=41\nPORT=no number, but the environment is preferred\n")
    run = start(tmp_path / "data", ENV_FILE=str(tmp_path / "variables")).wait_for("Ctrl-C stops it")
    reserved = run.request("POST", f"/events/{EVENT}/reservations", {"tier_id": TIER, "quantity": 1})[1]
    assert reserved["expires_in_seconds"] == 41
