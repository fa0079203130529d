"""A running fake on a clock that stands still, and a shop that uses it."""

from collections.abc import Iterator

import pytest

from devtools.stripe.fake import FakeStripe
from tests.conftest import START
from tests.devtools.manual_clock import ManualClock
from tests.devtools.stripe.sdk_shop import SdkShop
from tests.devtools.stripe.webhook_inbox import WebhookInbox

MINUTE = 60


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(float(START))


@pytest.fixture
def shop(clock: ManualClock) -> Iterator[SdkShop]:
    with FakeStripe(clock=clock) as fake:
        yield SdkShop(fake)


@pytest.fixture
def fake(shop: SdkShop) -> FakeStripe:
    return shop.fake


@pytest.fixture
def sdk_clock(monkeypatch, clock) -> None:
    """The SDK reads the machine's time when it checks a signature: give it the time of the test."""
    monkeypatch.setattr("stripe._webhook.time.time", clock)


@pytest.fixture
def inbox(fake: FakeStripe) -> WebhookInbox:
    """A webhook endpoint of the fake."""
    inbox = WebhookInbox()
    fake.add_webhook_endpoint(inbox)
    return inbox


@pytest.fixture
def waiting_intent(shop: SdkShop):
    """A payment intent that waits for 3D Secure."""
    return shop.pay("pm_card_authenticationRequired", return_url="https://shop.test/back?order=1")


@pytest.fixture
def first_payment_at(shop: SdkShop, fake: FakeStripe, clock: ManualClock) -> int:
    """Make five payments on hosted pages, a minute apart, each partially refunded and disputed; the value is the time of the first."""
    first = int(clock.now)
    for number in range(5):
        session = fake.pay_session(shop.create_session(payment_intent_data={"metadata": {"purchase": f"p{number}"}}).id)
        shop.refunds.create({"payment_intent": session["payment_intent"], "amount": 100})
        fake.create_dispute(shop.charges.list({"payment_intent": session["payment_intent"]}).data[0].id)
        clock.advance(MINUTE)
    return first
