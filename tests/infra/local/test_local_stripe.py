"""The fake Stripe in a `make run` that has no Stripe key."""

import socket

import pytest

from tests.devtools.stripe.browser import visit
from tests.infra.conftest import DIRECT
from tests.infra.stripe_checkout import EVENT, TIER, checkout, pay, stripe_client

pytestmark = pytest.mark.slow

PRICE = "price_demo_summits_v_harbor_upper"
PAGE = {"mode": "payment", "line_items": [{"price": PRICE, "quantity": 2}], "success_url": "https://shop.test/ok"}


def becomes_true(condition) -> bool:
    """Asks again over HTTP, a few seconds at most, since webhooks are sent in the background."""
    return any(condition() for _ in range(2000))


@pytest.mark.parametrize("secrets", ["", "whsec_of_the_user,whsec_another"])
def test_a_checkout_at_stripe_is_paid_and_its_webhook_issues_tickets(start, tmp_path, secrets):
    run = start(tmp_path / "data", FAIRGATE_STRIPE_WEBHOOK_SECRETS=secrets).wait_for("Ctrl-C stops it")
    assert run.demo["stripe_url"] in run.output
    with DIRECT.open(run.demo["stripe_url"], timeout=60) as page:
        assert b"4242 4242 4242 4242" in page.read()
    for user, page in (("ada", "own"), ("bob", "hosted")):
        pay(run, checkout(run, user, provider="stripe", page=page))
        assert becomes_true(lambda user=user: run.request("GET", f"/me/order?event_id={EVENT}", X_User_Id=user)[0] == 200)
    assert becomes_true(lambda: all(event.pending_webhooks == 0 for event in stripe_client(run).events.list().data))
    assert checkout(run, "carla")["payment"]["provider"] == "simulated"
    assert run.ctrl_c() == 0
    assert "Traceback" not in run.output


def test_a_checkout_opened_before_a_power_cut_can_be_paid_after_it(start, tmp_path):
    data, by_card = tmp_path / "data", {"FAIRGATE_PAYMENT_PROVIDER": "stripe"}
    run = start(data, **by_card).wait_for("Ctrl-C stops it")
    url = run.demo["stripe_url"]
    sessions = {"ada": checkout(run, "ada", page="own"), "bob": checkout(run, "bob")}
    run.process.kill()
    run.wait()

    run = start(data, **by_card).wait_for("Ctrl-C stops it")
    assert run.demo["stripe_url"] == url
    for user, session in sessions.items():
        pay(run, session)
        status, paid = run.request("POST", "/checkout/confirm", {"checkout_id": session["id"]}, X_User_Id=user)
        assert (status in (200, 201), len(paid["tickets"])) == (True, 2)
    assert run.ctrl_c() == 0

    run = start(data, RESET="1", **by_card).wait_for("Ctrl-C stops it")
    assert list(stripe_client(run).payment_intents.list().data) == []
    assert run.request("GET", f"/me/order?event_id={EVENT}", X_User_Id="ada")[0] == 404


def test_it_has_the_prices_that_tiers_name(start, tmp_path):
    run = start(tmp_path / "data").wait_for("Ctrl-C stops it")
    tier = next(tier for tier in run.request("GET", f"/events/{EVENT}")[1]["tiers"] if tier["id"] == TIER)
    price = stripe_client(run).prices.retrieve(PRICE)
    assert (price.unit_amount, price.currency) == (tier["price_cents"], "usd")
    page = stripe_client(run).checkout.sessions.create(PAGE)
    assert page.amount_total == 2 * tier["price_cents"]
    assert tier["name"] in visit(page.url)[1]


def test_the_fake_takes_another_port_when_its_own_is_taken(start, tmp_path):
    data = tmp_path / "data"
    run = start(data).wait_for("Ctrl-C stops it")
    first = run.demo["stripe_url"]
    page = stripe_client(run).checkout.sessions.create(PAGE)
    run.ctrl_c()
    with socket.create_server(("127.0.0.1", int(first.rpartition(":")[2]))):
        run = start(data).wait_for("Ctrl-C stops it")
        second = run.demo["stripe_url"]
        assert second != first
        assert stripe_client(run).checkout.sessions.retrieve(page.id).url == page.url.replace(first, second)
        run.ctrl_c()
    assert start(data).wait_for("Ctrl-C stops it").demo["stripe_url"] == second


@pytest.mark.parametrize(
    "environment",
    [
        {"STRIPE_API_KEY": "sk_test_of_the_user"},
        {"STRIPE_API_KEY": "sk_test_of_the_user", "STRIPE_WEBHOOK_SECRET": "whsec_of_the_user"},
        {"FAIRGATE_STRIPE_API_KEY": "sk_test_of_the_user", "FAIRGATE_STRIPE_API_BASE": "http://127.0.0.1:9"},
        {"FAIRGATE_STAGE": "prod"},
    ],
)
def test_the_fake_does_not_start_with_a_key_or_in_stage_prod(start, tmp_path, environment):
    run = start(tmp_path / "data", **environment).wait_for("Ctrl-C stops it")
    assert run.demo["stripe_url"] is None
    assert "fake Stripe" not in run.output
    by_key = any(name.endswith("STRIPE_API_KEY") for name in environment)
    assert ("with your key" in run.output) == by_key
    assert ("stripe listen --forward-to" in run.output) == (by_key and "STRIPE_WEBHOOK_SECRET" not in environment)
    assert list((tmp_path / "data" / "stripe").iterdir()) == []
