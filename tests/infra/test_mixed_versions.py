"""The sale on two versions of the code at the same time. These tests play it on one version under two addresses."""

from uuid import uuid4

import pytest

from chalicelib.foundation import settings
from infra.emulation import mixed_versions
from infra.emulation.aws import EmulationFailed
from tests import builders, invariants
from tests.client import BASE

URLS = ("https://old.test/api/v1", "https://new.test/api/v1")


@pytest.fixture
def faults(threaded_store, api, time, monkeypatch):
    """Changes of the newer version's replies: part of the path -> function of the decoded reply. The other calls reach the app."""
    changed = {}

    def call(method, url, body=None, token="", *, expected=0):
        target = url.partition(BASE)[2]
        path, _, query = target.partition("?")
        fields = dict(part.split("=", 1) for part in query.split("&") if part)
        headers, sent = {"Idempotency-Key": str(uuid4())}, {} if body is None else {"json": body}
        reply = api.request(method, path, query=fields or None, headers=headers, token=token or None, **sent)
        if reply.status != expected and (expected or reply.status >= 300):
            raise EmulationFailed(f"{method} {path} returned {reply.status} {reply.json}")
        found = reply.json
        for part, change in changed.items():
            if url.startswith(URLS[1]) and part in path:
                found = change(found)
        return found

    monkeypatch.setattr(mixed_versions, "call", call)
    monkeypatch.setattr(mixed_versions, "sleep", lambda seconds: time.advance(int(seconds)))
    with settings.override(identity="jwt"):
        yield changed


def sell():
    sweeps = []
    sale = mixed_versions.open_sale(URLS, builders.admin_token())
    buyers = mixed_versions.play(sale, lambda version: sweeps.append(version) or builders.run_sweep(), people_at_once=1)
    mixed_versions.check(sale, buyers)
    return buyers, sweeps


def test_every_combination_of_versions_buys_and_enters(faults, time):
    buyers, sweeps = sell()
    assert len({buyer.versions for buyer in buyers}) == 64
    assert sorted(buyer.place for buyer in buyers) == list(range(1, 65))
    assert sweeps == [0, 1] * 4
    invariants.check(time.now)


@pytest.mark.parametrize(
    ("path", "change", "reason"),
    [
        ("/waiting-room/join", lambda found: found | {"token": "another place"}, "joins again on the other version"),
        ("/waiting-room/status", lambda found: found | {"position": 65}, "the place on the other version"),
        ("/checkout/confirm", lambda found: found | {"tickets": [{"code": "another"}]}, "the tickets of a repeated confirmation"),
        ("/orders", lambda found: found | {"orders": []}, "the orders of a person on this version"),
        ("/status", lambda found: found | {"total_active_holds": 1}, "tickets sold, held and left on this version"),
    ],
)
def test_what_a_version_loses_is_named(faults, path, change, reason):
    faults[path] = change
    with pytest.raises(EmulationFailed, match=reason):
        sell()


def test_changes_are_passed_on_in_their_order():
    changes = [{"number": number} for number in range(60)]
    parts = mixed_versions.batches(changes)
    assert [len(part) for part in parts] == [25, 25, 10]
    assert [change for part in parts for change in part] == changes
