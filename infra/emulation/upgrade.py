"""`make emulate FROM=revision`: an earlier revision deploys a stage and sells there, and this version takes the stage over.

The earlier revision is built and deployed by its own code, from the history of this clone, with the packages that are installed here.
"""

import io
import subprocess
import sys
import zipfile
from pathlib import Path
from time import time
from typing import Any

from msgspec import Struct

from chalicelib.foundation import clock
from infra import package
from infra.emulation.aws import EmulatedAws, EmulationFailed
from infra.emulation.deployed import DeployedStack
from infra.emulation.operations import call, make_admin
from infra.template.stages import ROOT

HOLD_SECONDS = 3600  # so that a hold outlives the deployment on the slowest machine
CAPACITY = 10
# Types of resources that have to stay; MiniStack replaces the API, which AWS updates.
KEPT = (
    "AWS::DynamoDB::Table",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Function",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
)
# Logical ids of resources that this version gives up or replaces on purpose, each with the reason.
GIVEN_UP: dict[str, str] = {}
# Runs in the tree of the earlier revision. Its pages are not built: nothing requests them before they are replaced.
_BUILD = """
import sys
from pathlib import Path
from infra import chalice_package, deployment_zip

stage, architecture, target = sys.argv[1], sys.argv[2], Path(sys.argv[3])
chalice_package.write(stage, architecture, target)
deployment_zip.prepare(target / "deployment.zip")
(target / "web").mkdir()
(target / "web" / "index.html").write_text("the pages of an earlier version")
"""


class Purchase(Struct, frozen=True):
    """A guest's purchase; `codes` are the codes of its tickets."""

    token: str
    id: str
    codes: list[str] = []


class SoldStage(Struct, frozen=True):
    """What an earlier version left: three orders, a reservation, an open checkout, and the names of its resources by logical id."""

    resources: dict[str, str]
    admin: str
    event_id: str
    orders: list[Purchase]
    held: Purchase
    checkout: Purchase


def find_revision(revision: str) -> str:
    """Return the commit that a name means. Raises EmulationFailed if this clone lacks it."""
    command = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode:
        raise EmulationFailed(
            f"this clone has no revision {revision}. If the clone is shallow, fetch the history (git fetch --unshallow) and try again"
        )
    return found.stdout.strip()


