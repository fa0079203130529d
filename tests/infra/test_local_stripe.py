"""The stand-in for Stripe in a `make run` that nobody gave a key to."""

import socket

import pytest
import stripe

from devtools.stripe.fake import API_KEY
from tests.devtools.stripe.browser import visit
from tests.infra.conftest import DIRECT, Run

EVENT, TIER, PRICE = "summits-v-harbor", "summits-v-harbor-upper", "price_demo_summits_v_harbor_upper"
CARD = {"type": "card", "card": {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}}
PAGE = {"mode": "payment", "line_items": [{"price": PRICE, "quantity": 2}], "success_url": "https://shop.test/ok"}


def api(run: Run, key: str = API_KEY):
    return stripe.StripeClient(key, base_addresses={"api": run.demo["stripe_url"]}, max_network_retries=0).v1


def checkout(run: Run, user: str, **wish: str) -> dict:
    made = run.ask("POST", f"/events/{EVENT}/reservations", {"tier_id": TIER, "quantity": 2}, X_User_Id=user)[1]
    asked = {"reservation_id": made["id"], **wish}
    status, opened = run.ask("POST", "/checkout/sessions", asked, X_User_Id=user, Idempotency_Key=made["id"])
    assert status == 201
    return opened


def pay(run: Run, opened: dict) -> None:
    """As the browser does it, in our own page or in the hosted one."""
    if "url" in opened["payment"]:
        form = {"number": "4242 4242 4242 4242", "expiry": "12/34", "cvc": "123", "name": "Ada", "email": "ada@example.com"}
        status, _, back = visit(opened["payment"]["url"], **form)
        assert (status, back.endswith(f"/?checkout_id={opened['id']}")) == (303, True)
        return
    secret = opened["payment"]["client_secret"]
    given = {"client_secret": secret, "payment_method_data": CARD, "return_url": run.demo["web_url"]}
    paid = api(run, opened["payment"]["publishable_key"]).payment_intents.confirm(secret.partition("_secret_")[0], given)
    assert paid.status == "succeeded"


def soon(what) -> bool:
    """Webhooks come by themselves: asked until it is so, each time over HTTP, a few seconds at most."""
    return any(what() for _ in range(2000))


@pytest.mark.parametrize("secrets", ["", "whsec_of_the_user,whsec_another"])
def test_who_asks_for_stripe_pays_by_card_and_is_brought_tickets(start, tmp_path, secrets):
    run = start(tmp_path / "data", FAIRGATE_STRIPE_WEBHOOK_SECRETS=secrets).until("Ctrl-C stops it")
    assert run.demo["stripe_url"] in run.said
    with DIRECT.open(run.demo["stripe_url"], timeout=5) as page:
        assert b"4242 4242 4242 4242" in page.read()
    for user, page in (("ada", "own"), ("bob", "hosted")):
        pay(run, checkout(run, user, provider="stripe", page=page))
        assert soon(lambda user=user: run.ask("GET", f"/me/order?event_id={EVENT}", X_User_Id=user)[0] == 200)
    assert soon(lambda: all(event.pending_webhooks == 0 for event in api(run).events.list().data))
    assert checkout(run, "carla")["payment"]["provider"] == "simulated"
    assert run.ctrl_c() == 0
    assert "Traceback" not in run.said


def test_what_was_begun_before_a_power_cut_is_paid_after(start, tmp_path):
    data, by_card = tmp_path / "data", {"FAIRGATE_PAYMENT_PROVIDER": "stripe"}
    run = start(data, **by_card).until("Ctrl-C stops it")
    url = run.demo["stripe_url"]
    begun = {"ada": checkout(run, "ada", page="own"), "bob": checkout(run, "bob")}
    run.process.kill()
    run.end()

    run = start(data, **by_card).until("Ctrl-C stops it")
    assert run.demo["stripe_url"] == url
    for user, opened in begun.items():
        pay(run, opened)
        status, paid = run.ask("POST", "/checkout/confirm", {"checkout_id": opened["id"]}, X_User_Id=user)
        assert (status in (200, 201), len(paid["tickets"])) == (True, 2)
    assert run.ctrl_c() == 0

    run = start(data, RESET="1", **by_card).until("Ctrl-C stops it")
    assert list(api(run).payment_intents.list().data) == []
    assert run.ask("GET", f"/me/order?event_id={EVENT}", X_User_Id="ada")[0] == 404


def test_it_has_the_prices_that_tiers_name(start, tmp_path):
    run = start(tmp_path / "data").until("Ctrl-C stops it")
    tier = next(one for one in run.ask("GET", f"/events/{EVENT}")[1]["tiers"] if one["id"] == TIER)
    price = api(run).prices.retrieve(PRICE)
    assert (price.unit_amount, price.currency) == (tier["price_cents"], "usd")
    page = api(run).checkout.sessions.create(PAGE)
    assert page.amount_total == 2 * tier["price_cents"]
    assert tier["name"] in visit(page.url)[1]


def test_another_port_when_its_own_is_taken(start, tmp_path):
    data = tmp_path / "data"
    run = start(data).until("Ctrl-C stops it")
    first = run.demo["stripe_url"]
    page = api(run).checkout.sessions.create(PAGE)
    run.ctrl_c()
    with socket.create_server(("127.0.0.1", int(first.rpartition(":")[2]))):
        run = start(data).until("Ctrl-C stops it")
        second = run.demo["stripe_url"]
        assert second != first
        assert api(run).checkout.sessions.retrieve(page.id).url == page.url.replace(first, second)
        run.ctrl_c()
    assert start(data).until("Ctrl-C stops it").demo["stripe_url"] == second


@pytest.mark.parametrize(
    "environment",
    [
        {"STRIPE_API_KEY": "sk_test_of_the_user"},
        {"STRIPE_API_KEY": "sk_test_of_the_user", "STRIPE_WEBHOOK_SECRET": "whsec_of_the_user"},
        {"FAIRGATE_STRIPE_API_KEY": "sk_test_of_the_user", "FAIRGATE_STRIPE_API_BASE": "http://127.0.0.1:9"},
        {"FAIRGATE_STAGE": "prod"},
    ],
)
def test_none_starts_where_a_key_is_given_or_play_money_has_no_place(start, tmp_path, environment):
    run = start(tmp_path / "data", **environment).until("Ctrl-C stops it")
    assert run.demo["stripe_url"] is None
    assert "stand-in" not in run.said
    by_key = any(name.endswith("STRIPE_API_KEY") for name in environment)
    assert ("with your key" in run.said) == by_key
    assert ("stripe listen --forward-to" in run.said) == (by_key and "STRIPE_WEBHOOK_SECRET" not in environment)
    assert list((tmp_path / "data" / "stripe").iterdir()) == []
