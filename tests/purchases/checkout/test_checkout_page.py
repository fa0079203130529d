"""Which page takes the money, where it may send the buyer afterwards, and what a frontend is told about it."""

import pytest

from chalicelib import settings
from chalicelib.purchases.record import store
from tests import builders
from tests.bootstrap.conftest import ticket
from tests.devtools.stripe.browser import visit
from tests.stripe_shop import open_shop

BACK = "https://shop.test/thanks"
CREATED = "POST /v1/checkout/sessions"


@pytest.fixture
def priced(shop):
    shop.sell_tiers(ticket("floor"))
    return shop


@pytest.mark.parametrize("wish", [{"success_url": BACK}, {"page": "hosted"}, {"page": "hosted", "success_url": BACK, "cancel_url": BACK}])
def test_the_hosted_page_is_for_who_asks_for_it(shop, wish):
    payment = shop.open_checkout(**wish)["payment"]
    assert payment == {"provider": "stripe", "status": "open", "url": payment["url"]}
    assert shop.fake.request_log.counts == {CREATED: 1}


def test_who_says_nothing_pays_in_the_shops_own_page(shop):
    assert "client_secret" in shop.open_checkout()["payment"]
    assert "client_secret" in shop.open_checkout("bob", cancel_url=BACK)["payment"]


def test_tiers_that_stripe_has_prices_of_are_paid_on_its_page_unless_asked_otherwise(priced):
    session = priced.open_checkout()
    page = priced.fetch_hosted_page(session)
    assert (page.success_url, page.cancel_url) == (f"https://shop.test/?checkout_id={session['id']}", None)
    line = priced.dashboard.v1.checkout.sessions.line_items.list(page.id).data[0]
    assert (line.price.id, line.quantity, page.amount_total, page.currency) == ("price_floor", 2, 10000, "usd")
    own = priced.open_checkout("bob", page="own", success_url=BACK)
    assert set(own["payment"]) == {"provider", "status", "client_secret", "publishable_key"}
    priced.pay(own)
    assert priced.confirm(own, "bob").status == 201


def test_without_an_address_of_its_own_a_shop_has_no_usual_hosted_page(priced):
    with settings.override(checkout_origins=""):
        assert "client_secret" in priced.open_checkout()["payment"]


def test_the_simulated_provider_has_no_page_and_ignores_where_to_return_to(shop):
    with settings.override(payment_provider="simulated"):
        session = shop.open_checkout(success_url="https://elsewhere.test/thanks", cancel_url="https://elsewhere.test/\u00e9")
        assert session["payment"] == {"provider": "simulated", "status": "open"}
        assert builders.confirm(shop.api, "ada", session["id"]).status == 201
    assert shop.fake.request_log.counts == {}


def test_a_free_order_has_no_page(api, time):
    with open_shop(api, time, checkout_origins="https://shop.test") as shop:
        shop.tier_id = builders.create_tier(api, shop.event_id, "Free", price_cents=0)
        assert shop.open_checkout(page="hosted")["payment"] == {"provider": "free", "status": "open"}
        assert shop.fake.request_log.counts == {}


REFUSED = [
    "https://evil.test/thanks",
    "https://shop.test.evil.test/",
    "https://shop.test@evil.test/",
    "https://evil.test@shop.test/",
    "https://evil.test/https://shop.test/",
    "https://evil.test#https://shop.test",
    "http://shop.test/thanks",
    "https://shop.test:8443/",
    "https://localhost:3000/",
    "//shop.test/thanks",
    "/thanks",
    "",
    "https://evil.test\\@shop.test/",
    "https://shop.test\\@evil.test/",
    "https:\\\\shop.test\\thanks",
    "https://shop.test/\\evil.test",
    "https:///shop.test/",
    "https://[shop.test/",
    "HTTPS://shop.test/",
    "https://Shop.Test/",
    "https://shop.test:443/",
    "https://shop.test./",
    "javascript:alert(1)",
    "javascript://shop.test/%0aalert(1)",
    " https://shop.test/",
    "https://shop\n.test/",
    "https://shop.test/a b",
    "https://shop.test/\u00e9",
    "https://\uff53hop.test/",
    "https://shop.test/" + "a" * 2048,
]


