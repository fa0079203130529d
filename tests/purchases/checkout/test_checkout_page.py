"""Which page takes the money, where the hosted page may send the buyer afterwards, and what a frontend gets to know about it."""

import pytest

from chalicelib.foundation import settings
from tests import builders
from tests.bootstrap.conftest import ticket
from tests.devtools.stripe.browser import visit
from tests.payment_pages import RETURN_URL

# Which page.


@pytest.mark.parametrize(
    "options", [{"success_url": RETURN_URL}, {"page": "hosted"}, {"page": "hosted", "success_url": RETURN_URL, "cancel_url": RETURN_URL}]
)
def test_a_hosted_page_is_opened_when_a_buyer_asks_for_it(shop, options):
    payment = shop.open_checkout(**options)["payment"]
    assert payment == {"provider": "stripe", "status": "open", "url": payment["url"]}
    assert shop.fake.request_log.counts == {"POST /v1/checkout/sessions": 1}


def test_the_own_page_is_the_default_for_tiers_without_stripe_prices(shop):
    assert "client_secret" in shop.open_checkout()["payment"]
    assert "client_secret" in shop.open_checkout("bob", cancel_url=RETURN_URL)["payment"]


def test_the_hosted_page_is_the_default_for_tiers_with_prices_at_stripe(shop):
    shop.sell_tiers(ticket("floor"))
    session = shop.open_checkout()
    page = shop.fetch_hosted_page(session)
    assert (page.success_url, page.cancel_url) == (f"https://shop.test/?checkout_id={session['id']}", None)
    line = shop.dashboard.v1.checkout.sessions.line_items.list(page.id).data[0]
    assert (line.price.id, line.quantity, page.amount_total, page.currency) == ("price_floor", 2, 10_000, "usd")
    own = shop.open_checkout("bob", page="own", success_url=RETURN_URL)
    assert set(own["payment"]) == {"provider", "status", "client_secret", "publishable_key"}
    shop.pay(own)
    assert shop.confirm(own, "bob").status == 201


def test_the_own_page_is_the_default_if_one_tier_has_no_stripe_price(shop):
    shop.sell_tiers(ticket("floor"), ticket("box", stripe_price_id=None))
    reservation_id = builders.reserve_items(shop.api, "ada", "fest", {"box": 1, "floor": 2}).json["id"]
    assert "client_secret" in shop.request_checkout(reservation_id).json["payment"]


def test_a_shop_without_origins_has_no_hosted_page_by_default(shop):
    shop.sell_tiers(ticket("floor"))
    with settings.override(checkout_origins=""):
        assert "client_secret" in shop.open_checkout()["payment"]


def test_with_either_page_the_settings_of_the_shop_decide(shop):
    addresses = {"page": "either", "success_url": RETURN_URL, "cancel_url": RETURN_URL}
    assert "url" in shop.open_checkout(**addresses)["payment"]
    with settings.override(stripe_publishable_key=shop.fake.publishable_key):
        assert shop.open_checkout("bob", 1, **addresses)["payment"]["publishable_key"] == shop.fake.publishable_key
        with settings.override(checkout_page="hosted"):
            assert "url" in shop.open_checkout("cleo", 1, **addresses)["payment"]


def test_the_simulated_provider_has_no_page_and_ignores_return_addresses(shop):
    with settings.override(payment_provider="simulated"):
        session = shop.open_checkout(success_url="https://elsewhere.test/thanks", cancel_url="https://elsewhere.test/\u00e9")
        assert session["payment"] == {"provider": "simulated", "status": "open"}
        assert builders.confirm(shop.api, "ada", session["id"]).status == 201
    assert shop.fake.request_log.counts == {}


def test_a_free_order_has_no_page(shop):
    shop.tier_id = builders.create_tier(shop.api, shop.event_id, "Free", price_cents=0)
    assert shop.open_checkout(page="hosted")["payment"] == {"provider": "free", "status": "open"}
    assert shop.fake.request_log.counts == {}


# What the hosted page shows, and how long.


