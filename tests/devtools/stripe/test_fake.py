"""The fake as a whole."""

import subprocess
import sys

import pytest

from devtools.stripe.fake import FakeStripe
from tests.devtools.stripe.sdk_shop import SdkShop, sdk_client
from tests.repository import ROOT


def test_a_port_in_use_raises_and_closes_the_journal(tmp_path, clock):
    with FakeStripe(clock=clock, journal=tmp_path / "first") as fake:
        page = SdkShop(fake).create_session()
        with pytest.raises(OSError, match="in use"):
            FakeStripe(port=fake.port, journal=tmp_path / "second")
    with FakeStripe(clock=clock, journal=tmp_path / "first") as moved:
        assert SdkShop(moved).sessions.retrieve(page.id).url == f"{moved.url}/c/pay/{page.id}"


def test_the_fake_does_not_import_the_sdk():
    script = "import sys, infra.local.local_stripe; assert 'stripe' not in sys.modules and 'requests' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0


def test_two_fakes_share_nothing(fake, shop):
    with FakeStripe() as other:
        assert other.url != fake.url
        shop.create_intent()
        assert sdk_client(other, other.api_key).v1.payment_intents.list().data == []


def test_overwrite_object_changes_fields_and_reports_no_event(fake, shop):
    intent, events = shop.pay(), len(fake.events())
    before = fake.overwrite_object("payment_intent", intent.id, amount_received=1)
    assert (before["amount_received"], shop.intents.retrieve(intent.id).amount_received) == (5000, 1)
    assert len(fake.events()) == events


def test_an_object_that_was_removed_can_be_put_back(fake, shop):
    intent = shop.pay()
    removed = fake.remove_object("payment_intent", intent.id)
    assert shop.intents.list().data == []
    fake.overwrite_object("payment_intent", **{"object_id": intent.id} | removed)
    assert shop.intents.retrieve(intent.id) == intent


def test_forget_events(fake, shop):
    shop.pay()
    fake.forget_events()
    assert (fake.events(), shop.events.list().data) == ([], [])
