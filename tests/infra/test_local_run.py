"""`make run` as a process: what it serves, what survives, and what it says when something is wrong."""

import re
import shutil
import signal
import stat
import subprocess
from urllib.error import HTTPError

import pytest

from tests.infra.conftest import DIRECT, Run
from tests.test_tidy import ROOT

EVENT, TIER = "summits-v-harbor", "summits-v-harbor-upper"


def buy(run: Run, user: str) -> dict:
    made = run.ask("POST", f"/events/{EVENT}/reservations", {"tier_id": TIER, "quantity": 2}, X_User_Id=user)[1]
    run.ask("POST", "/checkout/sessions", {"reservation_id": made["id"]}, X_User_Id=user, Idempotency_Key=made["id"])
    status, paid = run.ask("POST", "/checkout/confirm", {"checkout_id": made["id"], "simulate": "success"}, X_User_Id=user)
    assert status == 201
    return {"order": paid["order"]["id"], "codes": [ticket["code"] for ticket in paid["tickets"]]}


def bought(run: Run, user: str) -> dict:
    status, found = run.ask("GET", f"/me/order?event_id={EVENT}", X_User_Id=user)
    return {"order": found["order"]["id"], "codes": [ticket["code"] for ticket in found["tickets"]]} if status == 200 else {}


def test_what_was_sold_survives_every_end(start, tmp_path):
    data = tmp_path / "data"
    run = start(data).until("Ctrl-C stops it")
    logins = run.demo
    assert stat.S_IMODE((data / "demo.json").stat().st_mode) == stat.S_IMODE((data / "secrets.json").stat().st_mode) == 0o600
    admin = f"Bearer {logins['admin']['token']}"
    assert run.ask("GET", f"/admin/events/{EVENT}/status", Authorization=admin)[0] == 200
    assert run.ask("GET", f"/admin/events/{EVENT}/status", Authorization=f"Bearer {logins['user']['token']}")[0] == 403
    ada = buy(run, "ada")
    assert run.ctrl_c() == 0
    assert "The data is saved" in run.said

    run = start(data).until("Ctrl-C stops it")
    assert "Applied" not in run.said
    assert run.demo["admin"]["password"] == logins["admin"]["password"]
    assert bought(run, "ada") == ada
    assert run.ask("GET", f"/admin/events/{EVENT}/status", Authorization=admin)[1]["total_sold"] == 2
    bob = buy(run, "bob")
    run.process.kill()  # a power cut, as far as the store can tell
    run.end()

    run = start(data).until("Ctrl-C stops it")
    assert (bought(run, "ada"), bought(run, "bob")) == (ada, bob)
    run.process.send_signal(signal.SIGTERM)
    assert run.end() == 0
    assert bought(start(data).until("Ctrl-C stops it"), "bob") == bob


