"""The state of the account, its journal, and its events."""

import stripe

from devtools.stripe.fake import FakeStripe
from tests.devtools.stripe.sdk_shop import SdkShop


def test_everything_is_there_after_a_restart(tmp_path, clock):
    journal = tmp_path / "data" / "stripe.jsonl"
    with FakeStripe(clock=clock, journal=journal) as fake:
        shop = SdkShop(fake)
        intent = shop.create_intent(key="k1")
        shop.intents.confirm(intent.id, {"payment_method": "pm_card_refundFail"})
        refund = shop.refunds.create({"payment_intent": intent.id})
        fake.add_webhook_endpoint("http://127.0.0.1:9/hook")
        session = shop.create_session(expires_at=int(clock.now) + 1800)
        fake.resend_event(fake.events()[0]["id"])
    # A run that was killed in the middle of a write leaves half a line.
    with journal.open("a") as file:
        file.write('[["payment_intent", "pi_half')
    clock.advance(1800)
    for _ in range(2):
        with FakeStripe(clock=clock, journal=journal) as fake:
            shop = SdkShop(fake)
            assert shop.create_intent(key="k1").id == intent.id
            assert shop.intents.retrieve(intent.id).status == "succeeded"
            assert shop.refunds.retrieve(refund.id).status == "failed"
            assert shop.sessions.retrieve(session.id).status == "expired"
            assert [delivery["event"] for delivery in fake.pending_deliveries] == [fake.events()[0]["id"]]
    assert journal.stat().st_mode & 0o777 == 0o600


def test_without_a_journal_nothing_is_saved():
    with FakeStripe() as fake:
        SdkShop(fake).create_intent()
    with FakeStripe() as fake:
        assert SdkShop(fake).intents.list().data == []


def test_ids_repeat_with_the_same_seed(clock):
    ids = []
    for seed in (1, 1, 2):
        with FakeStripe(clock=clock, seed=seed) as fake:
            ids.append(SdkShop(fake).create_intent().id)
    assert ids[0] == ids[1] != ids[2]


def test_events_are_listed_for_30_days(shop, clock):
    intent = shop.pay()
    clock.advance(60)
    shop.refunds.create({"payment_intent": intent.id})
    types = [event.type for event in shop.events.list().data]
    assert types == shop.event_types()[::-1]
    assert [event.type for event in shop.events.list({"types": ["charge.refunded", "charge.succeeded"]}).data] == [
        "charge.refunded",
        "charge.succeeded",
    ]
    event = shop.events.list({"type": "payment_intent.succeeded"}).data[0]
    assert (event.data.object.id, event.api_version) == (intent.id, stripe.api_version)
    assert shop.events.retrieve(event.id).data.object.status == "succeeded"
    clock.advance(30 * 86400 - 60)
    assert {event.type for event in shop.events.list().data} == {"refund.created", "charge.refunded"}


def test_an_event_is_a_snapshot_and_has_the_id_of_its_request(shop):
    intent = shop.create_intent(key="k1")
    shop.intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    created = shop.events.list({"type": "payment_intent.created"}).data[0]
    assert created.data.object.status == "requires_payment_method"
    assert created.request.idempotency_key == "k1"
    assert created.request.id == intent.last_response.request_id
