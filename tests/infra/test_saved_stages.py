"""This version reads what earlier versions stored, gives the same answers, and continues with it.

If a test fails, the change that made it fail would do the same to every stage in use: docs/backup.md says how a change is made. A field
that replies are to lose is taken out of the saved replies. New folders are made by `save_stage.py`.
"""

import gzip

import msgspec
import pytest

import app
from chalicelib.addons.messages import event_notices
from chalicelib.addons.messages import jobs as messages
from chalicelib.addons.outgoing_webhooks import jobs as webhooks
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import memory, settings
from chalicelib.notifications import providers, ses_reports
from infra import backup, migrations, tables
from infra.local.event_sources import create_poller
from infra.local.schedules import scheduled_event
from tests import builders, engines, invariants
from tests.addons.outgoing_webhooks.receiver import open_receiver
from tests.addons.waitlist import lines
from tests.infra import saved_features, saved_stage
from tests.notifications.fake_provider import FakeProvider


@pytest.fixture(params=saved_stage.list_stages(), ids=lambda folder: folder.name)
def folder(request, api, threaded_store, time):
    """A stage that an earlier version saved, loaded by this one, at the time at which it was saved."""
    with settings.override(stage="restored"):
        tables.create_all(dynamo.client())
        memory.forget_everything()
        time.set(backup.load(request.param).saved_at)
        yield request.param
    memory.forget_everything()


# The first of them is older than what saved_features.py writes.
since_the_features = pytest.mark.parametrize("folder", saved_stage.list_stages()[1:], indirect=True, ids=lambda folder: folder.name)


def saved_replies(folder):
    return msgspec.json.decode(gzip.decompress((folder / saved_stage.REPLIES).read_bytes()))


def lost(before, after, path="$"):
    """What a reply had and does not have any more, or has with another value. What is new in it does not matter."""
    if isinstance(before, dict) and isinstance(after, dict):
        found = [f"{path}.{name} is gone" for name in before.keys() - after.keys()]
        return found + [line for name in before.keys() & after.keys() for line in lost(before[name], after[name], f"{path}.{name}")]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [line for number, pair in enumerate(zip(before, after, strict=True)) for line in lost(*pair, f"{path}[{number}]")]
    return [] if before == after else [f"{path} was {before} and is {after}"]


def test_every_reply_is_what_it_was(folder, api):
    replies = saved_replies(folder)
    assert len(replies) > 50
    changed = {reply["path"]: lost(reply, reply | saved_stage.read(api, (reply["path"], reply["sender"]))) for reply in replies}
    assert {path: lines for path, lines in changed.items() if lines} == {}


def test_migrations_change_no_reply(folder, api):
    """The code serves before and after them."""
    before = [saved_stage.read(api, (reply["path"], reply["sender"])) for reply in saved_replies(folder)]
    migrations.apply("before", print)
    migrations.apply("after", print)
    memory.forget_everything()
    after = [saved_stage.read(api, (reply["path"], reply["sender"])) for reply in saved_replies(folder)]
    assert [lost(*replies) for replies in zip(before, after, strict=True) if lost(*replies)] == []


def test_the_invariants_hold_and_the_sale_continues(folder, api, time):
    invariants.check(time.now)
    [event_id] = [event["id"] for event in api.get("/events").json if event["name"] == "Gala"]
    tiers = {tier["name"]: tier["id"] for tier in api.get(f"/events/{event_id}").json["tiers"]}
    [paying] = api.get("/orders", user="paying").json["orders"]
    assert builders.confirm(api, "paying", paying["id"]).status == 201
    held = api.get(f"/events/{event_id}/reservations", user="held").json["id"]
    assert builders.start_checkout(api, "held", held).status == 201
    paid = builders.confirm(api, "held", held)
    assert (paid.status, len(paid.json["tickets"])) == (201, 2)
    assert builders.buy(api, "new", event_id, tiers["Table"], 2).status == 201
    assert builders.refund(api, paying["id"]).status == 201
    with settings.override(doors_open_seconds=31 * 86_400):
        admitted = api.post("/checkin", json={"code": saved_stage.IMPORTED_CODE, "event_id": event_id}, token=builders.admin_token())
        assert (admitted.status, admitted.json["ticket"]["attendee_name"]) == (200, "Hedy Lamarr")
        first, second = (ticket["id"] for ticket in paid.json["tickets"])
        assert api.post(f"/tickets/{first}/validate", json={}, token=builders.admin_token()).status == 200
    assert builders.refund(api, held, tickets=[second]).status == 201
    builders.run_sweep()
    create_poller(app.app, engines.local_engine(), window_seconds=0).drain()
    invariants.check(time.now, recovered=True)


@since_the_features
def test_choosing_waiting_and_invited_people_continue(folder, api, time):
    [ball] = [event["id"] for event in api.get("/events").json if event["name"] == "Ball"]
    [choosing] = api.get("/orders", user="choosing").json["orders"]
    paid = builders.confirm(api, "choosing", choosing["id"])
    assert (paid.status, paid.json["order"]["promo_code"]) == (201, "SAVE")
    [code] = api.get(f"/admin/events/{ball}/promo-codes", token=builders.admin_token()).json["promo_codes"]
    assert (code["times_used"], code["times_held"]) == (2, 0)
    [host] = api.get("/orders", user="host").json["orders"]
    [package] = api.get(f"/events/{ball}/tickets/packages").json["packages"]
    [dish] = [option["id"] for option in package["options"] if option["label"] == "Dish"]
    guest = {"name": "Eve", "answers": {dish: ["Vegan"]}}
    assert api.put(f"/seats/{host['id']}-2.1/guest", json=guest, user="host").status == 200
    [offered] = lines.own(api, "offered")
    assert builders.start_checkout(api, "offered", offered["offer"]["id"]).status == 201
    assert builders.confirm(api, "offered", offered["offer"]["id"]).status == 201
    [order] = api.get(f"/orders?event_id={offered['event_id']}&status=paid&limit=1", token=builders.admin_token()).json["orders"]
    lines.give_back(api, order["id"])
    lines.run_allocator()
    assert [entry["status"] for entry in lines.own(api, "waits")] == ["offered"]
    invariants.check(time.now)


@since_the_features
def test_mails_and_webhooks_that_wait_are_sent(folder, api, time, monkeypatch):
    provider = FakeProvider()
    monkeypatch.setattr(providers, "find_provider", lambda: provider)
    time.advance(event_notices.QUIET_SECONDS + 1)
    with settings.override(mail_from="Shop <tickets@shop.test>", shop_url="https://shop.test"):
        report = messages.send_messages(scheduled_event(), None)
    assert report["sent"] > 0, report
    assert {mail["To"] for mail in provider.parsed()} >= {saved_features.HOST}
    assert ses_reports.release_address(saved_features.SUPPRESSED, "root", time.now) is None
    with open_receiver() as receiver, settings.override(webhook_targets="local"):
        endpoints = f"/promoters/{saved_features.PROMOTER}/webhook-endpoints"
        [endpoint] = api.get(endpoints, token=builders.admin_token()).json["webhook_endpoints"]
        moved = api.patch(f"{endpoints}/{endpoint['id']}", json={"url": receiver.url}, token=builders.admin_token())
        assert moved.status == 200, moved.json
        secret = api.post(f"{endpoints}/{endpoint['id']}/rotate-secret", token=builders.admin_token()).json["secret"]
        webhooks.retry_webhooks(scheduled_event(), None)
    assert {request.verified(secret)["type"] for request in receiver.received} >= {"order.paid"}