def test_each_tier_is_a_line_of_the_hosted_page(shop):
    shop.sell_tiers(ticket("floor"), ticket("balcony", price_cents=3000), ticket("box", price_cents=12_000, stripe_price_id=None))
    reservation_id = builders.reserve_items(shop.api, "ada", "fest", {"box": 1, "balcony": 3, "floor": 2}).json["id"]
    session = shop.request_checkout(reservation_id, page="hosted").json
    lines = shop.dashboard.v1.checkout.sessions.line_items.list(shop.fetch_hosted_page(session).id).data
    assert [(line.description, line.quantity, line.amount_total) for line in lines] == [
        ("box", 1, 12_000),
        ("balcony", 3, 9000),
        ("floor", 2, 10_000),
    ]
    shop.pay(session)
    assert len(shop.confirm(session).json["tickets"]) == 6
    assert shop.received_and_kept() == (31_000, 31_000)


def test_a_repeated_checkout_shows_the_same_page_after_stripes_key_expired(shop):
    with settings.override(checkout_seconds=86_400):
        session = shop.open_checkout(page="hosted")
        shop.time.advance(86_400 - 1)
        assert shop.request_checkout(session["id"], key="other").json["payment"] == session["payment"]
        shop.time.advance(2)
        assert "url" not in shop.request_checkout(session["id"], key="third").json["payment"]
        assert len(shop.dashboard.v1.checkout.sessions.list().data) == 1


def test_a_second_tab_finds_the_page_paid(shop):
    session = shop.open_checkout(success_url=RETURN_URL)
    second_tab = shop.request_checkout(session["id"], key="tab").json
    assert shop.pay(session) == RETURN_URL
    assert visit(second_tab["payment"]["url"])[::2] == (303, RETURN_URL)
    assert shop.confirm(second_tab).status == 201
    late = shop.request_checkout(session["id"], key="late")
    assert (late.status, late.json["error"]) == (409, "reservation_converted")


def test_the_page_expires_half_an_hour_after_the_hold(shop):
    page = shop.fetch_hosted_page(shop.open_checkout(page="hosted"))
    assert page.expires_at == shop.time.now + 180 + 1800 + 60


def test_the_page_of_a_long_hold_expires_after_stripes_maximum(shop):
    with settings.override(checkout_seconds=86_400):
        assert shop.fetch_hosted_page(shop.open_checkout(page="hosted")).expires_at == shop.time.now + 86_400


# Where it may send the buyer.

REFUSED_ADDRESSES = [
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
@pytest.mark.parametrize("address", REFUSED_ADDRESSES, ids=lambda address: address[:40] or "empty")
def test_a_foreign_return_address_is_refused(shop, name, address):
    reservation_id = shop.reserve()
    refused = shop.request_checkout(reservation_id, **{"success_url": RETURN_URL, name: address})
    assert (refused.status, refused.json["error"], refused.json["path"]) == (400, "return_address_refused", f"$.{name}")
    assert (shop.load_purchase(reservation_id).state, shop.fake.request_log.counts) == ("held", {})
    assert shop.request_checkout(reservation_id, success_url=RETURN_URL).status == 201


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
def test_a_return_address_of_the_shop_reaches_stripe_unchanged(shop, address):
    session = shop.open_checkout(success_url=address, cancel_url=address)
    page = shop.fetch_hosted_page(session)
    assert (page.success_url, page.cancel_url) == (address, address)
    assert shop.pay(session) == address.replace("{CHECKOUT_SESSION_ID}", page.id)
    shop.fake.deliver()


def test_the_refusal_of_a_return_address_lists_the_allowed_origins(shop):
    refused = shop.request_checkout(shop.reserve(), success_url="https://evil.test/")
    assert refused.json["origins"] == ["https://shop.test", "http://localhost:3000"]


def test_an_origin_may_be_configured_in_any_case(shop):
    with settings.override(checkout_origins="HTTPS://Shop.Test/"):
        assert shop.open_checkout(success_url=RETURN_URL)["payment"]["url"]


@pytest.mark.parametrize("options", [{"page": "hosted"}, {"success_url": RETURN_URL}])
def test_a_shop_without_origins_refuses_a_hosted_page(shop, options):
    reservation_id = shop.reserve()
    with settings.override(checkout_origins=""):
        refused = shop.request_checkout(reservation_id, **options)
    assert (refused.status, refused.json["error"], refused.json["path"]) == (400, "return_address_refused", "$.success_url")
    assert shop.load_purchase(reservation_id).state == "held"
