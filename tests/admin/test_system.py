"""What admins see of the jobs that run without anybody: what is due, and since when."""

from typing import get_args

import pytest

from chalicelib.addons.outgoing_webhooks import endpoints
from chalicelib.addons.outgoing_webhooks import outbox as outbox_of_webhooks
from chalicelib.addons.outgoing_webhooks.jobs import retry_webhooks
from chalicelib.edge.languages import Language
from chalicelib.foundation import clock, ids, outbound_http, settings
from chalicelib.foundation.outbound_http import HostReply
from chalicelib.notifications import outbox
from chalicelib.purchases import sweep
from infra.local.schedules import scheduled_event
from infra.template import functions
from tests import builders
from tests.repository import ROOT


def show(api):
    reply = api.get("/admin/system", token=builders.admin_token())
    assert reply.status == 200, reply.json
    return reply.json


def queue(number, now, due_at=None):
    outbox.queue_notification(
        outbox.new_notification("order_confirmed", f"order-{number}", 1, user_id="ada", event_id="fest", now=now, due_at=due_at)
    )


def test_nothing_is_due_in_an_empty_shop(api, time):
    nothing = {"due": 0, "oldest_due_at": None}
    shown = show(api)
    assert (shown["mails"], shown["refunds"], shown["compared_at"]) == (nothing, nothing, None)
    assert (shown["at"], shown["build"]) == (clock.iso(time.now), "development")


def test_mails_are_counted_that_should_have_been_sent_by_now(api, time):
    began = time.now
    for number in range(3):
        queue(number, began + number)
    queue("later", began, began + 3600)
    time.advance(60)
    assert show(api)["mails"] == {"due": 3, "oldest_due_at": clock.iso(began)}


def test_refunds_are_counted_that_should_have_been_made_by_now(shop):
    order_id = shop.buy("ada", 1)
    shop.fake.fail_next_request("POST", "/v1/refunds", status=500, should_retry=False)
    builders.refund(shop.api, order_id)
    [case] = shop.api.get("/admin/reconciliation", token=builders.admin_token()).json["open"]
    assert show(shop.api)["refunds"]["due"] == 0
    shop.time.advance(3600)
    assert show(shop.api)["refunds"] == {"due": 1, "oldest_due_at": case["next_try_at"]}


def test_the_limits_are_those_of_the_settings(api, time):
    with settings.override(rate_limits="on", limit_reserve="7/30", hold_seconds=240):
        shown = show(api)
    assert (shown["limits"]["reserve"], shown["hold_seconds"]) == ("7/30", 240)
    with settings.override(rate_limits="off"):
        assert show(api)["limits"] == {}


def job(api, name):
    [found] = [each for each in show(api)["jobs"] if each["name"] == name]
    return found


@pytest.mark.needs_addon
def test_every_job_is_listed_before_it_has_run(api):
    jobs = show(api)["jobs"]
    assert [each["name"] for each in jobs] == sorted(functions.SCHEDULED)
    assert {each["state"] for each in jobs} == {"never"}
    assert {each["name"]: each["every_seconds"] for each in jobs}["reconcile"] == 900


@pytest.mark.parametrize("language", get_args(Language))
def test_every_job_has_a_name_in_words(language):
    """The page would show a job without one by the name of its function."""
    text = (ROOT / "web/src/manage/texts" / language / "admin.ts").read_text(encoding="utf-8")
    assert [name for name in functions.SCHEDULED if f"\n  {name}: " not in text] == [], "jobs without a name in words, in `jobs`"


def test_a_job_is_shown_with_its_last_run_and_when_the_next_one_is_due(api, time):
    builders.run_sweep()
    shown = job(api, "sweep")
    assert (shown["state"], shown["began_at"], shown["error"]) == ("fine", clock.iso(time.now), None)
    assert (shown["succeeded_at"], shown["next_due_at"]) == (clock.iso(time.now), clock.iso(time.now + 60))
    assert shown["milliseconds"] >= 0


def test_a_job_that_has_not_run_for_long_is_late(api, time):
    builders.run_sweep()
    time.advance(180)
    assert job(api, "sweep")["state"] == "fine"
    time.advance(1)
    assert job(api, "sweep")["state"] == "late"


def test_a_job_that_fails_is_shown_with_its_error(api, time, monkeypatch):
    began = time.now
    builders.run_sweep()

    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(sweep, "run_sweep", fail)
    time.advance(60)
    with pytest.raises(ZeroDivisionError):
        builders.run_sweep()
    shown = job(api, "sweep")
    assert (shown["state"], shown["error"], shown["succeeded_at"]) == ("failed", "ZeroDivisionError", clock.iso(began))


@pytest.mark.needs_addon
def test_webhooks_of_all_promoters_that_the_last_run_found_due_are_counted(api, time, monkeypatch):
    assert show(api)["webhooks"] == {"due": 0, "oldest_due_at": None}
    began = time.now
    with settings.override(webhook_targets="local"):
        for promoter in ("nora", "olaf"):
            endpoint = endpoints.create_endpoint(promoter, ids.new_id(), "http://127.0.0.1:9009/", "", [], promoter, began)
            outbox_of_webhooks.send_ping(endpoint, ids.new_id(), began)
        time.advance(90)
        monkeypatch.setattr(outbound_http, "post", lambda *_, **__: HostReply(status=200, body=b"", retry_after=None))
        retry_webhooks(scheduled_event(), None)
    assert show(api)["webhooks"] == {"due": 2, "oldest_due_at": clock.iso(began)}
    time.advance(60)
    retry_webhooks(scheduled_event(), None)
    assert show(api)["webhooks"] == {"due": 0, "oldest_due_at": None}
