"""A stage with something of everything that is stored, and what it answers: `save_stage.py` saves one, `test_saved_stages.py` loads it.

The names of what its stack is made of are saved too, for `test_template.py`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from chalicelib.foundation import clock, settings
from chalicelib.purchases import queries
from chalicelib.reconciliation import jobs
from chalicelib.tickets.store import scan_tickets
from infra.deploy.account import secret_name
from infra.template.stages import deployed_stages
from tests import builders
from tests.accounts.conftest import sign_up
from tests.bootstrap.conftest import ticket
from tests.client import Client
from tests.stripe_shop import open_shop

FOLDER = Path(__file__).parent / "saved_stages"
REPLIES = "replies.json.gz"  # beside the files of the backup
NAMES = "names.json"  # likewise
# Type of a resource that must stay -> the properties whose change replaces the resource or loses data.
IDENTITY = {
    "AWS::DynamoDB::Table": ("TableName", "KeySchema", "StreamSpecification"),
    "AWS::Lambda::EventSourceMapping": ("EventSourceArn",),
    "AWS::Logs::LogGroup": ("LogGroupName",),
    "AWS::S3::Bucket": ("BucketName",),
    "AWS::SNS::Topic": ("TopicName",),
    "AWS::SQS::Queue": ("QueueName",),
    "AWS::Serverless::Api": ("Name", "StageName"),
    "AWS::Serverless::Function": ("FunctionName",),
}
IMPORTED_CODE = "OLD-0001"

SCHEDULED = {"version": "0", "account": "0", "region": "", "detail": {}, "detail-type": "Scheduled Event", "source": "aws.events"}
SCHEDULED |= {"time": "", "id": "1", "resources": []}

# A request as replies.json has it: the path, and who sends it (null: nobody).
Request = tuple[str, str | None]


def list_stages() -> list[Path]:
    """The folders of the stages that were saved, the oldest first."""
    return sorted(folder for folder in FOLDER.iterdir() if folder.is_dir())


def list_names(template_of: Callable[[str], Any]) -> dict[str, Any]:
    """Return what an upgrade of a stage has to keep: settings, secrets, and resources by logical id with their identity.

    `template_of` returns the template of a stage.
    """
    resources = {
        stage: {
            logical_id: {"Type": kind} | {name: value for name, value in part["Properties"].items() if name in IDENTITY[kind]}
            for logical_id, part in sorted(template_of(stage)["Resources"].items())
            if (kind := part["Type"]) in IDENTITY
        }
        for stage in deployed_stages()
    }
    return {
        "settings": [field.name for field in msgspec.structs.fields(settings.Settings)],
        "secrets": {stage: secret_name(stage) for stage in resources},
        "resources": resources,
    }


def fill(api: Client, time: Any, folder: Path) -> list[Request]:
    """Sell, refund, admit and let people wait, then stop in the middle. Returns the requests that read all of it; `folder` is for files."""
    with open_shop(api, time) as shop:
        shop.sell_tiers(ticket("fest-pass"))
        shop.create_dispute(shop.buy("ada", 1))
        shop.close_dispute(shop.create_dispute(shop.buy("bob", 1)), won=False)
        builders.refund(api, shop.buy("cleo", 1))
        shop.fake.deliver()
        jobs.reconcile(SCHEDULED, None)
    event_id, floor = _sell(api, time)
    _import_ticket(folder, event_id, floor)
    queue = _queue(api, time)
    cancelled, tier_id = builders.create_shop(api)
    builders.create_order(api, (cancelled, tier_id))
    assert api.post(f"/events/{cancelled}/cancel", json={"reason": "Rain"}, token=builders.admin_token()).status == 200
    builders.run_sweep()
    builders.create_event(api, "Draft", status="draft")
    paused, _ = builders.create_shop(api)
    assert api.post(f"/admin/events/{paused}/pause", token=builders.admin_token()).status == 200
    _open_accounts(api, event_id)
    # Left in the middle: a reservation, and a checkout that is not paid.
    assert builders.reserve(api, "held", event_id, floor, 2).status == 201
    reserved = builders.reserve(api, "paying", event_id, floor, 1).json["id"]
    assert builders.start_checkout(api, "paying", reserved, responses={"diet": "none"}).status == 201
    return list_requests(["fest", event_id, queue, cancelled, paused])


def list_requests(event_ids: list[str]) -> list[Request]:
    """Requests that read these events, and all orders, tickets and buyers of the stage."""
    requests: list[Request] = [("/events", None), ("/admin/events", "admin"), ("/admin/reconciliation", "admin"), ("/promoters", "admin")]
    for event_id in event_ids:
        requests += [(f"/events/{event_id}{part}", None) for part in ("", "/availability")]
        parts = ("/analytics", "/sales", "/checkins", "/audit", "/manifest", "/members")
        requests += [(f"/events/{event_id}{part}", "admin") for part in parts]
        requests += [(f"/orders?event_id={event_id}", "admin")]
        requests += [(f"/admin/events/{event_id}{part}", "admin") for part in ("/status", "/money")]
    purchases = sorted(queries.scan_purchases(), key=lambda purchase: purchase.id)
    requests += [(f"/admin/orders/{purchase.id}", "admin") for purchase in purchases if purchase.was_order]
    requests += [(f"/tickets/{ticket.id}", "admin") for ticket in sorted(scan_tickets(), key=lambda ticket: ticket.id)]
    for user in sorted({purchase.user_id for purchase in purchases if not purchase.user_id.startswith("imported")} | {"dora"}):
        requests += [("/me/tickets", user), ("/orders", user), ("/me/export", user)]
    return requests


def read(api: Client, request: Request) -> dict[str, Any]:
    """The reply to a request: its status and JSON."""
    path, sender = request
    reply = api.get(path, token=builders.admin_token()) if sender == "admin" else api.get(path, user=sender)
    return {"status": reply.status, "json": reply.json}


def _sell(api: Client, time: Any) -> tuple[str, str]:
    """An event with a capacity of its own that has sold to many. Returns the ids of the event and of a tier."""
    token = builders.admin_token()
    event_id = builders.create_event(api, "Gala", status="draft", description="With a view")
    changes = {"capacity": 40, "timezone": "Europe/Madrid", "address": "Main Street 1", "metadata": {"stand": "left"}}
    assert api.patch(f"/events/{event_id}", json=changes, token=token).status == 200
    floor = builders.create_tier(api, event_id, capacity=30)
    table = builders.create_tier(api, event_id, "Table", capacity=5, admits=4, price_cents=20_000)
    free = builders.create_tier(api, event_id, "Guests", price_cents=0)
    assert api.post(f"/events/{event_id}/publish", token=token).status == 200
    attendees = [{"name": "Ada Lovelace", "email": "ada@example.com"}, {"name": "Grace Hopper"}]
    bought = builders.buy(api, "ada", event_id, floor, 3, attendees=attendees, responses={"diet": "none"}).json["order"]["id"]
    builders.refund(api, bought, tickets=[f"{bought}-3"])
    tables = builders.order(api, "bob", event_id, {floor: 1, table: 1}).json["order"]["id"]
    builders.confirm(api, "bob", tables)
    reserved = builders.reserve(api, "cleo", event_id, free).json["id"]
    builders.start_checkout(api, "cleo", reserved)
    builders.confirm(api, "cleo", reserved, None)
    offer = api.post(f"/tickets/{bought}-2/transfer", user="ada").json["token"]
    assert api.post(f"/transfers/{offer}/accept", user="dora").status == 201
    assert api.post(f"/tickets/{reserved}-1/transfer", user="cleo").status in (200, 201)
    with settings.override(doors_open_seconds=31 * 86_400):
        for _ in range(2):
            assert api.post(f"/tickets/{bought}-1/validate", json={"gate": "North"}, token=token).status == 200
            if _ == 0:
                assert api.post(f"/tickets/{bought}-1/undo", json={"reason": "wrong person"}, token=token).status == 200
    declined = builders.reserve(api, "eve", event_id, floor).json["id"]
    builders.start_checkout(api, "eve", declined)
    builders.confirm(api, "eve", declined, "fail")
    builders.reserve(api, "late", event_id, floor)
    time.advance(181)
    builders.run_sweep()
    return event_id, floor


def _import_ticket(folder: Path, event_id: str, tier_id: str) -> None:
    from bootstrap.__main__ import main

    file = folder / "sold.csv"
    file.write_text(f"code,tier,name\n{IMPORTED_CODE},{tier_id},Hedy Lamarr\n")
    assert main(["import-tickets", str(file), "--event", event_id, "--apply"]) == 0


def _open_accounts(api: Client, event_id: str) -> None:
    """A promoter with an account, a session and a profile, and a person invited to work at the door."""
    promoter = sign_up(api, role="promoter")
    profile = {"name": "Analytical Nights", "website": "https://nights.example"}
    assert api.put(f"/promoters/{promoter['user']['id']}", json=profile, token=promoter["access_token"]).status == 200
    invited = {"email": "door@example.com", "role": "staff"}
    with settings.override(rate_limits="on"):
        assert api.post(f"/events/{event_id}/members", json=invited, token=builders.admin_token()).status == 201


def _queue(api: Client, time: Any) -> str:
    """An event whose waiting room has opened: some came before, one came later."""
    opens = time.now + 60
    event_id = builders.create_event(
        api, "Queue", on_sale_at=clock.iso(opens), waiting_room={"enabled": True, "wave_size": 1, "wave_seconds": 600}
    )
    builders.create_tier(api, event_id)
    for user in ("ada", "bob", "cleo"):
        assert api.post(f"/events/{event_id}/waiting-room/join", user=user).status == 200
    time.advance(61)
    assert api.post(f"/events/{event_id}/waiting-room/join", user="dora").status == 200
    assert api.get(f"/events/{event_id}/waiting-room/state").status == 200
    return event_id
