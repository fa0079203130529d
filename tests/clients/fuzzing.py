"""Schemathesis at a local run where the caller owns one thing of each kind, so that made-up requests get past the first 404.

`python -m tests.clients.fuzzing 1800` takes half an hour for it, as each of CALLERS in turn, with other requests in every run. The names of
callers may follow.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from uuid import uuid4

from chalicelib.edge import cursors
from chalicelib.foundation import clock
from tests.clients.fuzzing_hooks import VALUES_FILE
from tests.infra.conftest import LocalRun
from tests.repository import ROOT

EVENT_ROLES = ("coordinator", "accountant", "cashier", "staff")
CALLERS = ("admin", "promoter", *EVENT_ROLES, "user", "guest", "nobody")
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,documented"
COUNTER = {"id": "counter", "reason": "box_office", "quantity": 50}
WITH_WAITING_ROOM = "rivalry-cup-final"  # of the demo


class Requests:
    """Sends the requests of the bearer of a token to a local run, and expects them to succeed."""

    def __init__(self, run: LocalRun, token: str) -> None:
        self._run, self._authorization = run, {"Authorization": f"Bearer {token}"} if token else {}

    def send(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        status, reply = self._run.request(method, path, body, **self._authorization, Idempotency_Key=uuid4().hex)
        assert status in (200, 201), reply
        return reply

    def create_event(self, *, publish: bool, **fields: Any) -> tuple[str, str]:
        """The ids of a new event, whose doors are open, and of its tier."""
        body = {"name": "Fuzz", "venue": "Hall", "starts_at": clock.iso(clock.now() + 3600), "waiting_room": {"enabled": False}, **fields}
        event = self.send("POST", "/events", body)["id"]
        floor = {"name": "Floor", "price_cents": 100, "capacity": 500, "holdbacks": [COUNTER]}
        tier = self.send("POST", f"/events/{event}/tiers", floor)["id"]
        if publish:
            self.send("POST", f"/events/{event}/publish")
        return event, tier

    def sell(self, event: str, tier: str) -> str:
        """The id of an order of the box office."""
        sale = {"id": uuid4().hex, "tier_id": tier, "holdback_id": COUNTER["id"], "quantity": 1, "price_cents": 100, "method": "cash"}
        return str(self.send("POST", f"/events/{event}/box-office-orders", sale)["order_id"])

    def set_aside(self, event: str, tier: str) -> str:
        """The id of a quota of the box office."""
        quota = {"id": uuid4().hex, "tier_id": tier, "holdback_id": COUNTER["id"], "quantity": 2}
        return str(self.send("POST", f"/events/{event}/box-office-quotas", quota)["id"])

    def order(self, event: str, tier: str) -> str:
        """The id of an order of two tickets that is not paid."""
        return str(self.send("POST", "/orders", {"event_id": event, "items": [{"tier_id": tier, "quantity": 2}]})["order"]["id"])

    def pay(self, order: str) -> list[dict[str, Any]]:
        """The tickets of an order."""
        return list(self.send("POST", f"/orders/{order}/confirm", {"simulate": "success"})["tickets"])


def create_values(run: LocalRun, caller: str) -> tuple[str, dict[str, list[str]]]:
    """Return the caller's access token, empty for nobody, and one thing of each kind that the caller owns: kind -> ids and similar values.

    A coordinator and a member of staff are the demo user with that role at the events. An anonymous caller gets what the demo user owns.
    """
    promoter = Requests(run, run.demo["promoter"]["token"])
    with_pool, without, spare = (promoter.create_event(publish=True, **fields) for fields in ({"capacity": 400}, {}, {}))
    draft, _ = promoter.create_event(publish=False)
    as_before = {"locked": False, "roles": ["user"]}  # made-up requests of an admin may have changed the demo user
    Requests(run, run.demo["admin"]["token"]).send("PATCH", "/admin/users/demo-user", as_before)
    role = caller if caller in EVENT_ROLES else "staff"
    user = {name: run.demo["user"][name] for name in ("email", "password")}
    invited = user["email"] if caller in EVENT_ROLES else f"{caller}@fuzz.example"
    members = [promoter.send("POST", f"/events/{event}/members", {"email": invited, "role": role}) for event in (without[0], with_pool[0])]
    anonymous = Requests(run, "")
    if caller in EVENT_ROLES:
        token = anonymous.send("POST", "/auth/login", user)["access_token"]  # the roles at events are in this token
    elif caller == "guest":
        token = anonymous.send("POST", "/auth/guest")["access_token"]
    else:
        token = run.demo["user" if caller == "nobody" else caller]["token"]
    buyer = Requests(run, token)
    orders = [buyer.order(*with_pool), buyer.order(*without)]
    tickets = [ticket for order in orders for ticket in buyer.pay(order)]
    orders.append(buyer.order(*without))
    refund = promoter.send("POST", f"/admin/orders/{orders[0]}/refunds", {"reason": "goodwill", "tickets": [tickets[0]["id"]]})
    transfer = buyer.send("POST", f"/tickets/{tickets[1]['id']}/transfer")
    place = buyer.send("POST", f"/events/{WITH_WAITING_ROOM}/waiting-room/join")
    guest = buyer.send("POST", "/auth/guest")
    positions = ('["x"]', '[1,"x"]', f'[{2**63},"x"]', f'["{tickets[0]["created_at"]}","x"]', orders[0], f"{without[0]}#{orders[0]}", "x")
    return "" if caller == "nobody" else token, {
        "events": [with_pool[0], without[0], draft, WITH_WAITING_ROOM],
        "waiting": [WITH_WAITING_ROOM],
        "spare": list(spare),
        "tiers": [with_pool[1], without[1]],
        "orders": orders,
        "sales": [promoter.sell(*with_pool), promoter.sell(*without)],
        "holdbacks": [COUNTER["id"]],
        "quotas": [promoter.set_aside(*without)],
        "tickets": [ticket["id"] for ticket in tickets],
        "codes": [ticket["code"] for ticket in tickets],
        "refunds": [refund["refund"]["id"]],
        "findings": ["amounts_differ"],
        "promoters": ["demo-promoter", "demo-admin"],
        "members": [member["id"] for member in members],
        "users": ["demo-admin", "demo-user"],  # a promoter who was locked could own nothing in later runs
        "secrets": [transfer["token"], place["token"], guest["refresh_token"]],
        "cursors": [cursors.encode(position) for position in positions],
        "past": [clock.iso(clock.now() - 86_400)],
        "soon": [clock.iso(clock.now() + 1800)],
        "later": [clock.iso(clock.now() + 7200)],
        "currencies": ["USD"],
        "timezones": ["Europe/Berlin"],
        "subjects": [f"event#{with_pool[0]}", f"order#{orders[0]}"],
    }


def run_schemathesis(run: LocalRun, caller: str, folder: Path, *options: str, configuration: str = "") -> subprocess.CompletedProcess[str]:
    """Call the operations of the document as one caller. `folder` is for its files, `configuration` is added to its TOML."""
    always = 'hooks = "tests.clients.fuzzing_hooks"\n[auth]\nauto-signup = false\n'  # nobody stays nobody
    (folder / "schemathesis.toml").write_text(always + configuration)
    token, values = create_values(run, caller)
    (folder / "values.json").write_text(json.dumps(values))
    program = str(Path(sys.executable).with_name("schemathesis"))
    command = [program, "run", f"{run.demo['base_url']}/openapi.json", "--no-color", "--warnings=off", f"--checks={CHECKS}", *options]
    command += ["--generation-database=none", "--no-shrink", "--continue-on-failure"]
    # Most texts made from the pattern of addresses are not addresses, and no run may fail because the machine is busy.
    command += ["--suppress-health-check=filter_too_much,too_slow"]
    command += [f"--header=Authorization: Bearer {token}"] if token else []
    environment = {**os.environ, "PYTHONPATH": str(ROOT), VALUES_FILE: str(folder / "values.json")}
    return subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def start_run(folder: Path) -> LocalRun:
    """A local run with its data in a new folder `data`. Rate limits are off: they would answer most requests."""
    return LocalRun(folder / "data", FAIRGATE_RATE_LIMITS="off").wait_for("Ctrl-C stops it")


def main() -> int:
    """Print what schemathesis says, a failure with a curl command and the seed. Returns 1 after failures."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 1800
    codes, callers = [], sys.argv[2:] or CALLERS
    for caller in callers:  # each in a shop of its own: an admin may have locked the promoter
        with tempfile.TemporaryDirectory() as name:
            run = start_run(Path(name))
            try:
                finished = run_schemathesis(run, caller, Path(name), f"--max-time={seconds // len(callers)}")
            finally:
                run.ctrl_c()
        sys.stdout.write(f"As {caller}:\n{finished.stdout}\n")
        codes.append(finished.returncode)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