def build(revision: str, stage: str, tree: Path) -> Path:
    """Write the files of a revision into the new folder `tree`, and build its package. Returns the package's folder."""
    files = subprocess.run(["git", "archive", "--format=zip", find_revision(revision)], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    zipfile.ZipFile(io.BytesIO(files.stdout)).extractall(tree)
    target = tree / ".build" / stage
    command = [sys.executable, "-c", _BUILD, stage, package.own_architecture(), str(target)]
    if subprocess.run(command, cwd=tree, check=False).returncode:
        raise EmulationFailed(f"the package of {revision} could not be built. The reason is above")
    return target


def sell(aws: EmulatedAws, stage: str, stack: DeployedStack, url: str, tree: Path) -> SoldStage:
    """Sell, refund, reserve and open a checkout on the stage of an earlier revision, whose files are in `tree`."""
    admin = make_admin(aws, stage, url, tree)
    event = {"name": "Night Before", "venue": "Old Hall", "status": "on_sale", "waiting_room": {"enabled": False}}
    event |= {"starts_at": clock.iso(time() + 3600), "on_sale_at": clock.iso(time() - 3600)}
    event_id = call("POST", f"{url}/admin/events", event, admin)["id"]
    call("PATCH", f"{url}/events/{event_id}", {"hold_seconds": HOLD_SECONDS}, admin)
    tier = {"event_id": event_id, "name": "Floor", "price_cents": 5000, "capacity": CAPACITY}
    tier_id = call("POST", f"{url}/admin/tiers", tier, admin)["id"]
    kept, refunded, admitted = (_pay(url, _open_checkout(url, _reserve(url, event_id, tier_id))) for _ in range(3))
    call("POST", f"{url}/admin/orders/{refunded.id}/refunds", {"reason": "event_changed"}, admin)
    _admit(url, event_id, admitted, admin)
    held = _reserve(url, event_id, tier_id)
    checkout = _open_checkout(url, _reserve(url, event_id, tier_id))
    print("the earlier version sold, refunded and admitted, and left a reservation and a checkout open", flush=True)
    return SoldStage(stack.resources(*KEPT), admin, event_id, [kept, refunded, admitted], held, checkout)


def check_takeover(stack: DeployedStack, url: str, sold: SoldStage) -> None:
    """Continue the purchases that the earlier version left. Raises EmulationFailed if anything was lost."""
    now = stack.resources(*KEPT)
    lost = {name: found for name, found in sold.resources.items() if now.get(name) != found and name not in GIVEN_UP}
    _expect("resources that were replaced or removed", lost, {})
    states = [_order(url, purchase)["status"] for purchase in sold.orders]
    _expect("the states of the orders", states, ["paid", "refunded", "paid"])
    kept, _, admitted = sold.orders
    _expect("the tickets of a repeated confirmation", _pay(url, kept).codes, kept.codes)
    _expect(
        "a repeated scan",
        call("POST", f"{url}/checkin", _scan(sold.event_id, admitted), sold.admin, expected=409)["error"],
        "already_admitted",
    )
    paid = [_pay(url, _open_checkout(url, sold.held)), _pay(url, sold.checkout)]
    for purchase in (kept, *paid):
        _admit(url, sold.event_id, purchase, sold.admin)
    call("POST", f"{url}/admin/orders/{paid[0].id}/refunds", {"reason": "event_changed"}, sold.admin)
    sale = call("GET", f"{url}/admin/events/{sold.event_id}/status", token=sold.admin)
    _expect("tickets sold, held and left", [sale[f"total_{name}"] for name in ("sold", "active_holds", "available")], [3, 0, CAPACITY - 3])
    print(f"this version kept {len(sold.resources)} resources, the orders and the holds, and admitted their tickets", flush=True)


def check_figures(url: str, sold: SoldStage) -> None:
    """Check the figures that this version's consumers computed from both versions' changes."""
    figures = call("GET", f"{url}/events/{sold.event_id}/analytics", token=sold.admin)
    _expect("tickets sold and refunded in the reports", [figures["tickets_sold"], figures["refunds"]["tickets"]], [5, 2])


def _reserve(url: str, event_id: str, tier_id: str) -> Purchase:
    token = call("POST", f"{url}/auth/guest")["access_token"]
    return Purchase(token, call("POST", f"{url}/events/{event_id}/reservations", {"tier_id": tier_id, "quantity": 1}, token)["id"])


def _open_checkout(url: str, held: Purchase) -> Purchase:
    call("POST", f"{url}/checkout/sessions", {"reservation_id": held.id, "provider": "simulated"}, held.token)
    return held


def _pay(url: str, checkout: Purchase) -> Purchase:
    confirmed = call("POST", f"{url}/checkout/confirm", {"checkout_id": checkout.id, "simulate": "success"}, checkout.token)
    return Purchase(checkout.token, checkout.id, [ticket["code"] for ticket in confirmed["tickets"]])


def _order(url: str, purchase: Purchase) -> Any:
    [order] = call("GET", f"{url}/orders", token=purchase.token)["orders"]
    return order


def _scan(event_id: str, purchase: Purchase) -> dict[str, str]:
    return {"code": purchase.codes[0], "event_id": event_id}


def _admit(url: str, event_id: str, purchase: Purchase, admin: str) -> None:
    call("POST", f"{url}/checkin", _scan(event_id, purchase), admin)


def _expect(what: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise EmulationFailed(f"after the upgrade, {what}: {found}, not {expected}")
