"""`fairgate reconcile`: its output and exit status, and that it works beside `make run`."""

import json
import os
import subprocess
import sys

import pytest

from chalicelib.catalog import service as catalog
from chalicelib.foundation import clock, ids, settings
from chalicelib.reconciliation import compare
from chalicelib.tickets.store import TicketRow
from devtools.stripe.fake import API_KEY
from infra.local.environment import LOCAL_CREDENTIALS
from infra.reconcile import MAX_SECONDS, main
from tests import builders
from tests.infra import stripe_checkout
from tests.reconciliation.comparing import buy_without_webhooks, list_findings
from tests.repository import ROOT


@pytest.fixture
def command(capsys, time):
    """`command("--json", since=..., until=...)` runs it and returns the exit status, stdout and stderr."""

    def call(*more: str, since: int | None = None, until: int | None = None) -> tuple[int, str, str]:
        capsys.readouterr()
        span = (clock.iso(since or time.now - 7200), clock.iso(until or time.now))
        status = main(["--since", span[0], "--until", span[1], *more])
        output = capsys.readouterr()
        return status, output.out, output.err

    return call


def test_without_differences_it_exits_with_0(shop, command):
    buy_without_webhooks(shop)
    shop.fake.deliver()
    shop.time.advance(60)
    status, out, err = command()
    assert status == 0
    assert "payments 1, refunds 0, disputes 0, lost webhooks 0" in out
    assert "Nothing had to be repaired." in out
    assert err.count(" ...") == 2  # hour by hour


def test_a_lost_webhook_is_repaired_and_the_schedule_keeps_its_place(shop, command):
    shop.lose_webhooks()
    session = shop.open_checkout()
    shop.pay(session)
    shop.time.advance(60)
    status, out, _ = command()
    assert (status, shop.purchase_state(session)) == (0, "paid")
    assert "1 payments had arrived unnoticed" in out
    assert shop.api.get("/admin/reconciliation", token=builders.admin_token()).json["last_run"] is None
    assert command()[0] == 0


def test_what_it_says_about_promoters_accounts(shop, command):
    account = shop.connect_account()
    shop.lose_webhooks()
    shop.fake.restrict_account(account)
    shop.time.advance(60)
    status, out, _ = command()
    assert (status, "1 promoters' accounts had changed unnoticed" in out) == (0, True), out
    shop.fake.refuse_calls(account)
    status, out, _ = command()
    assert (status, "account_refused: a promoter's account was not compared" in out) == (1, True), out
    shop.fake.refuse_calls(account, None)
    shop.account = None


def test_findings_are_printed_and_exit_with_1(shop, command):
    session = buy_without_webhooks(shop)
    intent_id = shop.fetch_payment_intent(session).id
    shop.fake.overwrite_object("payment_intent", intent_id, amount_received=9000)
    shop.time.advance(60)
    status, out, _ = command()
    assert status == 1
    assert f"order {session['id']}: finding amounts_differ-{intent_id}" in out
    status, out, _ = command("--json")
    found = json.loads(out)
    assert (status, found["findings"], [case["order_id"] for case in found["open"]]) == (1, {"amounts_differ": 1}, [session["id"]])
    assert found["since"] == clock.iso(shop.time.now - 7200)
    shop.fake.overwrite_object("payment_intent", intent_id, amount_received=10_000)
    assert command()[0] == 0


def test_a_failed_refund_exits_with_1(shop, command):
    session = buy_without_webhooks(shop)
    intent = shop.fetch_payment_intent(session)
    shop.time.advance(60)
    refund = shop.dashboard.v1.refunds.create({"payment_intent": intent.id})
    shop.fake.deliver()
    assert command(until=shop.time.now)[0] == 0
    shop.fake.fail_refund(refund.id)
    shop.time.advance(60)
    status, out, _ = command()
    assert status == 1
    assert f"order {session['id']}: refund {refund.id}" in out


