"""Running it: what a journal keeps, as a server of its own, from browsers, with broken requests."""

import base64
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
import stripe

from devtools.stripe.fake import FakeStripe
from tests.devtools.stripe.conftest import Shop, sdk
from tests.test_tidy import ROOT

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def test_a_journal_keeps_everything(tmp_path, clock):
    journal = tmp_path / "data" / "stripe.jsonl"
    with FakeStripe(clock=clock, journal=journal) as fake:
        shop = Shop(fake)
        intent = shop.open(key="k1")
        shop.intents.confirm(intent.id, {"payment_method": "pm_card_refundFail"})
        refund = shop.refunds.create({"payment_intent": intent.id})
        fake.add_webhook_endpoint("http://127.0.0.1:9/hook")
        session = shop.session(expires_at=int(clock.now) + 1800)
        fake.resend_event(fake.events()[0]["id"])
    # A run that was killed in the middle of a write leaves half a line.
    with journal.open("a") as file:
        file.write('[["payment_intent", "pi_half')
    clock.advance(1800)
    for _ in range(2):
        with FakeStripe(clock=clock, journal=journal) as fake:
            shop = Shop(fake)
            assert shop.open(key="k1").id == intent.id
            assert shop.intents.retrieve(intent.id).status == "succeeded"
            assert shop.refunds.retrieve(refund.id).status == "failed"
            assert shop.sessions.retrieve(session.id).status == "expired"
            assert [one["event"] for one in fake.pending_deliveries] == [fake.events()[0]["id"]]
    assert journal.stat().st_mode & 0o777 == 0o600


def test_a_webhook_that_was_under_way_at_a_power_cut_goes_out_again(tmp_path, clock):
    """The receiver asks back while it is told, so the journal grows in the middle of the delivery."""
    journal, cut, got = tmp_path / "journal", tmp_path / "cut", []

    def power_cut(body, headers):
        shop.intents.retrieve(intent.id)
        cut.write_bytes(journal.read_bytes())
        return 200

    with FakeStripe(clock=clock, journal=journal) as fake:
        fake.add_webhook_endpoint(power_cut, name="shop")
        shop = Shop(fake)
        intent = shop.open()
        fake.deliver()
        assert fake.pending_deliveries == []
    with FakeStripe(clock=clock, journal=cut) as fake:
        fake.add_webhook_endpoint(lambda *_: 200)  # not the one that it waits for
        fake.add_webhook_endpoint(lambda body, _: got.append(json.loads(body)["type"]) or 200, name="shop")
        fake.deliver()
        assert (got, fake.pending_deliveries) == (["payment_intent.created"], [])


def test_it_can_be_hushed():
    with FakeStripe(webhook_delivery="automatic") as fake:
        fake.add_webhook_endpoint(lambda *_: 200)
        fake.stop_webhooks()
        Shop(fake).open()
        assert len(fake.pending_deliveries) == 1


def test_a_port_that_is_taken_is_noticed_and_the_journal_let_go(tmp_path, clock):
    with FakeStripe(clock=clock, journal=tmp_path / "first") as fake:
        page = Shop(fake).session()
        with pytest.raises(OSError, match="in use"):
            FakeStripe(port=fake.port, journal=tmp_path / "second")
    with FakeStripe(clock=clock, journal=tmp_path / "first") as moved:
        assert Shop(moved).sessions.retrieve(page.id).url == f"{moved.url}/c/pay/{page.id}"


def test_it_starts_without_the_sdk():
    script = "import sys, infra.local.local_stripe; assert 'stripe' not in sys.modules and 'requests' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0


def test_without_a_journal_nothing_is_kept():
    with FakeStripe() as fake:
        Shop(fake).open()
    with FakeStripe() as fake:
        assert Shop(fake).intents.list().data == []


def test_seeds_repeat_ids(clock):
    ids = []
    for seed in (1, 1, 2):
        with FakeStripe(clock=clock, seed=seed) as fake:
            ids.append(Shop(fake).open().id)
    assert ids[0] == ids[1] != ids[2]


def test_as_a_server_of_its_own(tmp_path):
    command = [
        sys.executable,
        "-m",
        "devtools.stripe",
        "--port",
        "0",
        "--journal",
        str(tmp_path / "j"),
        "--webhook",
        "http://127.0.0.1:9/",
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "NO_PROXY": "127.0.0.1"})
    try:
        told = dict(process.stdout.readline().strip().rsplit(" ", 1) for _ in range(4))
        told = {name.strip(): value for name, value in told.items()}
        client = stripe.StripeClient(told["secret key"], base_addresses={"api": told["API"]})
        assert client.v1.payment_intents.create({"amount": 100, "currency": "eur"}).currency == "eur"
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        process.stdout.close()


def test_browsers_of_other_origins_may_call(fake):
    asked = urllib.request.Request(f"{fake.url}/v1/payment_methods", method="OPTIONS", headers={"Origin": "http://127.0.0.1:8000"})
    with OPENER.open(asked, timeout=5) as answer:
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (204, "*")
        assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]


def test_pages_run_no_script_and_are_not_framed(shop):
    with OPENER.open(shop.session().url, timeout=5) as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


BROKEN = [b"a[b=1", b"a=1&a[b]=2", b"a[b]=2&a=1", b"%ff=1", b"&".join(b"a=%d" % n for n in range(1001))]


@pytest.mark.parametrize("body", BROKEN, ids=range(len(BROKEN)))
def test_forms_that_cannot_be_read(fake, body):
    asked = urllib.request.Request(f"{fake.url}/v1/refunds", data=body, headers={"Authorization": f"Bearer {fake.api_key}"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        OPENER.open(asked, timeout=5)
    with caught.value as answer:
        assert (answer.status, json.loads(answer.read())["error"]["type"]) == (400, "invalid_request_error")


def test_brackets_without_a_number_count_by_themselves(fake):
    body = b"amount=100&currency=usd&allowed_payment_method_types[]=card&expand[]=latest_charge"
    asked = urllib.request.Request(f"{fake.url}/v1/payment_intents", data=body, headers={"Authorization": f"Bearer {fake.api_key}"})
    with OPENER.open(asked, timeout=5) as answer:
        assert json.loads(answer.read())["payment_method_types"] == ["card"]


def test_no_key(fake):
    for path in ("/v1/charges", "/v1/nothing"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            OPENER.open(f"{fake.url}{path}", timeout=5)
        caught.value.close()
        assert caught.value.status == 401


def test_a_key_like_curl_sends_it(fake):
    told = base64.b64encode(f"{fake.api_key}:".encode()).decode()
    asked = urllib.request.Request(f"{fake.url}/v1/charges", headers={"Authorization": f"Basic {told}"})
    with OPENER.open(asked, timeout=5) as answer:
        assert json.loads(answer.read())["data"] == []


def test_the_front_page(fake):
    with OPENER.open(fake.url, timeout=5) as answer:
        assert b"stands in for Stripe" in answer.read()


def test_two_fakes_share_nothing(fake, shop):
    with FakeStripe() as other:
        assert other.url != fake.url
        shop.open()
        assert sdk(other, other.api_key).v1.payment_intents.list().data == []


def test_it_stops_while_a_call_hangs(clock):
    with FakeStripe(clock=clock) as fake:
        fake.lose_next_response("POST", "/v1/payment_intents", how="hang")
        with pytest.raises(stripe.APIConnectionError):
            sdk(fake, fake.api_key, timeout=0.05).v1.payment_intents.create({"amount": 100, "currency": "usd"})
