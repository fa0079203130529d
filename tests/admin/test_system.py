"""What admins see of the jobs that run without anybody: what is due, and since when."""

from chalicelib import clock, settings
from chalicelib.notifications import outbox
from tests import builders


def show(api):
    reply = api.get("/admin/system", token=builders.admin_token())
    assert reply.status == 200, reply.json
    return reply.json


def queue(number, now, due_at=None):
    outbox.queue(outbox.new_notification("order_confirmed", f"order-{number}", 1, user_id="ada", event_id="fest", now=now, due_at=due_at))


def test_nothing_is_due_in_an_empty_shop(api, time):
    nothing = {"due": 0, "oldest_due_at": None}
    shown = show(api)
    assert (shown["mails"], shown["refunds"], shown["compared_at"]) == (nothing, nothing, None)
    assert shown["at"] == clock.iso(time.now)


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
