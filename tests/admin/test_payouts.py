"""What the provider has paid out, with how far the books are compared."""

import pytest

from chalicelib.foundation import clock
from chalicelib.payments.model import PayoutPage, ProviderPayout
from chalicelib.payments.providers import protocol, stripe, stripe_mapping
from tests import builders


def show(api, **query):
    reply = api.get("/admin/payouts", query=query, token=builders.admin_token())
    assert reply.status == 200, reply.json
    return reply.json


def test_there_are_none_without_a_provider(api):
    nothing = {"payouts": [], "next_cursor": None, "provider": None, "providers": [], "compared_until": None, "findings": None}
    assert show(api) == nothing


def test_a_payout_is_shown_with_amount_arrival_and_state(shop):
    shop.buy("ada", 2)
    made = shop.fake.create_payout()
    shown = show(shop.api)
    [payout] = shown["payouts"]
    assert (payout["id"], payout["amount_cents"], payout["currency"], payout["state"]) == (made["id"], made["amount"], "USD", "in_transit")
    assert (payout["created_at"], payout["arrives_at"]) == (clock.iso(made["created"]), clock.iso(made["arrival_date"]))
    assert (payout["is_automatic"], payout["failure"], payout["is_compared"]) == (True, None, False)
    assert (shown["provider"], shown["providers"], shown["compared_until"]) == ("stripe", ["stripe"], None)
    shop.fake.finish_payout(made["id"])
    assert show(shop.api)["payouts"][0]["state"] == "paid"


def test_a_payout_that_the_bank_sends_back_says_why(shop):
    shop.buy("ada", 1)
    made = shop.fake.create_payout()
    shop.fake.finish_payout(made["id"], arrives=False)
    [payout] = show(shop.api)["payouts"]
    assert (payout["state"], payout["failure"]) == ("failed", "The bank account has been closed.")
    assert shop.fake.create_payout()["amount"] == made["amount"], "the money is on the balance again"


def test_payouts_come_page_by_page_the_newest_first(shop):
    made = []
    for user in ("ada", "eva", "ida"):
        shop.buy(user, 1)
        made.append(shop.fake.create_payout()["id"])
        shop.time.advance(86_400)
    first = show(shop.api, limit="2")
    second = show(shop.api, limit="2", cursor=first["next_cursor"])
    assert [payout["id"] for page in (first, second) for payout in page["payouts"]] == made[::-1]
    assert second["next_cursor"] is None


def test_a_payout_from_before_the_comparison_is_compared(shop):
    from chalicelib.reconciliation.jobs import compare_books

    shop.buy("ada", 1)
    shop.fake.create_payout()
    shop.time.advance(86_400)
    compare_books(clock.now())
    shown = show(shop.api)
    while shown["compared_until"] < shown["payouts"][0]["created_at"]:
        compare_books(clock.now())
        shown = show(shop.api)
    assert shown["payouts"][0]["is_compared"] is True
    assert shown["findings"] == 0


class PayBook:
    """Another provider, as a module of `payments/providers` would be one."""

    def __init__(self, ids=("pb-2", "pb-1")):
        self.ids = ids

    def is_offered(self):
        return True

    def list_payouts(self, limit, after, account):
        assert account is None
        times = {"created_at": clock.now(), "arrives_at": clock.now()}
        payouts = [
            ProviderPayout(id=payout_id, amount_cents=100, currency="EUR", status="paid", is_automatic=True, failure=None, **times)
            for payout_id in self.ids
            if after is None or payout_id < after
        ]
        return PayoutPage(payouts[:limit], payouts[limit - 1].id if len(payouts) > limit else None)


def test_each_of_several_providers_has_its_own_list(shop, monkeypatch):
    monkeypatch.setitem(protocol.EXTERNAL, "imported", PayBook())  # under a name that the API knows
    shop.buy("ada", 1)
    made = shop.fake.create_payout()
    first = show(shop.api)
    assert (first["provider"], first["providers"]) == ("stripe", ["stripe", "imported"])
    assert [payout["id"] for payout in first["payouts"]] == [made["id"]]
    page = show(shop.api, provider="imported", limit="1")
    rest = show(shop.api, provider="imported", limit="1", cursor=page["next_cursor"])
    assert [payout["id"] for payout in page["payouts"] + rest["payouts"]] == ["pb-2", "pb-1"]
    assert (rest["provider"], rest["next_cursor"]) == ("imported", None)


def test_a_cancelled_payout_keeps_stripes_word_in_its_old_field(shop, monkeypatch):
    shop.buy("ada", 1)
    cancelled = stripe_mapping.convert_payout({**shop.fake.create_payout(), "status": "canceled"})
    monkeypatch.setattr(stripe, "list_payouts", lambda limit, after, account: PayoutPage([cancelled], None))
    [payout] = show(shop.api)["payouts"]
    assert (payout["state"], payout["status"]) == ("cancelled", "canceled")


@pytest.mark.parametrize("provider", ["free", "simulated", "imported", "cash"])
def test_payouts_of_a_provider_without_any_are_refused(shop, provider):
    reply = shop.api.get("/admin/payouts", query={"provider": provider}, token=builders.admin_token())
    assert (reply.status, reply.json["path"]) == (400, "provider")


def test_a_silent_provider_is_reported(shop):
    shop.fake.fail_next_request("GET", "/v1/payouts", status=500, should_retry=False)
    reply = shop.api.get("/admin/payouts", token=builders.admin_token())
    assert (reply.status, reply.json["error"]) == (503, "payment_provider_unavailable")


@pytest.mark.parametrize("cursor", ["W10", "cG9fbm9uZQ"])  # another list's, and of a payout that never was
def test_a_cursor_of_nothing_is_refused_by_its_name(shop, cursor):
    reply = shop.api.get("/admin/payouts", query={"cursor": cursor}, token=builders.admin_token())
    assert (reply.status, reply.json["path"]) == (400, "cursor")