def test_a_damaged_store_is_told_and_left_as_it_is(start, tmp_path):
    data = tmp_path / "data"
    run = start(data).until("Ctrl-C stops it")
    buy(run, "ada")
    run.ctrl_c()
    file = data / "store" / "store.sqlite"
    whole = file.read_bytes()
    damaged = whole[: len(whole) // 2] + bytes(byte ^ 0xFF for byte in whole[len(whole) // 2 :])
    file.write_bytes(damaged)
    run = start(data)
    assert run.end() == 1
    assert "damaged" in run.said or "lost" in run.said or "not what they were" in run.said
    assert "RESET=1" in run.said
    assert "Traceback" not in run.said
    assert file.read_bytes() == damaged


def test_other_processes_reach_the_store_on_loopback(start, tmp_path):
    import boto3

    run = start(tmp_path / "data").until("Ctrl-C stops it")
    assert run.demo["store_url"].startswith("http://127.0.0.1:")
    client = boto3.client("dynamodb", endpoint_url=run.demo["store_url"], region_name="us-east-1")
    assert "fairgate-local-purchases" in client.list_tables()["TableNames"]


def test_a_run_serves_pages_and_says_what_stands_in_its_way(start, tmp_path):
    data = tmp_path / "data"
    run = start(data, FAIRGATE_HOLD_SECONDS="7", FAIRGATE_HOLD_SECOND="9").until("Ctrl-C stops it")
    assert "FAIRGATE_HOLD_SECOND is not a setting" in run.said
    assert run.ask("POST", f"/events/{EVENT}/reservations", {"tier_id": TIER, "quantity": 1})[1]["expires_in_seconds"] == 7
    with DIRECT.open(run.demo["web_url"], timeout=10) as page:
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert b"Fairgate" in page.read()
    for path in ("missing", "..%2fapp.py", "%2e%2e/app.py", "index.html%00"):
        with pytest.raises(HTTPError, match="404"):
            DIRECT.open(run.demo["web_url"] + path, timeout=10)

    other = start(data)
    assert other.end() == 1
    assert "Another `make run` is using" in other.said
    taken = run.demo["web_url"].rstrip("/").rpartition(":")[2]
    late = start(tmp_path / "other", PORT=taken)
    assert late.end() == 1
    assert f"Port {taken} is in use" in late.said

    assert run.ctrl_c() == 0
    kept = (data / "secrets.json").read_bytes()
    fresh = start(data, RESET="1").until("Ctrl-C stops it")
    assert "Applied the catalog" in fresh.said
    assert (data / "secrets.json").read_bytes() != kept
    assert fresh.ask("GET", f"/events/{EVENT}/reservations")[0] == 404


@pytest.mark.skipif(not shutil.which("curl"), reason="the README uses curl")
def test_the_purchase_of_the_readme_works_as_it_is_pasted(start, tmp_path):
    run = start(tmp_path / "data").until("Ctrl-C stops it")
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    script = "set -euo pipefail\n" + "".join(block for block in blocks if "$API" in block)
    script = script.replace("http://127.0.0.1:8000", run.demo["web_url"].rstrip("/")).replace(".data/", f"{run.data}/")
    answer = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert answer.returncode == 0, answer.stderr
    assert "error" not in answer.stdout
    assert '"count":2' in answer.stdout
    assert '"paused":true' in answer.stdout
    assert '"total_sold":2' in answer.stdout
    assert (tmp_path / "ticket.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"PORT": "web"}, "PORT must be a number"),
        ({"PORT": "65536"}, "PORT must be a number"),
        ({"STRIPE_API_KEY": "sk_live_of_the_user"}, "A live key does not belong to stage local"),
        ({"RESET": "yes"}, "RESET must be 1"),
        ({"FAIRGATE_HOLD_SECONDS": "soon"}, "FAIRGATE_HOLD_SECONDS"),
        ({"FAIRGATE_JWT_SECRET": "short"}, "FAIRGATE_JWT_SECRET"),
        ({"FAIRGATE_STORE_ENDPOINT": "http://127.0.0.1:1"}, "starts its own store"),
        ({"FAIRGATE_STRIPE_API_BASE": "http://127.0.0.1:1"}, "FAIRGATE_STRIPE_API_KEY"),
    ],
)
def test_a_wrong_environment_is_one_clear_line(start, tmp_path, environment, says):
    run = start(tmp_path / "data", **environment)
    assert run.end() == 1
    assert says in run.said
    assert "Traceback" not in run.said


@pytest.mark.parametrize("reset", ["", "1"])
def test_a_folder_of_somebody_else_is_left_alone(start, tmp_path, reset):
    (tmp_path / "thesis.txt").write_text("years of work")
    run = start(tmp_path, RESET=reset)
    assert run.end() == 1
    assert "holds something else" in run.said
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_second_signal_ends_at_once_and_loses_nothing(start, tmp_path):
    data = tmp_path / "data"
    run = start(data).until("Ctrl-C stops it")
    ada = buy(run, "ada")
    run.process.send_signal(signal.SIGINT)
    run.process.send_signal(signal.SIGINT)
    assert run.end() in (0, 130)
    assert bought(start(data).until("Ctrl-C stops it"), "ada") == ada