@pytest.mark.parametrize("name", ["success_url", "cancel_url"])
@pytest.mark.parametrize("address", REFUSED, ids=lambda one: one[:40] or "empty")
def test_nobody_is_sent_to_a_foreign_address(shop, name, address):
    reserved = builders.reserve(shop.api, "ada", shop.event_id, shop.tier_id, 2).json["id"]
    refused = shop.request_checkout(reserved, **{"success_url": BACK, name: address})
    assert (refused.status, refused.json["error"], refused.json["path"]) == (400, "return_address_refused", f"$.{name}")
    assert (store.load(reserved).state, shop.fake.request_log.counts) == ("held", {})
    assert shop.request_checkout(reserved, success_url=BACK).status == 201


@pytest.mark.parametrize(
    "address",
    [
        "https://shop.test",
        "https://shop.test/thanks?order=1&b=%2F#done",
        "http://localhost:3000/thanks",
        "https://shop.test/thanks?session={CHECKOUT_SESSION_ID}",
        "https://shop.test//evil.test/",
    ],
)
def test_the_shops_own_addresses_reach_stripe_as_they_are(shop, address):
    session = shop.open_checkout(success_url=address, cancel_url=address)
    page = shop.fetch_hosted_page(session)
    assert (page.success_url, page.cancel_url) == (address, address)
    assert shop.pay_on_hosted_page(session)[2] == address.replace("{CHECKOUT_SESSION_ID}", page.id)
    shop.fake.deliver()


def test_the_refusal_says_where_it_may_lead(shop):
    reserved = builders.reserve(shop.api, "ada", shop.event_id, shop.tier_id, 2).json["id"]
    refused = shop.request_checkout(reserved, success_url="https://evil.test/")
    assert refused.json["origins"] == ["https://shop.test", "http://localhost:3000"]


def test_an_origin_may_be_configured_in_any_case(shop):
    with settings.override(checkout_origins="HTTPS://Shop.Test/"):
        assert shop.open_checkout(success_url=BACK)["payment"]["url"]


@pytest.mark.parametrize(("wish", "path"), [({"page": "hosted"}, "$.success_url"), ({"success_url": BACK}, "$.success_url")])
def test_a_shop_without_origins_has_no_hosted_page(shop, wish, path):
    reserved = builders.reserve(shop.api, "ada", shop.event_id, shop.tier_id, 2).json["id"]
    with settings.override(checkout_origins=""):
        refused = shop.request_checkout(reserved, **wish)
    assert (refused.status, refused.json["error"], refused.json["path"]) == (400, "return_address_refused", path)
    assert store.load(reserved).state == "held"


def test_asked_again_it_is_the_same_page(shop):
    session = shop.open_checkout(page="hosted")
    same_key = shop.request_checkout(session["id"], page="hosted")
    assert (same_key.status, same_key.json["payment"]) == (200, session["payment"])
    other_key = shop.request_checkout(session["id"], key="other", page="own", success_url="https://evil.test")
    assert (other_key.status, other_key.json["payment"]) == (200, session["payment"])
    assert len(shop.dashboard.v1.checkout.sessions.list().data) == 1


def test_it_is_still_the_same_page_when_stripe_has_forgotten_the_key(shop):
    with settings.override(checkout_seconds=86_400):
        session = shop.open_checkout(page="hosted")
        shop.time.advance(86_400 - 1)
        assert shop.request_checkout(session["id"], key="other").json["payment"] == session["payment"]
        shop.time.advance(2)
        assert "url" not in shop.request_checkout(session["id"], key="third").json["payment"]
        assert len(shop.dashboard.v1.checkout.sessions.list().data) == 1


def test_a_second_tab_finds_it_paid(shop):
    session = shop.open_checkout(success_url=BACK)
    tab = shop.request_checkout(session["id"], key="tab").json
    assert shop.pay_on_hosted_page(session)[2] == BACK
    assert visit(tab["payment"]["url"])[::2] == (303, BACK)
    assert shop.confirm(tab).status == 201
    late = shop.request_checkout(session["id"], key="late")
    assert (late.status, late.json["error"]) == (409, "reservation_converted")


def test_the_page_goes_by_itself_at_the_first_moment_that_stripe_allows(shop):
    page = shop.fetch_hosted_page(shop.open_checkout(page="hosted"))
    assert page.expires_at == shop.time.now + 180 + 1800 + 60


def test_with_a_hold_of_a_day_it_goes_when_stripe_says(shop):
    with settings.override(checkout_seconds=86_400):
        assert shop.fetch_hosted_page(shop.open_checkout(page="hosted")).expires_at == shop.time.now + 86_400