def test_records_are_compared_and_the_differences_are_printed(shop, capsys):
    session = buy_without_webhooks(shop)
    shop.fake.deliver()
    capsys.readouterr()
    assert main(["--records"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["All records agree."]
    ticket = TicketRow.find(f"{session['id']}-2")
    ticket.delete()
    assert main(["--records"]) == 1
    out = capsys.readouterr().out
    assert "1 of them contradict other records." in out
    assert f"order {session['id']}: finding records_differ-purchase" in out
    ticket.save()
    capsys.readouterr()
    assert main(["--records", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["differences"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--since"),
        (["--records", "--since", "2026-05-01T00:00:00Z"], "--records compares all records"),
        (["--since", "2026-05-01T00:00:00Z"], "--until"),
        (["--since", "yesterday", "--until", "2026-05-02T00:00:00Z"], "'yesterday' is not a time like 2026-11-01T00:00:00Z"),
        (["--since", "2026-05-01T00:00:00", "--until", "2026-05-02T00:00:00Z"], "has no time zone"),
        (["--since", "2026-05-02T00:00:00Z", "--until", "2026-05-02T00:00:00Z"], "--since must be before --until"),
        (["--since", "2026-05-01T00:00:00Z", "--until", "2036-05-02T00:00:00Z"], "--until is in the future; it is 2026-06-01T"),
        (["--since", "2026-04-01T00:00:00Z", "--until", "2026-05-02T00:00:01Z"], "longer than 31 days"),
    ],
)
def test_invalid_arguments_exit_with_2_and_a_message(shop, capsys, arguments, message):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stripe_api_key": ""}, "has no payment provider; set FAIRGATE_STRIPE_API_KEY"),
        ({"stripe_api_key": "sk_live_x"}, "a live key takes real money; stage"),
        ({"stripe_api_key": "sk_test_somebody_elses"}, "payment provider does not respond, or refuses the key"),
        ({"ticket_keys": ""}, "FAIRGATE_TICKET_KEYS must be set"),
        ({"stage": "nowhere"}, "the store failed"),
    ],
)
def test_invalid_settings_exit_with_2_and_a_message(shop, command, changes, message):
    with settings.override(**changes):
        status, out, err = command()
    assert (status, out) == (2, "")
    assert message in err


def test_a_store_without_events_exits_with_2(store, time, command):
    with settings.override(stripe_api_key=API_KEY):
        catalog.invalidate()
        status, _, err = command()
    assert status == 2
    assert "has no events" in err


def test_a_month_is_the_longest_span(shop, command, monkeypatch):
    monkeypatch.setattr(compare, "compare_span", lambda since, until, *_: compare.ReconciliationReport(since, until))
    assert command(since=shop.time.now - MAX_SECONDS)[0] == 0


def test_after_a_failure_it_prints_where_to_continue(shop, command):
    shop.fake.fail_next_request("GET", "/v1/events", status=500, times=3)
    status, _, err = command()
    assert status == 2
    assert f"Continue later with --since {clock.iso(shop.time.now - 7200)}" in err


def test_many_unknown_purchases_are_refunded_only_with_an_option(shop, command):
    shop.lose_webhooks()
    for _ in range(11):
        shop.pay_in_dashboard(ids.new_id())
    shop.time.advance(60)
    status, _, err = command()
    assert (status, len(list_findings(shop)), shop.received_and_kept()) == (2, 11, (110_000, 110_000))
    assert "11 payments belong to purchases that this store does not have" in err
    assert "--pay-back-unknown" in err
    assert (command("--pay-back-unknown")[0], list_findings(shop), shop.received_and_kept()) == (0, {}, (110_000, 0))


def test_it_repairs_the_payments_of_a_local_run_whose_webhooks_never_come(start, tmp_path):
    # They are signed with the first of the secrets, and an empty one verifies nothing.
    run = start(tmp_path / "data", FAIRGATE_PAYMENT_PROVIDER="stripe", FAIRGATE_STRIPE_WEBHOOK_SECRETS=",whsec_of_nobody")
    run.wait_for("Ctrl-C stops it")
    sessions = {page: stripe_checkout.checkout(run, user, page=page) for user, page in (("ada", "own"), ("bob", "hosted"))}
    for session in sessions.values():
        stripe_checkout.pay(run, session)
    assert run.request("GET", f"/me/order?event_id={stripe_checkout.EVENT}", X_User_Id="ada")[0] == 404
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("FAIRGATE_", "COV_"))},
        **LOCAL_CREDENTIALS,
        "FAIRGATE_STAGE": "local",
        "FAIRGATE_STORE_ENDPOINT": run.demo["store_url"],
        "FAIRGATE_STRIPE_API_BASE": run.demo["stripe_url"],
        "FAIRGATE_STRIPE_API_KEY": API_KEY,
        "FAIRGATE_TICKET_KEYS": json.loads((run.data / "secrets.json").read_bytes())["ticket_keys"],
    }
    paid_until = clock.now() + 1
    command_line = [
        sys.executable,
        "-m",
        "infra.reconcile",
        "--json",
        "--since",
        clock.iso(paid_until - 600),
        "--until",
        clock.iso(paid_until),
    ]
    for _ in range(5):  # again until that second is over
        done = subprocess.run(command_line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if "in the future" not in done.stderr:
            break
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["payments"], found["repaired"], found["open"]) == (2, {"paid_without_tickets": 2}, [])
    for user in ("ada", "bob"):
        status, order = run.request("GET", f"/me/order?event_id={stripe_checkout.EVENT}", X_User_Id=user)
        assert (status, len(order["tickets"])) == (200, 2)
    assert run.ctrl_c() == 0
